import { ports } from '../rig/ports.ts';
import { benchDir } from '../rig/work-dir.ts';
import type { Peer } from './peer.ts';
import type { Role } from './roles.ts';

const HTTP1: readonly Role[] = ['get', 'post', 'many'];

function baseline(name: string, file: string, port: number, flags: readonly string[]): Peer {
  return {
    name,
    warmSeconds: 3,
    version: `node ${process.version}`,
    lacks: (role) => (HTTP1.includes(role) ? null : 'speaks HTTP/1.1 without TLS alone'),
    port: () => port,
    command: () => ({
      argv: [process.execPath, `${benchDir}baselines/${file}`, String(port), ...flags],
      env: { NODE_ENV: 'production' },
    }),
  };
}

/** node:http in front, undici's Pool behind. `--no-pool` opens a connection for each request. */
export function undiciProxy(name = 'undici', flags: readonly string[] = []): Peer {
  return baseline(name, 'undici-proxy.mjs', ports.undici, flags);
}

/** node:http in front, node:http with an Agent behind. */
export function nodeHttpProxy(name = 'node-http', flags: readonly string[] = []): Peer {
  return baseline(name, 'node-http-proxy.mjs', ports.nodeHttp, flags);
}
