import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { type Children, findProgram, LOAD_CORE } from './children.ts';
import { type NativeProgram, nativeProgram } from './native-program.ts';
import { manyAddresses, ports } from './ports.ts';
import { accepts, waitUntilAccepting } from './probe.ts';
import { workDir, workPath } from './work-dir.ts';

/** What the origins can do on this machine. */
export type Origins = {
  /** False where no compiler was found: scenarios with an origin or a load generator in C are left out. */
  readonly native: boolean;
  /** The certificate of the TLS origin (PEM file), or null where openssl is missing. */
  readonly certificate: string | null;
};

const nativeOrigins: readonly { program: NativeProgram; port: number; args: readonly string[] }[] = [
  { program: 'post-origin', port: ports.postOrigin, args: [] },
  { program: 'h2-origin', port: ports.h2Origin, args: ['1024', 'plain'] },
  { program: 'h2-origin', port: ports.grpcOrigin, args: ['1024', 'grpc'] },
  { program: 'h2-origin', port: ports.h2BigOrigin, args: [String(1 << 20), 'plain'] },
  { program: 'h2-origin', port: ports.h2SilentOrigin, args: ['0', 'silent'] },
];

/** @returns `user root;` for root: the worker must read bench/.work, which another user may not reach. */
export function nginxUser(): string {
  return process.getuid?.() === 0 ? 'user root;' : '';
}

/** nginx keeps its temporary files below bench/.work. */
export function nginxTempPaths(name: string): string {
  const folder = workDir('tmp', name);
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ');
}

function originConfiguration(certificate: string | null, key: string): string {
  const tls =
    certificate === null
      ? ''
      : `listen 127.0.0.1:${ports.originTls} ssl backlog=4096; listen 127.0.0.1:${ports.h2OriginTls} ssl http2 backlog=4096;
    ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_session_cache shared:tls:1m;`;
  return `${nginxUser()} worker_processes 1; daemon off; pid ${workPath('run', 'origin.pid')}; error_log /dev/null;
worker_rlimit_nofile 20000;
events { worker_connections 16000; }
http {
  access_log off; server_tokens off; sendfile on; tcp_nodelay on; open_file_cache max=16;
  keepalive_requests 1000000000; keepalive_timeout 3600s;
  ${nginxTempPaths('origin')}
  server {
    listen 127.0.0.1:${ports.origin} backlog=4096;
    ${manyAddresses.map((address) => `listen ${address}:${ports.origin} backlog=4096;`).join(' ')}
    ${tls}
    root ${workDir('www')}; default_type application/octet-stream;
    location = /1k { return 200 "${'a'.repeat(1024)}"; }
    location = /1m { try_files /1m =404; }
  }
  server {
    listen 127.0.0.1:${ports.originStatus};
    location / { stub_status; }
  }
}
`;
}

/** Makes the certificate of the TLS origins unless it is there; null where openssl is missing. */
export function makeCertificate(): { certificate: string | null; key: string } {
  const certificate = originCertificate();
  const key = workPath('tls', 'key.pem');
  if (!existsSync(certificate) && findProgram('openssl') !== null) {
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650'];
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    spawnSync('openssl', [...args, ...names, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  }
  return { certificate: existsSync(certificate) ? certificate : null, key };
}

/** The certificate of the TLS origins, for whom is to trust it. It is there once the origins run. */
export function originCertificate(): string {
  return workPath('tls', 'cert.pem');
}

/** Starts nginx as the origin, and those in C, on the load core. @throws when a port is taken or nginx is missing */
export async function startOrigins(children: Children): Promise<Origins> {
  const nginx = findProgram('nginx');
  if (nginx === null) throw new Error('nginx is missing (it is the origin): run bench/setup.sh');
  for (const port of [ports.origin, ...nativeOrigins.map((origin) => origin.port)]) {
    if (await accepts(port)) throw new Error(`port ${port} is taken: does another run go on?`);
  }
  writeFileSync(workPath('www', '1m'), Buffer.alloc(1 << 20, 'a'));
  writeFileSync(workPath('load', '16k.bin'), Buffer.alloc(16 << 10, 'b'));
  const { certificate, key } = makeCertificate();
  const configuration = workPath('conf', 'origin.conf');
  writeFileSync(configuration, originConfiguration(certificate, key));

  const begun = performance.now();
  const server = children.start('origin', LOAD_CORE, { argv: [nginx, '-e', '/dev/null', '-c', configuration] });
  await waitUntilAccepting(server, ports.origin, begun);
  for (const { program, port, args } of nativeOrigins) {
    const binary = nativeProgram(program);
    if (binary === null) return { native: false, certificate };
    const native = children.start(`${program}-${port}`, LOAD_CORE, { argv: [binary, String(port), ...args] });
    await waitUntilAccepting(native, port, begun);
  }
  return { native: true, certificate };
}

/** Connections that the nginx origin has accepted since it started, without those that asked for this figure. */
export class OriginConnections {
  #asked = 0;

  async accepted(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${ports.originStatus}/`, { headers: { connection: 'close' } });
    const text = await response.text();
    this.#asked++;
    return Number(/^\s*(\d+) \d+ \d+/m.exec(text)?.[1] ?? 0) - this.#asked;
  }
}
