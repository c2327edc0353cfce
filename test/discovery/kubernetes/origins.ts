import { EventEmitter, once } from 'node:events';
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

type Teardown = { readonly teardown: (callback: () => void) => void };

/** A pod's server on an address of its own below 127/8, all on one port. It closes no connection by itself. */
export class PodOrigin {
  readonly address: string;
  answered = 0;
  /** Connections open now, and all that ever were. */
  readonly open = new Set<Socket>();
  opened = 0;
  /** What it does with a request; an answer with its address unless told otherwise. */
  serve = (_request: IncomingMessage, response: ServerResponse): void => {
    response.end(this.address);
  };
  /** As a pod that is killed: nothing listens there any more, and its connections are reset. */
  kill = (): void => {};
  readonly #events = new EventEmitter();

  private constructor(address: string) {
    this.address = address;
  }

  /** Starts so many, at 127.0.1.1 and up. */
  static async start(t: Teardown, count: number): Promise<{ port: number; pods: PodOrigin[] }> {
    const pods: PodOrigin[] = [];
    let port = 0;
    for (let index = 1; index <= count; index++) {
      const pod = new PodOrigin(`127.0.1.${index}`);
      const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
        pod.answered++;
        request.resume();
        pod.#events.emit('change');
        pod.serve(request, response);
      });
      server.on('connection', (socket) => {
        pod.opened++;
        pod.open.add(socket);
        socket.on('close', () => {
          pod.open.delete(socket);
          pod.#events.emit('change');
        });
      });
      server.listen(port, pod.address);
      await once(server, 'listening');
      port = portOf(server.address());
      pod.kill = () => {
        server.close();
        for (const socket of pod.open) socket.resetAndDestroy();
      };
      t.teardown(pod.kill);
      pods.push(pod);
    }
    return { port, pods };
  }

  async until(condition: (pod: PodOrigin) => boolean): Promise<void> {
    while (!condition(this)) await once(this.#events, 'change');
  }
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server listens at no port');
  return address.port;
}

/** An app that asks through the proxy at `port`, over connections that it keeps. */
export function appOf(t: Teardown, port: number) {
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  return (url: string, method = 'GET'): Promise<{ status: number; body: string; proxyStatus: string }> =>
    new Promise((resolve, reject) => {
      const outgoing = send({
        host: '127.0.0.1',
        port,
        path: url,
        method,
        agent,
        headers: { host: new URL(url).host },
      });
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body,
            proxyStatus: String(response.headers['proxy-status'] ?? ''),
          }),
        );
      });
      outgoing.end(method === 'POST' ? 'x=1' : '');
    });
}
