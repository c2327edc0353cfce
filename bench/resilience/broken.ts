import type { FaultPeer } from '../faults/fault-peers.ts';
import { withProxy } from '../faults/with-proxy.ts';
import { OpenLoop, type OpenLoopResult } from '../load/open-loop.ts';
import type { Children } from '../rig/children.ts';
import { EXTERNAL_API, subject } from './subjects.ts';

const RATE = 500;
const CONCURRENCY = 50;
const HEALTHY_SECONDS = 2;
const FIRST_SECONDS = 2;

/** What clients see of one broken endpoint in three: in the first two seconds, and after that. */
export type BrokenRow = {
  readonly what: string;
  readonly first: OpenLoopResult;
  readonly after: OpenLoopResult;
  /** Requests that the broken endpoint saw after the first two seconds. */
  readonly seenAfter: number;
};

const CASES = [
  { what: 'resets before the head, defaults', behaviour: 'reset-before-head', policy: '' },
  { what: 'answers 503, preset external-api', behaviour: 'unavailable', policy: EXTERNAL_API },
] as const;

/** 500 GETs a second over at most 50 connections of the app, while one of three endpoints is broken. */
export async function measureBroken(
  children: Children,
  seconds: number,
  entry: string | undefined,
): Promise<readonly BrokenRow[]> {
  const rows: BrokenRow[] = [];
  for (const { what, behaviour, policy } of CASES) {
    const peer = subject('carpool-broken', 3, policy, entry);
    const load = openLoad(peer);
    rows.push(
      await withProxy(
        children,
        peer,
        {},
        {},
        async () => {},
        async ([broken]) => {
          await new OpenLoop({ ...load, seconds: HEALTHY_SECONDS }).run();
          await broken?.behave(behaviour);
          const first = await new OpenLoop({ ...load, seconds: FIRST_SECONDS }).run();
          const before = (await broken?.report())?.requests ?? 0;
          const after = await new OpenLoop({ ...load, seconds }).run();
          return { what, first, after, seenAfter: ((await broken?.report())?.requests ?? 0) - before };
        },
      ),
    );
  }
  return rows;
}

function openLoad(peer: FaultPeer) {
  const request = Buffer.from(`GET http://${peer.host}/work HTTP/1.1\r\nHost: ${peer.host}\r\n\r\n`, 'latin1');
  return { port: peer.port, rate: RATE, connections: CONCURRENCY, timeoutMs: 5000, request: () => request };
}
