import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { findProgram } from '../rig/children.ts';
import { originCertificate } from '../rig/origins.ts';
import { ports } from '../rig/ports.ts';
import { workPath } from '../rig/work-dir.ts';
import type { Candidate } from './peer.ts';
import { type Role, roles } from './roles.ts';

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

function configuration(role: Role): string {
  const { app, upstream, tls, port } = roles[role];
  const listen = app === 'http2' ? ' proto h2' : '';
  const secure = tls ? ` ssl verify required ca-file ${originCertificate()} sni str(localhost)` : '';
  // Over TLS the protocol is agreed on, in clear it is told.
  const http2 = upstream === 'http2' ? (tls ? ' alpn h2' : ' proto h2') : '';
  const server =
    role === 'many'
      ? 'server named 0.0.0.0:0 pool-max-conn 1024 pool-low-conn 1024'
      : `server origin 127.0.0.1:${port} pool-max-conn 1024${secure}${http2}`;
  return `${HAPROXY_DEFAULTS}
frontend app
  bind 127.0.0.1:${ports.haproxy}${listen}
  ${role === 'many' ? DIAL_THE_HOST : ''}
  default_backend origin
backend origin
  ${server}
`;
}

const DIAL_THE_HOST = `http-request set-var(txn.host) req.hdr(host),field(1,:)
  http-request set-var(txn.port) req.hdr(host),field(2,:)
  http-request set-dst var(txn.host)
  http-request set-dst-port var(txn.port)`;

/** HAProxy with a backend for the role's origin; for the memory scenario it dials the address that the request names. */
export function haproxy(): Candidate {
  const program = findProgram('haproxy');
  if (program === null) return { name: 'haproxy', missing: 'not installed: bench/setup.sh' };
  return {
    name: 'haproxy',
    warmSeconds: 1,
    version: spawnSync(program, ['-v'], { encoding: 'utf8' }).stdout.split('\n', 1)[0] ?? '',
    lacks: (role) => (roles[role].app === 'connect' ? 'is no forward proxy: no CONNECT' : null),
    port: () => ports.haproxy,
    command(role) {
      const file = workPath('conf', `haproxy-${role}.cfg`);
      writeFileSync(file, configuration(role));
      return { argv: [program, '-f', file, '-db'] };
    },
  };
}
