import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { findProgram } from '../rig/children.ts';
import { nginxTempPaths, nginxUser } from '../rig/origins.ts';
import { manyAddresses, ports } from '../rig/ports.ts';
import { workPath } from '../rig/work-dir.ts';
import type { Candidate, Role } from './peer.ts';

const PROXY = `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_max_temp_file_size 0;`;

function upstream(name: string, server: string): string {
  return `upstream ${name} { server ${server}; keepalive 256; keepalive_requests 1000000000; }`;
}

function server(port: number, target: string): string {
  return `server { listen 127.0.0.1:${port} backlog=4096; location / { proxy_pass http://${target}; ${PROXY} } }`;
}

function manyUpstreams(): string {
  const origin = (address: string): string => `${address}:${ports.origin}`;
  return `map_hash_bucket_size 128;
  map $http_host $group { ${manyAddresses.map((address, i) => `${origin(address)} many${i};`).join(' ')} }
  ${manyAddresses.map((address, i) => upstream(`many${i}`, origin(address))).join('\n  ')}
  ${server(ports.nginx.many, '$group')}`;
}

function plainUpstreams(): string {
  return `${upstream('get', `127.0.0.1:${ports.origin}`)}
  ${upstream('post', `127.0.0.1:${ports.postOrigin}`)}
  ${server(ports.nginx.get, 'get')}
  ${server(ports.nginx.post, 'post')}`;
}

/** An nginx configuration around the given content of its http block. Also used by the fault comparison. */
export function nginxConfiguration(name: string, http: string): string {
  return `${nginxUser()} worker_processes 1; daemon off; pid ${workPath('run', `${name}.pid`)}; error_log /dev/null;
worker_rlimit_nofile 20000;
events { worker_connections 16000; }
http {
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 3600s;
  client_body_buffer_size 32k; client_max_body_size 16m;
  ${nginxTempPaths(name)}
  ${http}
}
`;
}

/** nginx as a reverse proxy to the origins: it has no forward mode for any host, so its upstreams are written down. */
export function nginx(): Candidate {
  const program = findProgram('nginx');
  if (program === null) return { name: 'nginx', missing: 'not installed: bench/setup.sh' };
  return {
    name: 'nginx',
    warmSeconds: 1,
    version: spawnSync(program, ['-v'], { encoding: 'utf8' }).stderr.trim(),
    port: (role) => ports.nginx[role],
    command(role: Role) {
      const file = workPath('conf', `nginx-${role}.conf`);
      writeFileSync(file, nginxConfiguration('nginx', role === 'many' ? manyUpstreams() : plainUpstreams()));
      return { argv: [program, '-e', '/dev/null', '-c', file] };
    },
  };
}
