import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { openCredentials } from '../../src/discovery/kubernetes/credentials.ts';
import { ApiCalls } from '../../src/webhook/api-calls.ts';
import { CertificateKeeper } from '../../src/webhook/certificate-keeper.ts';
import { CertificateStore } from '../../src/webhook/certificate-store.ts';
import type { ServingPair } from '../../src/webhook/serving-pair.ts';
import { TestClock } from '../test-clock.ts';
import { ObjectsApi } from './objects-api.ts';

export const NAMES = ['hook.system.svc', 'hook.system.svc.cluster.local', 'hook.system'];
export const DAY = 86_400_000;
export const LIFETIME = 90 * DAY;

/** A replica of the webhook, as far as its certificates are concerned, and what it has told. */
export type Replica = {
  readonly keeper: CertificateKeeper;
  /** `serve made`, `serve adopted`, `fine`, or a failure's words and hint. */
  readonly told: string[];
  readonly served: ServingPair[];
  /** Waits until `condition` holds, looking each time when something was told. */
  readonly until: (condition: () => boolean) => Promise<void>;
  /** Has it look, and waits until the look has ended. */
  readonly look: () => Promise<void>;
  readonly tokenFile: string;
};

/** Replicas around one API server and one clock. */
export async function makeKeepers(t: Test, count = 1, random = () => 0.5) {
  const clock = new TestClock();
  // Certificates are for the wall clock of whoever verifies them.
  clock.jumpWall(Date.now() - clock.wall());
  const api = await ObjectsApi.start(t);
  const replicas = Array.from({ length: count }, () => makeReplica(t, api, clock, random));
  const [first] = replicas;
  if (first === undefined) throw new Error('no replica');
  return { clock, api, replicas, first };
}

function makeReplica(t: Test, api: ObjectsApi, clock: TestClock, random: () => number): Replica {
  const tokenDir = mkdtempSync(join(tmpdir(), 'carpool-hook-'));
  t.teardown(() => rmSync(tokenDir, { recursive: true, force: true }));
  writeFileSync(join(tokenDir, 'ca.crt'), api.ca);
  writeFileSync(join(tokenDir, 'token'), api.token);
  const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) };
  const credentials = openCredentials({ env, kubeconfig: null, apiServer: null, tokenDir, clock });
  const places = { namespace: 'system', secret: 'hook-certificate', configuration: 'hook', service: 'hook' };
  const told: string[] = [];
  const served: ServingPair[] = [];
  const waiting: (() => void)[] = [];
  let looks = 0;
  const tell = (what: string): void => {
    told.push(what);
    for (const resolve of waiting.splice(0)) resolve();
  };
  const keeper = new CertificateKeeper({
    store: new CertificateStore(new ApiCalls(credentials, clock, 'test'), places),
    names: NAMES,
    lifetimeMs: LIFETIME,
    clock,
    random,
    reports: {
      serve: (pair, from) => {
        served.push(pair);
        tell(`serve ${from}`);
      },
      failed: (message, hint) => {
        looks++;
        tell(`${message} | ${hint}`);
      },
      fine: () => {
        looks++;
        tell('fine');
      },
    },
  });
  t.teardown(() => keeper.stop());
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const look = async (): Promise<void> => {
    const before = looks;
    if (before === 0) keeper.start();
    else keeper.look();
    await until(() => looks > before);
    // The timer of the next look is set right after what was told.
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { keeper, told, served, until, look, tokenFile: join(tokenDir, 'token') };
}
