import type { Role } from '../peers/peer.ts';
import { ports } from '../rig/ports.ts';
import { workPath } from '../rig/work-dir.ts';

/** A closed loop by wrk: the proxy is saturated, so CPU per request and throughput mean something. */
type WrkScenario = {
  readonly kind: 'wrk';
  readonly name: string;
  readonly words: string;
  readonly role: Role;
  readonly connections: number;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly bodyFile: string | null;
  readonly close: boolean;
  /** Body bytes of a right answer, looked at once before anything is timed. */
  readonly answerBytes: number;
};

/** An open loop at a fixed rate: latency means something. */
type LatencyScenario = {
  readonly kind: 'latency';
  readonly name: string;
  readonly words: string;
  readonly rate: number;
  readonly connections: number;
};

type IdleScenario = { readonly kind: 'idle'; readonly name: string; readonly words: string };
type StartScenario = { readonly kind: 'start'; readonly name: string; readonly words: string };
export type Scenario = WrkScenario | LatencyScenario | IdleScenario | StartScenario;
/** The scenarios that put a load on a proxy and count its CPU. */
export type LoadScenario = WrkScenario | LatencyScenario;

const GET_1K = {
  kind: 'wrk',
  role: 'get',
  connections: 50,
  method: 'GET',
  path: '/1k',
  bodyFile: null,
  close: false,
  answerBytes: 1024,
} as const;

/** In the order in which they run. */
export const scenarios: readonly Scenario[] = [
  { ...GET_1K, name: 'get1k', words: 'GET, 1 KB answer, 50 keep-alive connections' },
  {
    ...GET_1K,
    name: 'body1m',
    words: 'GET, 1 MiB answer, 10 keep-alive connections',
    connections: 10,
    path: '/1m',
    answerBytes: 1 << 20,
  },
  {
    ...GET_1K,
    name: 'post16k',
    words: 'POST of 16 KiB, 1 KB answer, 50 keep-alive connections',
    role: 'post',
    method: 'POST',
    path: '/post',
    bodyFile: workPath('load', '16k.bin'),
  },
  { ...GET_1K, name: 'short', words: 'GET, 1 KB answer, a new client connection for each request', close: true },
  {
    kind: 'latency',
    name: 'latency1k',
    words: 'GET, 1 KB answer, open loop at 1,000/s: latency from the moment each request was due',
    rate: 1000,
    connections: 50,
  },
  { kind: 'idle', name: 'idle', words: 'memory: fresh, with idle connections, after load' },
  { kind: 'start', name: 'start', words: 'milliseconds from process start to accepting, and to the first answer' },
];

/** The host:port of the origin that a scenario asks for. */
export function originHost(scenario: LoadScenario): string {
  const post = scenario.kind === 'wrk' && scenario.role === 'post';
  return `127.0.0.1:${post ? ports.postOrigin : ports.origin}`;
}
