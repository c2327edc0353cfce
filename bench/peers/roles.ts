import { ports } from '../rig/ports.ts';

/** What a proxy is set up for. `many` is `get` with 100 upstream addresses. */
export type Role =
  | 'get'
  | 'post'
  | 'many'
  | 'h2'
  | 'grpc'
  | 'h1-h2'
  | 'h2-h1'
  | 'tls-h1'
  | 'tls-h2'
  | 'connect'
  | 'seen'
  | 'stalled-answers'
  | 'stalled-bodies';

/** What is spoken on either side in a role, and to which origin. */
export type RoleSpec = {
  /** The app's side: HTTP/1.1, HTTP/2 with prior knowledge, or CONNECT with HTTP/1.1 inside. */
  readonly app: 'http1' | 'http2' | 'connect';
  readonly upstream: 'http1' | 'http2';
  /** Whether the proxy is to speak TLS to the origin. */
  readonly tls: boolean;
  /** The origin's port on 127.0.0.1. */
  readonly port: number;
  /** Whether origin or load generator are programs in C, which a machine without a compiler has not. */
  readonly native: boolean;
};

const PLAIN = { app: 'http1', upstream: 'http1', tls: false, port: ports.origin, native: false } as const;
const H2 = { app: 'http2', upstream: 'http2', tls: false, port: ports.h2Origin, native: true } as const;

export const roles: Readonly<Record<Role, RoleSpec>> = {
  get: PLAIN,
  post: { ...PLAIN, port: ports.postOrigin, native: true },
  many: PLAIN,
  h2: H2,
  grpc: { ...H2, port: ports.grpcOrigin },
  'h1-h2': { ...H2, app: 'http1' },
  'h2-h1': { ...PLAIN, app: 'http2', native: true },
  'tls-h1': { ...PLAIN, tls: true, port: ports.originTls },
  'tls-h2': { ...H2, tls: true, port: ports.h2OriginTls },
  connect: { ...PLAIN, app: 'connect', native: true },
  seen: { ...PLAIN, app: 'connect', native: true },
  'stalled-answers': { ...H2, port: ports.h2BigOrigin },
  'stalled-bodies': { ...H2, port: ports.h2SilentOrigin },
};

/** The host:port by which the app calls the origin of a role; a TLS origin by the name in its certificate. */
export function hostOf(role: Role): string {
  const { tls, port } = roles[role];
  return `${tls ? 'localhost' : '127.0.0.1'}:${port}`;
}
