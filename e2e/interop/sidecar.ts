import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { hasEnded, start, stop } from '../processes.ts';
import { Metrics } from '../sidecar/metrics.ts';
import { whenReady } from '../sidecar/when-ready.ts';

const program = process.env.CARPOOL_E2E_BUNDLE ?? fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A destination whose one endpoint is on loopback; it has a local port too. */
export type Destination = {
  /** `host:port`, as apps call it. */
  readonly match: string;
  /** Where its origin listens, on 127.0.0.1. */
  readonly origin: number;
  readonly protocol: 'auto' | 'http1' | 'http2';
  /** As in the configuration; 300s unless said. */
  readonly maxAge?: string;
};

/** The sidecar in a process of its own, without Kubernetes, on free ports of loopback. */
export type LoneSidecar = {
  readonly port: number;
  /** The local port of a destination. */
  local(match: string): number;
  metrics(): Promise<Metrics>;
  /** What it has printed so far, its log and its last words. */
  words(): string;
  readonly ended: boolean;
};

/** From source, or what CARPOOL_E2E_BUNDLE names. It is ended with the test. */
export async function startSidecar(t: Test, destinations: readonly Destination[]): Promise<LoneSidecar> {
  const folder = mkdtempSync(join(tmpdir(), 'carpool-interop-'));
  const [config, stderr, log] = ['carpool.yaml', 'stderr', 'log'].map((name) => join(folder, name));
  if (config === undefined || stderr === undefined || log === undefined) throw new Error('no files');
  const settings = {
    listener: { port: 0 },
    operator: { host: '127.0.0.1', port: 0 },
    control: { socket: join(folder, 'control.sock') },
    discovery: { kubernetes: { enabled: false } },
    shutdown: { grace: 0 },
    destinations: destinations.map(({ match, origin, protocol, maxAge = '300s' }) => ({
      match,
      protocol,
      pool: { maxAge },
      endpoints: [`127.0.0.1:${origin}`],
      localPort: 0,
    })),
  };
  writeFileSync(config, stringify(settings));
  const child = start([process.execPath, '--no-warnings', program, 'run', '--config', config], { log: stderr });
  t.teardown(async () => {
    await stop(child);
    rmSync(folder, { recursive: true, force: true });
  });
  const words = (): string => readFileSync(log, 'utf8') + readFileSync(stderr, 'utf8');
  const { proxy, operator, localPorts } = await whenReady(child, log).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${words()}`);
  });
  return {
    port: proxy,
    local: (match) => localPorts.get(match) ?? 0,
    metrics: async () => new Metrics(await (await fetch(`http://127.0.0.1:${operator}/metrics`)).text()),
    words,
    get ended() {
      return hasEnded(child);
    },
  };
}
