import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { type Children, findProgram, LOAD_CORE } from './children.ts';
import { manyAddresses, ports } from './ports.ts';
import { accepts, waitUntilAccepting } from './probe.ts';
import { benchDir, workDir, workPath } from './work-dir.ts';

/** What the origins can do on this machine. */
export type Origins = {
  /** False where no compiler was found: POST scenarios are left out. */
  readonly post: boolean;
  /** The certificate of the TLS origin (PEM file), or null where openssl is missing. */
  readonly certificate: string | null;
};

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
      : `listen 127.0.0.1:${ports.originTls} ssl backlog=4096;
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

function makeCertificate(): { certificate: string | null; key: string } {
  const certificate = workPath('tls', 'cert.pem');
  const key = workPath('tls', 'key.pem');
  if (!existsSync(certificate) && findProgram('openssl') !== null) {
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650'];
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    spawnSync('openssl', [...args, ...names, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  }
  return { certificate: existsSync(certificate) ? certificate : null, key };
}

/** Compiles the POST origin where there is a compiler; its path, or null. */
function compilePostOrigin(): string | null {
  const binary = workPath('bin', 'post-origin');
  const compiler = findProgram('gcc') ?? findProgram('cc');
  if (compiler !== null) {
    const built = spawnSync(compiler, ['-O2', '-o', binary, `${benchDir}origins/post-origin.c`], { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`the POST origin does not compile: ${built.stderr}`);
  }
  return existsSync(binary) ? binary : null;
}

/** Starts nginx as the origin, and the POST origin, on the load core. @throws when a port is taken or nginx is missing */
export async function startOrigins(children: Children): Promise<Origins> {
  const nginx = findProgram('nginx');
  if (nginx === null) throw new Error('nginx is missing (it is the origin): run bench/setup.sh');
  for (const port of [ports.origin, ports.postOrigin]) {
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
  const postOrigin = compilePostOrigin();
  if (postOrigin !== null) {
    const post = children.start('post-origin', LOAD_CORE, { argv: [postOrigin, String(ports.postOrigin)] });
    await waitUntilAccepting(post, ports.postOrigin, begun);
  }
  return { post: postOrigin !== null, certificate };
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
