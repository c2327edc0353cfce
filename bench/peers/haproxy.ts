import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { findProgram } from '../rig/children.ts';
import { ports } from '../rig/ports.ts';
import { workPath } from '../rig/work-dir.ts';
import type { Candidate } from './peer.ts';

/** The head of a HAProxy configuration: one thread, time-outs (Debian's for the server side), reuse of connections. */
const HAPROXY_DEFAULTS = `global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 3600s
  timeout server 50s
  http-reuse always
`;

function configuration(): string {
  return `${HAPROXY_DEFAULTS}
frontend get
  bind 127.0.0.1:${ports.haproxy.get}
  default_backend get
frontend post
  bind 127.0.0.1:${ports.haproxy.post}
  default_backend post
frontend many
  bind 127.0.0.1:${ports.haproxy.many}
  http-request set-var(txn.host) req.hdr(host),field(1,:)
  http-request set-var(txn.port) req.hdr(host),field(2,:)
  http-request set-dst var(txn.host)
  http-request set-dst-port var(txn.port)
  default_backend many
backend get
  server origin 127.0.0.1:${ports.origin} pool-max-conn 1024
backend post
  server origin 127.0.0.1:${ports.postOrigin} pool-max-conn 1024
backend many
  server named 0.0.0.0:0 pool-max-conn 1024 pool-low-conn 1024
`;
}

/** HAProxy with a backend for each origin; for the memory scenario it dials the address that the request names. */
export function haproxy(): Candidate {
  const program = findProgram('haproxy');
  if (program === null) return { name: 'haproxy', missing: 'not installed: bench/setup.sh' };
  return {
    name: 'haproxy',
    warmSeconds: 1,
    version: spawnSync(program, ['-v'], { encoding: 'utf8' }).stdout.split('\n', 1)[0] ?? '',
    port: (role) => ports.haproxy[role],
    command() {
      const file = workPath('conf', 'haproxy.cfg');
      writeFileSync(file, configuration());
      return { argv: [program, '-f', file, '-db'] };
    },
  };
}
