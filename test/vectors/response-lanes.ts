import { once } from 'node:events';
import net from 'node:net';
import type { Test } from 'tap';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { Caller, cutAt, settle } from './client-exchange.ts';
import {
  endToEnd,
  keepsOpen,
  passingTrailers,
  readRequests,
  readResponses,
  type StrictMessage,
  valuesOf,
} from './strict-reader.ts';

/** What an origin answers to one request. */
export type ResponseCase = {
  readonly name: string;
  readonly bytes: string;
  readonly ask: 'GET' | 'HEAD' | 'GET 1.0';
  /** Offsets at which it is split besides being sent whole; null: at every one. */
  readonly splits: readonly number[] | null;
};

/** What the client got for a response that was sent whole. */
export type ResponseOutcome = {
  readonly case: ResponseCase;
  readonly got: 'same' | '502' | 'cut';
  /** Whether the strict reader finds a whole response in it. */
  readonly readable: boolean;
};

type Job = { readonly case: ResponseCase; readonly offset: number };

const LANES = 32;
const MAX_FAILURES = 20;

/** An origin that answers `/case` with the bytes of the case, and any other target with itself. */
class ScriptedOrigin {
  parts: readonly string[] = [];
  /** Close behind the bytes, as the end of them or of the patience of a server. */
  closes = false;
  readonly #server: net.Server;
  readonly #open = new Set<net.Socket>();
  #serving: net.Socket | null = null;

  constructor() {
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  async listen(t: Test): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    t.teardown(() => {
      this.#server.close();
      for (const socket of this.#open) socket.destroy();
    });
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the origin has no port');
    return address.port;
  }

  get connections(): number {
    return this.#open.size;
  }

  get servingStillOpen(): boolean {
    return this.#serving !== null && !this.#serving.readableEnded && !this.#serving.destroyed;
  }

  /** Resolves when the connection that served the case is gone. */
  async caseConnectionClosed(): Promise<void> {
    if (this.#serving !== null && !this.#serving.closed) await once(this.#serving, 'close');
  }

  #accept(socket: net.Socket): void {
    this.#open.add(socket);
    socket.setNoDelay(true);
    let bytes = '';
    socket.on('error', () => {});
    socket.on('close', () => this.#open.delete(socket));
    socket.on('data', (more: Buffer) => {
      bytes += more.toString('latin1');
      const { messages, consumed } = readRequests(bytes);
      bytes = bytes.slice(consumed);
      for (const { target } of messages) {
        if (target === '/case') void this.#serve(socket);
        else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
      }
    });
  }

  async #serve(socket: net.Socket): Promise<void> {
    this.#serving = socket;
    for (const [index, part] of this.parts.entries()) {
      if (index > 0) await settle();
      if (!socket.destroyed) socket.write(Buffer.from(part, 'latin1'));
    }
    if (this.closes && !socket.destroyed) socket.end();
  }
}

type Lane = { readonly origin: ScriptedOrigin; readonly port: number };

/** Lets origins answer with cases, many at a time, and judges what clients get. */
export class ResponseLanes {
  readonly failures: string[] = [];
  readonly outcomes: ResponseOutcome[] = [];
  sent = 0;
  #probes = 0;
  readonly #sidecar: Sidecar;
  readonly #lanes: readonly Lane[];

  private constructor(sidecar: Sidecar, lanes: readonly Lane[]) {
    this.#sidecar = sidecar;
    this.#lanes = lanes;
  }

  static async start(t: Test): Promise<ResponseLanes> {
    const origins = await Promise.all(
      Array.from({ length: LANES }, async () => {
        const origin = new ScriptedOrigin();
        return { origin, port: await origin.listen(t) };
      }),
    );
    return new ResponseLanes(await startSidecar(t), origins);
  }

