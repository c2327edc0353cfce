import type { Test } from 'tap';
import { type OriginConnection, rawClient } from '../raw-origin.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { type Faults, type FaultyOrigin, faultyOrigin } from './faulty-origin.ts';
import { type Answer, ownAnswer } from './relay-fixture.ts';

/** A sidecar in front of origins that fail, as the endpoints of one destination. */
export type Faulty = Sidecar & {
  readonly origins: readonly FaultyOrigin[];
  readonly first: FaultyOrigin;
  /** Requests that all origins have seen. */
  seen(): number;
  /** How often each `METHOD /path` came to any origin. */
  times(request: string): number;
  /** The most often that any request of `method` came. */
  most(method: string): number;
  /** `reason outcome` of carpool_retries_total, with its count. */
  retries(): Promise<Record<string, number>>;
  /** A connection of the app. */
  connect(): Promise<AppConnection>;
  /** Runs the event loop, and the clock beside it, until `done`. */
  until(done: () => boolean, msPerTurn?: number): Promise<void>;
};

export const HOST = 'api.test:80';

/** The head of a request; `fields` are whole lines. */
export const requestOf = (method: string, path: string, fields = '', body = ''): string =>
  `${method} http://${HOST}${path} HTTP/1.1\r\nHost: ${HOST}\r\n${fields}${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`;

/** One connection of the app, which asks one thing after the other. */
export class AppConnection {
  readonly client: OriginConnection;
  #read = 0;

  constructor(client: OriginConnection) {
    this.client = client;
  }

  /** Sends a request without waiting for its answer. */
  send(method: string, path: string, fields = '', body = ''): void {
    this.client.write(requestOf(method, path, fields, body));
  }

  /** The next answer, which has a Content-Length; status 0 where the connection was cut before its end. */
  async answer(): Promise<Answer> {
    const cut = { status: 0, fields: new Map<string, string>(), body: '' };
    for (;;) {
      const bytes = this.client.received.slice(this.#read);
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(bytes)?.[1] ?? 0);
      const end = bytes.indexOf('\r\n\r\n') + 4 + length;
      if (end > 3 + length && bytes.length >= end) {
        this.#read += end;
        return ownAnswer(bytes.slice(0, end));
      }
      if (this.client.closed) return cut;
      await this.client.until(({ received, closed }) => closed || received.length > this.#read + bytes.length);
    }
  }

  async ask(method: string, path: string, fields = '', body = ''): Promise<Answer> {
    this.send(method, path, fields, body);
    return this.answer();
  }
}

/** @param faults of each origin @param policy of the destination, beside its endpoints */
export async function startFaulty(
  t: Test,
  faults: readonly Faults[],
  policy: Record<string, unknown> = {},
): Promise<Faulty> {
  const origins: FaultyOrigin[] = [];
  for (const [index, each] of faults.entries()) origins.push(await faultyOrigin(t, each, index + 1));
  const [first] = origins;
  if (first === undefined) throw new Error('no origin');
  const endpoints = origins.map(({ port }) => `127.0.0.1:${port}`);
  const sidecar = await startSidecar(t, { destinations: [{ match: HOST, endpoints, ...policy }] });
  return {
    ...sidecar,
    origins,
    first,
    seen: () => origins.reduce((sum, { seen }) => sum + seen, 0),
    times: (request) => origins.reduce((sum, { times }) => sum + (times.get(request) ?? 0), 0),
    most(method) {
      const all = new Map<string, number>();
      for (const { times } of origins)
        for (const [request, count] of times)
          if (request.startsWith(`${method} `)) all.set(request, (all.get(request) ?? 0) + count);
      return Math.max(0, ...all.values());
    },
    async retries() {
      const response = await fetch(`http://127.0.0.1:${sidecar.operatorPort}/metrics`);
      const series = /^carpool_retries_total\{.*reason="(\w+)",outcome="(\w+)".*\} (\d+)$/gm;
      const found = [...(await response.text()).matchAll(series)];
      return Object.fromEntries(found.map(([, reason, outcome, count]) => [`${reason} ${outcome}`, Number(count)]));
    },
    connect: async () => new AppConnection(await rawClient(t, sidecar.port)),
    async until(done, msPerTurn = 1) {
      while (!done()) {
        sidecar.clock.advance(msPerTurn);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    },
  };
}
