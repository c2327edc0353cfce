import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { type Agent, request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import type { Test } from 'tap';
import { injectPod } from '../../src/injection/inject.ts';
import { CertificateDirectory } from '../../src/webhook/certificate-directory.ts';
import { makeCertificates } from '../../src/webhook/make-certificates.ts';
import type { Inject } from '../../src/webhook/verdict.ts';
import { Webhook } from '../../src/webhook/webhook.ts';
import { TestClock } from '../test-clock.ts';

export const DAY = 86_400_000;

/** The program in this process, with a directory that its settings and certificate are mounted in. */
export async function makeWebhook(t: Test, changes: { readonly inject?: Inject } = {}) {
  const clock = new TestClock();
  // Certificates are for the wall clock of whoever verifies them.
  clock.jumpWall(Date.now() - clock.wall());
  const directory = mkdtempSync(join(tmpdir(), 'carpool-hook-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const log: string[] = [];
  const webhook = new Webhook({
    version: '1.2.3',
    clock,
    logger: pino({ level: 'debug' }, { write: (line: string) => log.push(line) }),
    settingsFile: join(directory, 'injection.yaml'),
    host: '127.0.0.1',
    port: 0,
    operatorPort: 0,
    inject: changes.inject ?? ((pod, all) => injectPod(pod, all, { version: '1.2.3', existing: 'keep' })),
    certificates: (reports) => new CertificateDirectory(directory, clock, reports),
  });
  t.teardown(() => stopNow(webhook, clock));

  /** Puts a new certificate there. @returns its CA */
  const issue = async (lifetimeMs = 90 * DAY): Promise<string> => {
    const made = await makeCertificates(['localhost'], clock.wall(), lifetimeMs);
    writeFileSync(join(directory, 'tls.crt'), made.cert);
    writeFileSync(join(directory, 'tls.key'), made.key);
    return made.ca;
  };
  const configure = (text: string): void => writeFileSync(join(directory, 'injection.yaml'), text);
  const status = async (path: string, port: number): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return `${answer.status} ${(await answer.text()).trim()}`;
  };
  return { clock, directory, webhook, log, issue, configure, status };
}

/** Stops it, moving the clock until it has. */
async function stopNow(webhook: Webhook, clock: TestClock): Promise<void> {
  let over = false;
  const stopped = webhook.stop().then(() => {
    over = true;
  });
  while (!over) {
    clock.advance(1_000);
    await settled();
  }
  await stopped;
}

/** Lets what has been read and written come through. Files are read by other threads: reads of our own show that these have been there. */
export async function settled(): Promise<void> {
  for (let nth = 0; nth < 3; nth++) await readFile(import.meta.filename);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export type Asked = { readonly status: number; readonly headers: Record<string, unknown>; readonly body: string };

/** POSTs a question by HTTP/1.1. @param how path, method, content type and connections where they matter */
export function ask(
  port: number,
  ca: string,
  body: string | Buffer,
  how: { path?: string; method?: string; type?: string; agent?: Agent } = {},
): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const call = request({
      host: '127.0.0.1',
      port,
      ca,
      servername: 'localhost',
      path: how.path ?? '/inject?timeout=5s',
      method: how.method ?? 'POST',
      agent: how.agent ?? false,
      headers: { 'content-type': how.type ?? 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    call.on('error', reject);
    call.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    call.end(body);
  });
}

/** POSTs a question by HTTP/2 on a connection of its own. */
export function askByHttp2(port: number, ca: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: 'localhost' });
    session.on('error', reject);
    const stream = session.request({ ':path': '/inject', ':method': 'POST', 'content-type': 'application/json' });
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text += chunk;
    });
    stream.on('error', reject);
    stream.on('end', () => {
      session.close();
      resolve(text);
    });
    stream.end(body);
  });
}

/** An open connection of the kind that an API server keeps. */
export function dial(port: number, ca: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' }, () => resolve(socket));
    socket.on('error', reject);
  });
}

/** The alert unknown_ca, as TLS 1.2 has it before anything is encrypted. */
const UNKNOWN_CA = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x30]);

/** A handshake up to the server's certificate, which is refused as Go and curl do it. Node as a client sends no alert. */
export async function refuseCertificate(port: number): Promise<void> {
  const raw = connectTcp({ host: '127.0.0.1', port });
  const hello = new Duplex({
    read: () => {},
    write: (bytes: Buffer, _encoding, done) => {
      raw.write(bytes);
      done();
    },
  });
  const client = connect({ socket: hello, maxVersion: 'TLSv1.2', rejectUnauthorized: false });
  for (const stream of [raw, client]) stream.on('error', () => {});
  raw.once('data', () => raw.end(UNKNOWN_CA));
  await once(raw, 'close');
  client.destroy();
}
