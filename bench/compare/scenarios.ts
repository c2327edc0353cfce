import type { Role } from '../peers/roles.ts';
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
  readonly role: Role;
  readonly rate: number;
  readonly connections: number;
};

/** HTTP/2 on the app's side, by `load/h2-load.c`: a closed loop, or with a rate an open one. */
type Http2Scenario = {
  readonly kind: 'h2';
  readonly name: string;
  readonly words: string;
  readonly role: Role;
  readonly connections: number;
  /** Streams at a time on each connection. */
  readonly streams: number;
  /** Requests a second, or null: as many as are answered. */
  readonly rate: number | null;
  /** Bytes of a POST body, or 0: GET. */
  readonly post: number;
  /** The fields of a gRPC call, and answers have to end with trailers. */
  readonly grpc: boolean;
  /** A path and two field values of its own in each request. */
  readonly unique: boolean;
};

/** A closed loop of GETs inside CONNECT, by `load/tunnel-load.c`. */
type TunnelScenario = {
  readonly kind: 'tunnel';
  readonly name: string;
  readonly words: string;
  readonly role: Role;
  readonly connections: number;
};

/** Memory while streams are open and nobody reads what they carry. */
type StalledScenario = {
  readonly kind: 'stalled';
  readonly name: string;
  readonly words: string;
  readonly role: Role;
};

type IdleScenario = { readonly kind: 'idle'; readonly name: string; readonly words: string };
type StartScenario = { readonly kind: 'start'; readonly name: string; readonly words: string };
/** The scenarios that put a load on a proxy and count its CPU. */
export type LoadScenario = WrkScenario | LatencyScenario | Http2Scenario | TunnelScenario;
export type Scenario = LoadScenario | IdleScenario | StartScenario | StalledScenario;

/** Whether requests come at a fixed rate: then latency means something, and a row without a proxy is its floor. */
export function isOpenLoop(scenario: Scenario): boolean {
  return scenario.kind === 'latency' || (scenario.kind === 'h2' && scenario.rate !== null);
}

/** What the proxy is set up for in a scenario. */
export function roleOf(scenario: Scenario): Role {
  if (scenario.kind === 'idle') return 'many';
  return scenario.kind === 'start' ? 'get' : scenario.role;
}

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

const H2_GET = {
  kind: 'h2',
  role: 'h2',
  connections: 10,
  streams: 10,
  rate: null,
  post: 0,
  grpc: false,
  unique: false,
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
    role: 'get',
    name: 'latency1k',
    words: 'GET, 1 KB answer, open loop at 1,000/s: latency from the moment each request was due',
    rate: 1000,
    connections: 50,
  },
  { ...H2_GET, name: 'h2-10x10', words: 'HTTP/2 on both sides, GET, 1 KB answer, 10 connections of 10 streams' },
  { ...H2_GET, name: 'h2-10x1', words: 'the same, 10 connections of 1 stream', streams: 1 },
  {
    ...H2_GET,
    name: 'h2-unique',
    words: 'as h2-10x10, each request with a path and two values of its own',
    unique: true,
  },
  {
    ...H2_GET,
    name: 'h2-open2k',
    words: 'HTTP/2 on both sides, open loop at 2,000/s over 10 connections: latency from the moment each was due',
    streams: 100,
    rate: 2000,
  },
  { ...H2_GET, name: 'h2-open20k', words: 'the same at 20,000/s', streams: 100, rate: 20_000 },
  {
    ...H2_GET,
    name: 'grpc-unary',
    words: 'a gRPC-like call: POST of 120 bytes, 1 KB answer, trailers, 10 connections of 10 streams',
    role: 'grpc',
    post: 120,
    grpc: true,
  },
  { ...GET_1K, name: 'h1-h2', words: 'get1k from HTTP/1.1 to an HTTP/2 origin', role: 'h1-h2' },
  { ...H2_GET, name: 'h2-h1', words: 'h2-10x10 from HTTP/2 to an HTTP/1.1 origin', role: 'h2-h1' },
  { ...GET_1K, name: 'tls-h1up', words: 'get1k to an HTTP/1.1 origin over TLS', role: 'tls-h1' },
  { ...H2_GET, name: 'tls-h2up', words: 'h2-10x10 to an HTTP/2 origin over TLS', role: 'tls-h2' },
  {
    kind: 'tunnel',
    name: 'connect-opaque',
    words: 'GET, 1 KB answer, inside 50 CONNECT tunnels that nobody looks into',
    role: 'connect',
    connections: 50,
  },
  {
    kind: 'tunnel',
    name: 'connect-seen',
    words: 'the same where carpool sees the requests and pools them; the others only have tunnels',
    role: 'seen',
    connections: 50,
  },
  {
    kind: 'stalled',
    name: 'stalled',
    words: 'memory: 100 HTTP/2 connections of 100 streams that have no window, 1 MiB to go on each',
    role: 'stalled-answers',
  },
  { kind: 'idle', name: 'idle', words: 'memory: fresh, with idle connections, after load' },
  { kind: 'start', name: 'start', words: 'milliseconds from process start to accepting, and to the first answer' },
];
