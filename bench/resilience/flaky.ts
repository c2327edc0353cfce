import { Lane, type Tally } from '../faults/lanes.ts';
import { withProxy } from '../faults/with-proxy.ts';
import { OpenLoop } from '../load/open-loop.ts';
import type { Children } from '../rig/children.ts';
import { EXTERNAL_API, subject } from './subjects.ts';

export type FlakyRow = { readonly what: string; readonly asked: number; readonly failed: number };

/** 500 GETs a second with the preset, at three endpoints that fail 5 % of requests: resets and 503 in turn. */
export function measureFlaky(children: Children, seconds: number, entry: string | undefined): Promise<FlakyRow> {
  const peer = subject('carpool-flaky', 3, EXTERNAL_API, entry);
  const request = Buffer.from(`GET http://${peer.host}/work HTTP/1.1\r\nHost: ${peer.host}\r\n\r\n`, 'latin1');
  const load = { port: peer.port, rate: 500, connections: 50, timeoutMs: 5000, request: () => request };
  const script = { behaviour: 'flaky', faultShare: 0.05 } as const;
  return withProxy(
    children,
    peer,
    script,
    script,
    async () => {},
    async () => {
      const { offered, answered } = await new OpenLoop({ ...load, seconds }).run();
      return { what: '5 % of requests fail, preset external-api', asked: offered, failed: offered - answered };
    },
  );
}

export type IdleResetRow = {
  readonly gets: Tally;
  readonly posts: Tally;
  /** POSTs that were acted on more than once. */
  readonly twice: number;
  readonly connections: number;
};

/** Clients with pauses between their requests, while a tenth of the connections is reset just after an answer. */
export function measureIdleResets(
  children: Children,
  requests: number,
  entry: string | undefined,
): Promise<IdleResetRow> {
  const peer = subject('carpool-idle-resets', 1, '', entry);
  const script = { behaviour: 'reset-idle', faultShare: 0.1 } as const;
  return withProxy(
    children,
    peer,
    script,
    script,
    async () => {},
    async (endpoints) => {
      const gets: Tally = { sent: 0, failed: 0, kinds: {} };
      const posts: Tally = { sent: 0, failed: 0, kinds: {} };
      const lanes = Array.from({ length: 40 }, (_, i) =>
        i % 2 === 0 ? new Lane(peer, 'GET', `g${i}`, gets) : new Lane(peer, 'POST', `p${i}`, posts),
      );
      await Promise.all(
        lanes.map(async (lane, i) => {
          for (let count = 0; count < requests; count++) {
            await lane.ask();
            await pause(((i * 7 + count * 3) % 11) / 2);
          }
        }),
      );
      for (const lane of lanes) lane.close();
      const times = new Map<string, number>();
      let connections = 0;
      for (const endpoint of endpoints) {
        const report = await endpoint.report();
        connections += report.connections;
        for (const [path, count] of report.applied) times.set(path, (times.get(path) ?? 0) + count);
      }
      return { gets, posts, twice: [...times.values()].filter((count) => count > 1).length, connections };
    },
  );
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
