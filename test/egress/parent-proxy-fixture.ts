import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Test } from 'tap';
import { type OriginConnection, rawClient } from '../raw-origin.ts';
import { authority } from '../relay/tls-fixture.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';

/** A request that a parent proxy got. */
export type Seen = {
  /** `CONNECT api.test:443`, `GET http://api.test/x`. */
  readonly line: string;
  readonly host: string | undefined;
  readonly authorization: string | undefined;
  readonly headers: http.IncomingHttpHeaders;
  /** Which of the proxy's connections it came on, 0 first. */
  readonly connection: number;
};

export type ParentProxyServer = {
  readonly port: number;
  readonly url: string;
  readonly seen: Seen[];
  readonly connections: () => number;
  /** The whole value of Proxy-Authorization that it wants from now on, or null: none. */
  wants: string | null;
  /** The status with which it answers all it does not do, or null: it does. */
  refuses: number | null;
};

/** Ports of this host where names lead, as far as the proxy knows; the port that is asked for makes no difference. */
export type Names = Readonly<Record<string, number>>;

/** A real forward proxy: requests in absolute form and CONNECT. `tls`: it is spoken to by TLS, as `proxy.test`. */
export async function parentProxy(t: Test, names: Names, tls = false): Promise<ParentProxyServer> {
  const seen: Seen[] = [];
  const sockets: net.Socket[] = [];
  const state = { wants: null as string | null, refuses: null as number | null };
  const server = tls
    ? https.createServer({ ...(await authority.issue('proxy', { names: ['proxy.test'] })), keepAliveTimeout: 600_000 })
    : http.createServer({ keepAliveTimeout: 600_000 });
  server.on(tls ? 'secureConnection' : 'connection', (socket: net.Socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
  });
  const take = (request: http.IncomingMessage): number | null => {
    const { method, url, headers, socket } = request;
    const authorization = headers['proxy-authorization'];
    seen.push({
      line: `${method} ${url}`,
      host: headers.host,
      authorization,
      headers,
      connection: sockets.indexOf(socket),
    });
    if (state.wants !== null && authorization !== state.wants) return 407;
    return state.refuses;
  };
  server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
    const refused = take(request);
    const target = URL.parse(request.url ?? '');
    const port = names[target?.hostname ?? ''];
    if (refused !== null || target === null || port === undefined) {
      response.writeHead(refused ?? 502, { 'content-length': 9 }).end('the proxy');
      return;
    }
    const { 'proxy-authorization': _hop, ...headers } = request.headers;
    const path = target.pathname + target.search;
    const onward = http.request({ port, host: '127.0.0.1', method: request.method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.on('connect', (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
    const refused = take(request);
    const port = names[(request.url ?? '').replace(/:\d+$/, '')];
    if (refused !== null || port === undefined) {
      socket.end(`HTTP/1.1 ${refused ?? 502} No\r\nContent-Length: 9\r\n\r\nthe proxy`);
      return;
    }
    const onward = net.connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
    socket.on('close', () => onward.destroy());
    onward.on('close', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const url = tls ? `https://proxy.test:${port}` : `http://127.0.0.1:${port}`;
  return Object.assign(state, { port, url, seen, connections: () => sockets.length });
}

export type Behind = Sidecar & {
  readonly directory: string;
  /** Sends one request on a connection of its own, which the sidecar closes. @returns the whole answer */
  get(url: string, ...fields: string[]): Promise<string>;
  client(): Promise<OriginConnection>;
};

/** A sidecar that reaches the outside by the proxy at `url`. `$D` in settings is the test's directory, where `ca.pem` is. */
export async function startBehind(
  t: Test,
  url: string,
  parent: Record<string, unknown> = {},
  settings: Record<string, unknown> = {},
  files: Record<string, string> = {},
): Promise<Behind> {
  const directory = t.testdir({
    'ca.pem': authority.cert,
    hosts: '127.0.0.1 proxy.test inside.svc direct.test\n',
    'resolv.conf': 'nameserver 127.0.0.9\n',
    ...files,
  });
  const place = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replaceAll('$D', directory));
  const own: unknown = place({
    discovery: { dns: { hostsFile: '$D/hosts', resolvConf: '$D/resolv.conf' } },
    egress: { parentProxy: { url, ...parent } },
    ...settings,
  });
  const sidecar = await startSidecar(t, typeof own === 'object' && own !== null ? { ...own } : {});
  const client = (): Promise<OriginConnection> => rawClient(t, sidecar.port);
  return {
    ...sidecar,
    directory,
    client,
    async get(target, ...fields) {
      const app = await client();
      const { host } = new URL(target);
      app.write([`GET ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...fields, '', ''].join('\r\n'));
      await app.until(({ ended }) => ended);
      return app.received;
    },
  };
}

export const fileIn = ({ directory }: Behind, name: string): string => join(directory, name);
