import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '../processes.ts';
import { AdminApi } from './admin-api.ts';
import { PodAddresses } from './pod-addresses.ts';

const controlPlane = fileURLToPath(new URL('../control-plane/', import.meta.url));

/** The variable by which `run.ts` tells the tests which cluster to use: its folder, or `skip: ` and why there is none. */
export const CLUSTER_VARIABLE = 'CARPOOL_E2E_CLUSTER';

/** The same for a whole node. */
export const NODE_VARIABLE = 'CARPOOL_E2E_NODE';

/** A running control plane in a network namespace of its own, and the folder that its files are in. */
export class Cluster {
  readonly state: string;
  readonly netns: string;
  /** The API server's address (port 6443), and this machine's as the namespace sees it. */
  readonly nodeIp: string;
  readonly hostIp: string;
  readonly addresses: PodAddresses;
  readonly api: AdminApi;

  constructor(state: string) {
    const settings = new Map(
      readFileSync(`${state}/env`, 'utf8')
        .split('\n')
        .map((line) => [line.replace(/=.*/, ''), line.replace(/^[^=]*=/, '')]),
    );
    this.state = state;
    this.netns = settings.get('NETNS') ?? '';
    this.nodeIp = settings.get('NODE_IP') ?? '';
    this.hostIp = settings.get('HOST_IP') ?? '';
    this.addresses = new PodAddresses(`10.244.${settings.get('SLOT')}.`);
    this.api = new AdminApi(this.nodeIp, `${state}/pki`);
  }

  file(name: string): string {
    return `${this.state}/${name}`;
  }

  /** Kills the API server: connections to it are reset, new ones refused. */
  async killApiServer(): Promise<void> {
    await this.#program('kill', 'kube-apiserver');
  }

  /** Starts it again and waits until it is ready. */
  async startApiServer(): Promise<void> {
    await this.#program('start', 'kube-apiserver');
  }

  /** Without this the controllers come back when their own back-off ends, up to a minute after the API server. */
  async restartControllers(): Promise<void> {
    await this.#program('kill', 'kube-controller-manager');
    await this.#program('start', 'kube-controller-manager');
  }

  /** A command inside the network namespace. */
  inside(...argv: readonly string[]): Promise<string> {
    return run(argv, this.netns);
  }

  async #program(what: 'kill' | 'start', name: string): Promise<void> {
    await run([`${controlPlane}program.sh`, this.state, what, name]);
  }
}

/**
 * Starts a control plane, which is built first where it is not in the cache: what it says of that goes to stderr.
 * @returns the folder of the running cluster
 */
export function bringUp(): Promise<string> {
  return started('up.sh', []);
}

/**
 * Starts a whole node that has these images, which are archives.
 * @returns the folder of the running cluster
 */
export function bringUpNode(images: readonly string[]): Promise<string> {
  return started('node-up.sh', images);
}

async function started(script: string, args: readonly string[]): Promise<string> {
  const state = mkdtempSync('/tmp/carpool-e2e.');
  const argv = [state, ...args];
  const [code] = await once(
    spawn(`${controlPlane}${script}`, argv, { stdio: ['ignore', 'ignore', 'inherit'] }),
    'exit',
  );
  if (code !== 0) throw new Error(`no cluster; its logs, if it came to any, are in ${state}`);
  return state;
}

/** Ends it and removes all that it made. */
export async function tearDown(state: string): Promise<void> {
  await run([`${controlPlane}down.sh`, state]);
}
