import type { Test } from 'tap';
import type { DestinationStats } from '../../src/pool/stats.ts';
import { type OriginConnection, type RawOrigin, rawClient, rawOrigin } from '../raw-origin.ts';
import type { Sidecar } from '../sidecar.ts';

/** One request as an origin read it. */
export type SeenRequest = { readonly head: string; readonly path: string; readonly connection: OriginConnection };

export type AnsweringOrigin = RawOrigin & {
  /** In order of arrival. */
  readonly requests: readonly SeenRequest[];
};

/** A response of `body` with its length. */
export const ok = (body: string, fields = ''): string =>
  `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;

/**
 * An origin that reads requests (bodies by Content-Length) and answers each with what `answer` returns; with null it
 * stays silent, and the test answers.
 */
export async function answeringOrigin(
  t: Test,
  answer: (request: SeenRequest) => string | null = ({ path }) => ok(path),
): Promise<AnsweringOrigin> {
  const requests: SeenRequest[] = [];
  const origin = await rawOrigin(t, (connection) => {
    let read = 0;
    connection.socket.on('data', () => {
      for (;;) {
        const { received } = connection;
        const headEnd = received.indexOf('\r\n\r\n', read);
        if (headEnd < 0) return;
        const head = received.slice(read, headEnd + 4);
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (received.length < headEnd + 4 + length) return;
        read = headEnd + 4 + length;
        const request = { head, path: head.split(' ')[1] ?? '', connection };
        requests.push(request);
        const response = answer(request);
        if (response !== null) connection.write(response);
      }
    });
  });
  return { ...origin, requests };
}

/** An app with one connection to the sidecar, which sends one request after another to one destination. */
export class AppClient {
  readonly connection: OriginConnection;
  readonly #target: string;
  #read = 0;

  constructor(connection: OriginConnection, target: string) {
    this.connection = connection;
    this.#target = target;
  }

  send(path: string, method = 'GET', body = ''): void {
    const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
    this.connection.write(
      `${method} http://${this.#target}${path} HTTP/1.1\r\nHost: ${this.#target}\r\n${length}\r\n${body}`,
    );
  }

  /** The next whole response (with Content-Length, or without a body). */
  async response(): Promise<{ status: number; head: string; body: string }> {
    let found: { status: number; head: string; body: string } | null = null;
    await this.connection.until(({ received, ended }) => {
      const headEnd = received.indexOf('\r\n\r\n', this.#read);
      if (headEnd < 0) {
        if (ended) throw new Error('the connection ended without a response');
        return false;
      }
      const head = received.slice(this.#read, headEnd + 4);
      const status = Number(head.slice(9, 12));
      const length = status === 204 || status === 304 ? 0 : Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      const end = headEnd + 4 + length;
      if (received.length < end) {
        if (ended) throw new Error('the response was cut');
        return false;
      }
      found = { status, head, body: received.slice(headEnd + 4, end) };
      this.#read = end;
      return true;
    });
    if (found === null) throw new Error('no response');
    return found;
  }

  async get(path: string): Promise<{ status: number; head: string; body: string }> {
    this.send(path);
    return this.response();
  }

  async post(path: string, body = 'x'): Promise<{ status: number; head: string; body: string }> {
    this.send(path, 'POST', body);
    return this.response();
  }
}

/** The destination that most of these tests use; its endpoints are written in the configuration. */
export const TARGET = 'orders.shop:8080';

export async function appClient(t: Test, sidecar: Sidecar, target = TARGET): Promise<AppClient> {
  return new AppClient(await rawClient(t, sidecar.port), target);
}

/** `destinations` of a configuration: TARGET with these origins as its endpoints. */
export function toOrigins(
  origins: readonly { readonly port: number }[],
  policy: Record<string, unknown> = {},
  match = TARGET,
): Record<string, unknown> {
  return { match, endpoints: origins.map(({ port }) => `127.0.0.1:${port}`), ...policy };
}

/** Resolves when `done` holds, asked once in every turn of the event loop. Fails by the test's own time-out. */
export async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

/** What the sidecar says of a destination; all zero before the first request has made it. */
export function statsOf(sidecar: Sidecar, name = TARGET): DestinationStats {
  const found = sidecar.app.destinations().find((destination) => destination.name === name);
  return found ?? NO_STATS;
}

const NO_STATS: DestinationStats = {
  name: '',
  label: '',
  configured: false,
  balancer: '',
  discovery: { source: 'static', state: 'resolving', error: null, ageMs: null },
  connecting: 0,
  active: 0,
  idle: 0,
  draining: 0,
  pending: 0,
  maxConnections: 0,
  limit: { configured: 0, scaled: null, share: null, budget: null },
  floor: 0,
  paused: false,
  breaker: { state: 'off', failures: 0, triedAgainInMs: 0 },
  signals: [],
  endpoints: [],
};

/** The sum of a metric's series that have all these labels. */
export async function metric(sidecar: Sidecar, name: string, ...labels: readonly string[]): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${sidecar.operatorPort}/metrics`);
  let sum = 0;
  for (const line of (await response.text()).split('\n')) {
    if (line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
      sum += Number(line.split(' ').at(-1));
  }
  return sum;
}

export const closedFor = (sidecar: Sidecar, reason: string): Promise<number> =>
  metric(sidecar, 'carpool_pool_connections_closed_total', `reason="${reason}"`);

/** Makes `count` requests at the same time, so that as many connections are open and idle afterwards. */
export async function openIdle(clients: readonly AppClient[], origin: AnsweringOrigin): Promise<void> {
  const before = origin.requests.length;
  for (const [index, client] of clients.entries()) {
    client.send(`/open${index}`);
    await until(() => origin.requests.length === before + index + 1);
  }
  for (const request of origin.requests.slice(before)) request.connection.write(ok('open'));
  for (const client of clients) await client.response();
}
