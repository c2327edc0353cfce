import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { findProgram } from '../rig/children.ts';
import { nginxTempPaths, nginxUser, originCertificate } from '../rig/origins.ts';
import { manyAddresses, ports } from '../rig/ports.ts';
import { workPath } from '../rig/work-dir.ts';
import type { Candidate } from './peer.ts';
import { type Role, roles } from './roles.ts';

const REUSE = 'keepalive 256; keepalive_requests 1000000000;';

function upstream(name: string, server: string): string {
  return `upstream ${name} { server ${server}; ${REUSE} }`;
}

/** nginx speaks HTTP/2 to an upstream only by its module for gRPC, which takes any request. */
function pass(module: 'proxy' | 'grpc', target: string, tls: boolean): string {
  const scheme = `${module === 'grpc' ? 'grpc' : 'http'}${tls ? 's' : ''}`;
  const secure = tls
    ? `${module}_ssl_verify on; ${module}_ssl_trusted_certificate ${originCertificate()};
      ${module}_ssl_name localhost; ${module}_ssl_server_name on;`
    : '';
  const http1 =
    module === 'proxy'
      ? `proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_max_temp_file_size 0;`
      : '';
  return `${module}_pass ${scheme}://${target}; ${http1} ${secure}`;
}

function server(listen: string, location: string): string {
  return `server { listen 127.0.0.1:${ports.nginx}${listen} backlog=4096; location / { ${location} } }`;
}

function manyUpstreams(): string {
  const origin = (address: string): string => `${address}:${ports.origin}`;
  return `map_hash_bucket_size 128;
  map $http_host $group { ${manyAddresses.map((address, i) => `${origin(address)} many${i};`).join(' ')} }
  ${manyAddresses.map((address, i) => upstream(`many${i}`, origin(address))).join('\n  ')}
  ${server('', pass('proxy', '$group', false))}`;
}

function oneUpstream(role: Role): string {
  const { app, upstream: spoken, tls, port } = roles[role];
  return `${upstream('origin', `127.0.0.1:${port}`)}
  ${server(app === 'http2' ? ' http2' : '', pass(spoken === 'http2' ? 'grpc' : 'proxy', 'origin', tls))}`;
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
    lacks: (role) => (roles[role].app === 'connect' ? 'is no forward proxy: no CONNECT' : null),
    port: () => ports.nginx,
    command(role) {
      const file = workPath('conf', `nginx-${role}.conf`);
      writeFileSync(file, nginxConfiguration('nginx', role === 'many' ? manyUpstreams() : oneUpstream(role)));
      return { argv: [program, '-e', '/dev/null', '-c', file] };
    },
  };
}
