import { once } from 'node:events';
import net from 'node:net';
import hpack from 'hpack.js';
import type { Test } from 'tap';
import { rawFrame, rawSettings, uint32 } from './raw-frame.ts';
import { type Fields, type Frame, literals } from './scripted-server.ts';

type Pairs = readonly (readonly [id: number, value: number])[];

/** What came on one stream so far. */
export type RawAnswer = {
  /** 0: no final head yet. */
  status: number;
  fields: Fields;
  /** Statuses of interim responses. */
  readonly interims: number[];
  readonly pieces: Buffer[];
  bodyBytes: number;
  trailers: Fields | null;
  /** END_STREAM came. */
  ended: boolean;
  /** The code of its RST_STREAM, or null. */
  reset: number | null;
};

/** What a raw app does by itself. */
export type RawAppOptions = {
  /** Of its first SETTINGS frame. */
  readonly settings?: Pairs;
  /** Gives credit for DATA as it comes, for the connection and for those streams that it says. */
  readonly credits?: (stream: number) => boolean;
  /** Keeps every frame in `frames`; without it only what `answers` needs is kept. */
  readonly records?: boolean;
};

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** An app that speaks HTTP/2 with the sidecar, right or wrong, as its test says. It acknowledges SETTINGS and PINGs; all else is its test's. */
export class RawApp {
  readonly socket: net.Socket;
  readonly frames: Frame[] = [];
  readonly answers = new Map<number, RawAnswer>();
  /** Streams that have ended, by END_STREAM or a reset. */
  over = 0;
  closed = false;
  ended = false;
  /** Its peer's GOAWAYs. */
  readonly goaways: { readonly lastStream: number; readonly code: number; readonly debug: string }[] = [];
  /** Bytes of DATA that came. */
  dataBytes = 0;
  readonly authority: string;
  readonly #options: RawAppOptions;
  readonly #decoder = hpack.decompressor.create({ table: { maxSize: 4096 } });
  #rest: Buffer = Buffer.alloc(0);
  #block: Buffer[] = [];
  #endsStream = false;
  #last = -1;
  #marks = 0;
  readonly #acked = new Set<string>();
  #waiters: (() => void)[] = [];