  async run(cases: readonly ResponseCase[]): Promise<void> {
    const jobs = eachJob(cases);
    await Promise.all(
      this.#lanes.map(async (lane) => {
        for (let next = jobs.next(); !next.done && this.failures.length < MAX_FAILURES; next = jobs.next()) {
          await this.#runJob(lane, next.value);
        }
      }),
    );
  }

  async #runJob(lane: Lane, job: Job): Promise<void> {
    this.sent++;
    const { bytes, ask } = job.case;
    const wrong = (what: string): void => {
      if (this.failures.length < MAX_FAILURES)
        this.failures.push(`${job.case.name}, ${ask}, split at ${job.offset}: ${what}\n${JSON.stringify(bytes)}`);
    };
    const method = ask === 'HEAD' ? 'HEAD' : 'GET';
    const expected = strictAnswer(bytes, method);
    lane.origin.parts = cutAt(bytes, job.offset);
    lane.origin.closes = expected === null || expected.closed;
    const caller = await this.#ask(lane, method, '/case', ask === 'GET 1.0' ? '1.0' : '1.1');
    const got = firstFinal(caller, method);
    const outcome = this.#judge(caller, got, expected, ask, wrong);
    if (job.offset === 0) this.outcomes.push({ case: job.case, got: outcome, readable: expected !== null });
    // Bytes behind the response are on their way to carpool: it must have seen them before the next request goes out.
    if (expected === null || expected.closed || expected.end < bytes.length) await lane.origin.caseConnectionClosed();
    await this.#probe(lane, got === null || caller.ended ? null : caller, wrong);
    await caller.finish();
    await settle();
    const over = expected === null || !keepsOpen(expected.message.fields, expected.message.minor);
    if (over && lane.origin.servingStillOpen) wrong('the connection of a last response is still open');
  }

  async #ask(lane: Lane, method: string, path: string, version: string): Promise<Caller> {
    const caller = new Caller(this.#sidecar.port);
    await caller.connected();
    const host = `127.0.0.1:${lane.port}`;
    await caller.send([`${method} http://${host}${path} HTTP/${version}\r\nHost: ${host}\r\n\r\n`]);
    await caller.until(() => caller.ended || firstFinal(caller, method) !== null);
    if (version === '1.0') await caller.until(({ ended }) => ended);
    return caller;
  }

  #judge(
    caller: Caller,
    got: StrictMessage | null,
    expected: Answer | null,
    ask: string,
    wrong: (what: string) => void,
  ): ResponseOutcome['got'] {
    if (got === null) {
      const partial = readResponses(caller.received, [ask], false).partialBody;
      if (expected !== null && partial !== null && !expected.message.body.startsWith(partial))
        wrong(`a cut body that is not the origin’s: ${partial}`);
      return 'cut';
    }
    const own = got.fields.some(([name]) => name === 'proxy-status');
    if (own) {
      if (got.status !== 502) wrong(`carpool answered ${got.status}`);
      return '502';
    }
    if (expected === null) wrong(`the client got a whole response: ${JSON.stringify(caller.received)}`);
    else {
      // Without chunks there is no place for trailers.
      const wanted = seen(ask === 'GET 1.0' ? { ...expected.message, trailers: [] } : expected.message);
      if (seen(got) !== wanted) wrong(`the client got ${seen(got)} and not ${wanted}`);
    }
    if (got.end < caller.received.length)
      wrong(`bytes behind the response: ${JSON.stringify(caller.received.slice(got.end))}`);
    if (ask === 'GET 1.0' && valuesOf(got.fields, 'transfer-encoding').length > 0)
      wrong('a transfer coding to an HTTP/1.0 client');
    if (got.status === 204 && valuesOf(got.fields, 'transfer-encoding').length > 0)
      wrong('a transfer coding of nothing');
    const interims = readResponses(caller.received, [ask], true).messages.filter(({ status }) => status < 200);
    if (interims.length > 0 && ask === 'GET 1.0') wrong('an interim response to an HTTP/1.0 client');
    return 'same';
  }

  /** The next request gets its own answer, on the same connection of the client where it is still open. */
  async #probe(lane: Lane, open: Caller | null, wrong: (what: string) => void): Promise<void> {
    const path = `/probe-${this.#probes++}`;
    let answer: StrictMessage | null;
    if (open === null) {
      const caller = await this.#ask(lane, 'GET', path, '1.1');
      answer = firstFinal(caller, 'GET');
      await caller.finish();
    } else {
      open.received = '';
      const host = `127.0.0.1:${lane.port}`;
      await open.send([`GET http://${host}${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`]);
      await open.until(() => open.ended || firstFinal(open, 'GET') !== null);
      answer = firstFinal(open, 'GET');
    }
    if (answer?.status !== 200 || answer.body !== path)
      wrong(`the next request got ${JSON.stringify(answer)} and not ${path}`);
  }

  /** Open connections at the origins are the idle ones of the pools, and nothing is held. */
  reconcile(t: Test): void {
    let idle = 0;
    for (const stats of this.#sidecar.app.destinations()) {
      idle += stats.idle;
      t.equal(
        stats.active + stats.connecting + stats.draining + stats.pending,
        0,
        `${stats.name} holds nothing any more`,
      );
    }
    t.equal(
      idle,
      this.#lanes.reduce((sum, { origin }) => sum + origin.connections, 0),
      'every open connection is an idle one',
    );
  }
}

type Answer = { readonly message: StrictMessage; readonly end: number; readonly closed: boolean };

/** The response that a strict client reads from `bytes`, and whether the end of the connection ends it; or null. */
function strictAnswer(bytes: string, method: string): Answer | null {
  const isFinal = ({ status }: StrictMessage): boolean => status >= 200;
  const open = readResponses(bytes, [method], false).messages.find(isFinal);
  if (open !== undefined) return { message: open, end: open.end, closed: false };
  const closed = readResponses(bytes, [method], true).messages.find(isFinal);
  return closed === undefined ? null : { message: closed, end: bytes.length, closed: true };
}

const firstFinal = (caller: Caller, method: string): StrictMessage | null =>
  readResponses(caller.received, [method], caller.ended && !caller.reset).messages.find(
    ({ status }) => status >= 200,
  ) ?? null;

const seen = (message: StrictMessage): string =>
  [
    message.line.slice('HTTP/1.1'.length).trimEnd(),
    ...endToEnd(message).filter((line) => message.status !== 204 || !/^content-length:/i.test(line)),
    '',
    message.body,
    ...passingTrailers(message),
  ].join('\n');

function* eachJob(cases: readonly ResponseCase[]): Generator<Job> {
  for (const each of cases) {
    yield { case: each, offset: 0 };
    if (each.splits !== null) for (const offset of each.splits) yield { case: each, offset };
    else for (let offset = 1; offset < each.bytes.length; offset++) yield { case: each, offset };
  }
}
