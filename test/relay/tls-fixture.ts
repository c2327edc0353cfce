import { once } from 'node:events';
import tls from 'node:tls';
import type { Test } from 'tap';
import { CertificateAuthority, type Wanted } from '../certificate-authority.ts';
import { OriginConnection, rawClient } from '../raw-origin.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';

/** One CA for all tests of a process: what it signs is trusted where `tls.ca` says so. */
export const authority = await CertificateAuthority.create('test CA');

export const API = 'api.test';
const server = await authority.issue('server', { names: [API] });

/** A TLS connection that the origin accepted, with what was agreed on in its handshake. */
export type TlsConnection = OriginConnection & { readonly socket: tls.TLSSocket };

export type TlsOrigin = {
  readonly port: number;
  /** Those whose handshake the origin took for complete, in order. */
  readonly connections: readonly TlsConnection[];
  /** TCP connections, whatever became of them. */
  readonly accepted: number;
  connection(index: number): Promise<TlsConnection>;
  /** Another certificate, or other rules, from the next connection on. */
  change(options: tls.SecureContextOptions): void;
};

/** An origin that speaks TLS and does nothing by itself but record. */
export async function tlsOrigin(
  t: Test,
  options: tls.TlsOptions = {},
  onConnection: (connection: TlsConnection) => void = () => {},
): Promise<TlsOrigin> {
  const connections: TlsConnection[] = [];
  let accepted = 0;
  let waiters: (() => void)[] = [];
  const listening = tls.createServer({ ...server, allowHalfOpen: true, ...options } as tls.TlsOptions);
  listening.on('connection', (socket) => {
    accepted++;
    t.teardown(() => socket.destroy());
  });
  listening.on('tlsClientError', () => {});
  listening.on('secureConnection', (socket) => {
    const connection = new OriginConnection(socket, connections.length) as TlsConnection;
    connections.push(connection);
    onConnection(connection);
    const woken = waiters;
    waiters = [];
    for (const waiter of woken) waiter();
  });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('the origin has no port');
  t.teardown(() => {
    listening.close();
    for (const { socket } of connections) socket.destroy();
  });
  return {
    port: address.port,
    connections,
    get accepted() {
      return accepted;
    },
    async connection(index) {
      for (;;) {
        const found = connections[index];
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
    change: (changed) => listening.setSecureContext({ ...server, ...changed }),
  };
}

/** An origin that answers every request with 200 and the number of its connection. */
export const answering = (t: Test, options: tls.TlsOptions = {}): Promise<TlsOrigin> =>
  tlsOrigin(t, options, (connection) => {
    connection.socket.on('data', () => {
      const body = `connection ${connection.index}`;
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
  });

/** An origin whose certificate is another. */
export async function originWith(t: Test, wanted: Wanted): Promise<TlsOrigin> {
  return answering(t, await authority.issue('other', wanted));
}

export type TlsRelay = Sidecar & {
  /** Where the test's files are; `ca.pem` is there. */
  readonly directory: string;
  client(): Promise<OriginConnection>;
  /** Sends one request on a connection of its own. @returns the whole answer, which must have a length */
  fetch(url: string): Promise<string>;
};

/** A sidecar whose destination `api.test`, any port, is at `port` of this host, with `tls` (`$D`: the test's directory). */
export async function startTlsRelay(
  t: Test,
  port: number,
  tlsSettings: Record<string, unknown> = {},
  more: { settings?: Record<string, unknown>; files?: Record<string, string>; entry?: Record<string, unknown> } = {},
): Promise<TlsRelay> {
  const directory = t.testdir({ 'ca.pem': authority.cert, ...more.files });
  const files = Object.entries({ ca: '$D/ca.pem', ...tlsSettings }).map(([name, value]) => [
    name,
    typeof value === 'string' ? value.replace('$D', directory) : value,
  ]);
  const sidecar = await startSidecar(t, {
    ...more.settings,
    destinations: [
      {
        match: API,
        endpoints: [`127.0.0.1:${port}`],
        protocol: 'http1',
        tls: Object.fromEntries(files),
        ...more.entry,
      },
    ],
  });
  const client = (): Promise<OriginConnection> => rawClient(t, sidecar.port);
  return {
    ...sidecar,
    directory,
    client,
    async fetch(url) {
      const connection = await client();
      const { host } = new URL(url);
      connection.write(`GET ${url} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await connection.until(({ received, ended }) => ended || isWhole(received));
      return connection.received;
    },
  };
}

/** Whether an answer with a length has come to its end. */
export function isWhole(answer: string): boolean {
  const headEnd = answer.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, headEnd))?.[1];
  return length !== undefined && answer.length - headEnd - 4 >= Number(length);
}
