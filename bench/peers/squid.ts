import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { findProgram } from '../rig/children.ts';
import { originCertificate } from '../rig/origins.ts';
import { ports } from '../rig/ports.ts';
import { workPath } from '../rig/work-dir.ts';
import type { Candidate } from './peer.ts';
import type { Role } from './roles.ts';

const CONFIGURATION = `http_port 127.0.0.1:${ports.squid}
cache deny all
cache_mem 8 MB
access_log none
cache_log /dev/null
cache_store_log none
http_access allow all
server_persistent_connections on
client_persistent_connections on
server_pconn_for_nonretriable allow all
pconn_timeout 1 hour
client_idle_pconn_timeout 1 hour
pid_filename none
via off
forwarded_for delete
visible_hostname bench
workers 1
shutdown_lifetime 0 seconds
max_filedescriptors 16384
pinger_enable off
coredump_dir /tmp
`;

/** To a TLS origin, Squid goes as to a parent proxy that is the origin itself. */
function tlsOrigin(): string {
  return `cache_peer localhost parent ${ports.originTls} 0 no-query originserver tls tls-cafile=${originCertificate()} name=tls
never_direct allow all
`;
}

const ROLES: readonly Role[] = ['get', 'post', 'many', 'tls-h1', 'connect', 'seen'];

/** Squid, the forward proxy that Debian has, without its cache. */
export function squid(): Candidate {
  const program = findProgram('squid');
  if (program === null) return { name: 'squid', missing: 'not installed: bench/setup.sh' };
  return {
    name: 'squid',
    warmSeconds: 1,
    version: spawnSync(program, ['-v'], { encoding: 'utf8' }).stdout.split('\n', 1)[0] ?? '',
    lacks: (role) => (ROLES.includes(role) ? null : 'has no HTTP/2'),
    port: () => ports.squid,
    command(role) {
      const file = workPath('conf', `squid-${role}.conf`);
      writeFileSync(file, `${CONFIGURATION}${role === 'tls-h1' ? tlsOrigin() : ''}`);
      return { argv: [program, '-N', '-f', file] };
    },
  };
}