  constructor(socket: net.Socket, authority: string, options: RawAppOptions) {
    this.socket = socket;
    this.authority = authority;
    this.#options = options;
    const wake = (): void => {
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const waiter of waiters) waiter();
    };
    socket.on('data', (bytes: Buffer) => {
      this.#read(this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]));
      wake();
    });
    socket.on('end', () => {
      this.ended = true;
      wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.ended = true;
      this.closed = true;
      wake();
    });
  }

  #read(bytes: Buffer): void {
    let at = 0;
    while (bytes.length - at >= 9) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      if (bytes.length < end) break;
      this.#frame({
        type: bytes.readUInt8(at + 3),
        flags: bytes.readUInt8(at + 4),
        stream: bytes.readUInt32BE(at + 5),
        payload: bytes.subarray(at + 9, end),
      });
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }

  #frame(frame: Frame): void {
    const { type, flags, stream, payload } = frame;
    if (this.#options.records !== false) this.frames.push(frame);
    if (type === 0) this.#data(this.answerOf(stream), stream, payload, (flags & 1) !== 0);
    else if (type === 1 || type === 9) {
      if (type === 1) this.#endsStream = (flags & 1) !== 0;
      this.#block.push(payload);
      if ((flags & 4) !== 0) this.#blockEnd(this.answerOf(stream));
    } else if (type === 3) {
      const answer = this.answerOf(stream);
      if (!answer.ended && answer.reset === null) this.over++;
      answer.reset = payload.readUInt32BE(0);
    } else if (type === 4 && (flags & 1) === 0) this.send(rawFrame(4, 1, 0));
    else if (type === 6) {
      if ((flags & 1) === 0) this.send(rawFrame(6, 1, 0, payload));
      else this.#acked.add(payload.toString('latin1'));
    } else if (type === 7)
      this.goaways.push({
        lastStream: payload.readUInt32BE(0),
        code: payload.readUInt32BE(4),
        debug: payload.toString('latin1', 8),
      });
  }

  #data(answer: RawAnswer, stream: number, payload: Buffer, ends: boolean): void {
    this.dataBytes += payload.length;
    answer.bodyBytes += payload.length;
    if (this.#options.records !== false) answer.pieces.push(payload);
    if (ends) this.#ended(answer);
    const { credits } = this.#options;
    if (credits === undefined || payload.length === 0) return;
    this.windowUpdate(0, payload.length);
    if (!ends && credits(stream)) this.windowUpdate(stream, payload.length);
  }

  #ended(answer: RawAnswer): void {
    answer.ended = true;
    if (answer.reset === null) this.over++;
  }

  #blockEnd(answer: RawAnswer): void {
    this.#decoder.write(Buffer.concat(this.#block));
    this.#block = [];
    this.#decoder.execute();
    const fields: [string, string][] = [];
    for (let field = this.#decoder.read(); field !== null; field = this.#decoder.read())
      fields.push([field.name, field.value]);
    const status = Number(fields.find(([name]) => name === ':status')?.[1] ?? 0);
    if (status >= 100 && status < 200) answer.interims.push(status);
    else if (answer.status === 0) {
      answer.status = status;
      answer.fields = fields;
    } else answer.trailers = fields;
    if (this.#endsStream) this.#ended(answer);
  }

  /** What came on a stream; an empty answer before anything did. */
  answerOf(stream: number): RawAnswer {
    const known = this.answers.get(stream);
    if (known !== undefined) return known;
    const answer: RawAnswer = {
      status: 0,
      fields: [],
      interims: [],
      pieces: [],
      bodyBytes: 0,
      trailers: null,
      ended: false,
      reset: null,
    };
    this.answers.set(stream, answer);
    return answer;
  }

  /** Resolves when `done` holds; it is asked again after each read, FIN and close. Fails by the test's own time-out. */
  async until(done: (app: RawApp) => boolean): Promise<void> {
    while (!done(this)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** The answer of a stream, whole, or cut by its reset. */
  async answer(stream: number): Promise<RawAnswer> {
    const answer = this.answerOf(stream);
    await this.until(() => answer.ended || answer.reset !== null || this.ended);
    return answer;
  }

  /** The code of the RST_STREAM of a stream. */
  async reset(stream: number): Promise<number> {
    const answer = this.answerOf(stream);
    await this.until(() => answer.reset !== null);
    return answer.reset ?? -1;
  }

  async goaway(index = 0): Promise<{ readonly lastStream: number; readonly code: number; readonly debug: string }> {
    await this.until(({ goaways }) => goaways.length > index);
    const goaway = this.goaways[index];
    if (goaway === undefined) throw new Error('unreachable');
    return goaway;
  }

  /** Resolves when all that was sent so far has been read, for then its PING is answered; or when the connection is over. */
  async settled(): Promise<void> {
    const mark = `mark${String(this.#marks++).padStart(4, '0')}`;
    this.send(rawFrame(6, 0, 0, mark));
    await this.until(() => this.#acked.has(mark) || this.ended);
  }

  // --- what it sends

  send(...frames: readonly Buffer[]): void {
    if (this.socket.writable) this.socket.write(frames.length === 1 ? (frames[0] ?? '') : Buffer.concat(frames));
  }

  /** The fields of a request to the origin. */
  requestFields(method: string, path: string, more: Fields = []): Fields {
    return [[':method', method], [':scheme', 'http'], [':authority', this.authority], [':path', path], ...more];
  }

  /** Opens a stream. @returns its id */
  open(fields: Fields, endStream: boolean): number {
    this.#last += 2;
    this.headers(this.#last, fields, endStream);
    return this.#last;
  }

  /** The id of the next stream, for frames that a test makes itself. */
  nextId(): number {
    this.#last += 2;
    return this.#last;
  }

  /** A request without a body. @returns its stream */
  get(path: string, more: Fields = []): number {
    return this.open(this.requestFields('GET', path, more), true);
  }

  /** The head of a request whose body follows. @returns its stream */
  post(path: string, more: Fields = []): number {
    return this.open(this.requestFields('POST', path, more), false);
  }

  headers(stream: number, fields: Fields, endStream = false): void {
    this.send(rawFrame(1, endStream ? 5 : 4, stream, literals(fields)));
  }

  data(stream: number, body: string | Buffer, endStream = false): void {
    this.send(rawFrame(0, endStream ? 1 : 0, stream, body));
  }

  settings(...pairs: Pairs): void {
    this.send(rawFrame(4, 0, 0, rawSettings(pairs)));
  }

  windowUpdate(stream: number, increment: number): void {
    this.send(rawFrame(8, 0, stream, uint32(increment)));
  }

  rstStream(stream: number, code: number): void {
    this.send(rawFrame(3, 0, stream, uint32(code)));
  }
}

/** All of an answer's body. */
export const bodyOf = (answer: RawAnswer): string => Buffer.concat(answer.pieces).toString('latin1');

/** The value of a field, or undefined. */
export const field = (fields: Fields | null, name: string): string | undefined =>
  fields?.find(([each]) => each === name)?.[1];

/** Connects an app to `port`, and sends preface and SETTINGS. @param authority of its requests */
export async function rawApp(t: Test, port: number, authority: string, options: RawAppOptions = {}): Promise<RawApp> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const app = new RawApp(socket, authority, options);
  await once(socket, 'connect');
  t.teardown(() => {
    socket.destroy();
  });
  app.send(Buffer.from(PREFACE, 'latin1'), rawFrame(4, 0, 0, rawSettings(options.settings ?? [])));
  return app;
}
