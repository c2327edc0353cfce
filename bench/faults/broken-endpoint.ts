import { OpenLoop } from '../load/open-loop.ts';
import type { Children } from '../rig/children.ts';
import type { FaultPeer } from './fault-peers.ts';
import { withProxy } from './with-proxy.ts';

/** What is wrong with one of three endpoints. */
export const FAULTS = [
  { name: 'stopped', words: 'accepts, never answers (the process is stopped after 2 s of traffic)' },
  { name: 'silent', words: 'does not answer to connects (its accept queue is full from the start)' },
  { name: 'reset-before-head', words: 'resets each request before the first byte of an answer' },
  { name: 'reset-in-body', words: 'resets in the middle of each answer (nobody can save these but by not asking it)' },
] as const;
export type Fault = (typeof FAULTS)[number]['name'];

const RATE = 200;
const CLIENT_TIMEOUT_MS = 1000;
const HEALTHY_SECONDS = 2;

export type BrokenRow = {
  readonly fault: Fault;
  readonly peer: string;
  readonly offered: number;
  readonly failed: number;
  readonly kinds: Readonly<Record<string, number>>;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly maxUs: number | null;
};

/** GETs at 200/s, each given up by its client after 1 s, while one of three endpoints is broken. */
export function measureBroken(children: Children, peer: FaultPeer, fault: Fault, seconds: number): Promise<BrokenRow> {
  const request = Buffer.from(`GET http://${peer.host}/work HTTP/1.1\r\nHost: ${peer.host}\r\n\r\n`, 'latin1');
  const load = { port: peer.port, rate: RATE, connections: 400, timeoutMs: CLIENT_TIMEOUT_MS, request: () => request };
  const silent = fault === 'silent';
  return withProxy(
    children,
    peer,
    silent ? { backlog: 1 } : {},
    {},
    async (broken) => {
      if (silent) await broken.goSilent();
    },
    async ([broken]) => {
      // A pod that breaks has connections in the pool; one that was never there has none.
      if (!silent) await new OpenLoop({ ...load, seconds: HEALTHY_SECONDS }).run();
      if (fault === 'stopped') broken?.freeze();
      else if (fault !== 'silent') await broken?.behave(fault);
      const result = await new OpenLoop({ ...load, seconds }).run();
      return {
        fault,
        peer: peer.name,
        offered: result.offered,
        failed: result.offered - result.answered,
        kinds: result.failures,
        p50Us: result.p50Us,
        p99Us: result.p99Us,
        maxUs: result.maxUs,
      };
    },
  );
}
