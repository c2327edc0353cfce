import { once } from 'node:events';
import net from 'node:net';
import hpack from 'hpack.js';
import type { Test } from 'tap';
import { rawFrame, rawSettings, uint32 } from './raw-frame.ts';

export type Fields = readonly (readonly [name: string, value: string])[];

type Pairs = readonly (readonly [id: number, value: number])[];

export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
};

/** A request as it came: nothing is checked but that it can be decoded. */
export type ScriptedRequest = {
  readonly stream: number;
  readonly fields: Fields;
  body: Buffer;
  trailers: Fields | null;
  /** END_STREAM came. */
  ended: boolean;
  /** The code of its RST_STREAM, or null. */
  reset: number | null;
};

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** A field block of literals that need no table: what a script says is what goes out, whether it may or not. */
export function literals(fields: Fields): Buffer {
  const string = (text: string): Buffer => {
    const bytes = Buffer.from(text, 'latin1');
    // The rest of an integer with a prefix of 7 bits (RFC 7541 section 5.1).
    const length = [Math.min(bytes.length, 127)];
    if (bytes.length >= 127) {
      let left = bytes.length - 127;
      for (; left >= 128; left >>>= 7) length.push((left & 127) | 128);
      length.push(left);
    }
    return Buffer.concat([Buffer.from(length), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), string(name), string(value)]));
}

/** One connection that the scripted server accepted. It acknowledges SETTINGS and PINGs; all else is its test's. */
export class ServerConnection {
  readonly socket: net.Socket;
  /** In order of arrival, 0 first. */
  readonly index: number;
  /** All frames so far, without the preface. */
  readonly frames: Frame[] = [];
  readonly requests: ScriptedRequest[] = [];
  closed = false;
  ended = false;
  /** Acknowledges PINGs. */
  answersPings = true;
  readonly #decoder = hpack.decompressor.create({ table: { maxSize: 4096 } });
  #bytes: Buffer = Buffer.alloc(0);
  #begun = false;
  /** The field block under way, and whether its HEADERS frame had END_STREAM. */
  #block: Buffer[] = [];
  #endsStream = false;
  readonly #wakeServer: () => void;
  #waiters: (() => void)[] = [];

  constructor(socket: net.Socket, index: number, settings: Pairs | null, wakeServer: () => void) {
    this.socket = socket;
    this.index = index;
    this.#wakeServer = wakeServer;
    if (settings !== null) this.send(rawFrame(4, 0, 0, rawSettings(settings)));
    socket.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#read();
      this.#wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.ended = true;
      this.closed = true;
      this.#wake();
    });
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
    this.#wakeServer();
  }

  #read(): void {
    if (!this.#begun) {
      if (this.#bytes.length < PREFACE.length) return;
      if (this.#bytes.toString('latin1', 0, PREFACE.length) !== PREFACE) throw new Error('no preface');
      this.#begun = true;
      this.#bytes = this.#bytes.subarray(PREFACE.length);
    }
    while (this.#bytes.length >= 9) {
      const end = 9 + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) return;
      this.#frame({
        type: this.#bytes.readUInt8(3),
        flags: this.#bytes.readUInt8(4),
        stream: this.#bytes.readUInt32BE(5),
        payload: this.#bytes.subarray(9, end),
      });
      this.#bytes = this.#bytes.subarray(end);
    }
  }

  #frame(frame: Frame): void {
    this.frames.push(frame);
    const { type, flags, stream, payload } = frame;
    const request = this.requests.find((one) => one.stream === stream);
    if (type === 4 && (flags & 1) === 0) this.send(rawFrame(4, 1, 0));
    else if (type === 6 && (flags & 1) === 0 && this.answersPings) this.send(rawFrame(6, 1, 0, payload));
    else if (type === 3 && request !== undefined) request.reset = payload.readUInt32BE(0);
    else if (type === 0 && request !== undefined) {
      request.body = Buffer.concat([request.body, payload]);
      if ((flags & 1) !== 0) request.ended = true;
    } else if (type === 1 || type === 9) {
      if (type === 1) this.#endsStream = (flags & 1) !== 0;
      this.#block.push(payload);
      if ((flags & 4) !== 0) this.#blockEnd(stream, request);
    }
  }

  #blockEnd(stream: number, request: ScriptedRequest | undefined): void {
    const block = Buffer.concat(this.#block);
    this.#block = [];
    this.#decoder.write(block);
    this.#decoder.execute();
    const fields: [string, string][] = [];
    for (let field = this.#decoder.read(); field !== null; field = this.#decoder.read())
      fields.push([field.name, field.value]);
    const ended = this.#endsStream;
    if (request === undefined)
      this.requests.push({ stream, fields, body: Buffer.alloc(0), trailers: null, ended, reset: null });
    else {
      request.trailers = fields;
      if (ended) request.ended = true;
    }
  }

  /** Resolves when `done` holds; it is asked again after each read, FIN and close. Fails by the test's own time-out. */
  async until(done: (connection: ServerConnection) => boolean): Promise<void> {
    while (!done(this)) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** The request number `index` of this connection, as soon as its head is here. */
  async request(index = 0): Promise<ScriptedRequest> {
    await this.until(({ requests }) => requests.length > index);
    const request = this.requests[index];
    if (request === undefined) throw new Error('unreachable');
    return request;
  }

  /** The first frame that fits, as soon as it is here. */
  async frame(fits: (frame: Frame) => boolean): Promise<Frame> {
    await this.until(({ frames }) => frames.some(fits));
    const frame = this.frames.find(fits);
    if (frame === undefined) throw new Error('unreachable');
    return frame;
  }

  /** Its peer's GOAWAY, its code in numbers. */
  async goaway(): Promise<{ lastStream: number; code: number; debug: string }> {
    const { payload } = await this.frame(({ type }) => type === 7);
    return {
      lastStream: payload.readUInt32BE(0),
      code: payload.readUInt32BE(4),
      debug: payload.toString('latin1', 8),
    };
  }

  /** The code of the RST_STREAM of a stream. */
  async reset(stream: number): Promise<number> {
    const { payload } = await this.frame((frame) => frame.type === 3 && frame.stream === stream);
    return payload.readUInt32BE(0);
  }

  /** Resolves when all that was sent so far has been read, for then its PING is answered. */
  async settled(): Promise<void> {
    const mark = Buffer.from(`settle${String(this.#marks++).padStart(2, '0')}`);
    this.send(rawFrame(6, 0, 0, mark));
    await this.frame(({ type, flags, payload }) => type === 6 && flags === 1 && payload.equals(mark));
  }

  #marks = 0;

  // --- what it sends

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** A head, or trailers, in one frame. */
  headers(stream: number, fields: Fields, endStream = false): void {
    this.send(rawFrame(1, endStream ? 5 : 4, stream, literals(fields)));
  }

  data(stream: number, body: string | Buffer, endStream = false): void {
    this.send(rawFrame(0, endStream ? 1 : 0, stream, body));
  }

  /** A whole answer with a length. */
  answer(stream: number, body: string, status = '200'): void {
    this.headers(stream, [
      [':status', status],
      ['content-length', String(body.length)],
    ]);
    this.data(stream, body, true);
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

  sendGoaway(lastStream: number, code: number, debug = ''): void {
    this.send(rawFrame(7, 0, 0, Buffer.concat([uint32(lastStream), uint32(code), Buffer.from(debug, 'latin1')])));
  }
}

/** A request, and the connection that it came on. */
export type Arrived = { readonly connection: ServerConnection; readonly request: ScriptedRequest };

export type ScriptedServer = {
  readonly port: number;
  readonly connections: readonly ServerConnection[];
  /** The connection number `index`, as soon as it has come. */
  connection(index: number): Promise<ServerConnection>;
  /** The attempt number `attempt` for a path, on whichever connection, as soon as it has come. */
  arrived(path: string, attempt?: number): Promise<Arrived>;
};

/**
 * A server that speaks raw HTTP/2 as its test says, right or wrong.
 * @param settings of its first SETTINGS frame; null: it says nothing by itself
 */
export async function scriptedServer(t: Test, settings: Pairs | null = []): Promise<ScriptedServer> {
  const connections: ServerConnection[] = [];
  let waiters: (() => void)[] = [];
  const wake = (): void => {
    const woken = waiters;
    waiters = [];
    for (const waiter of woken) waiter();
  };
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    connections.push(new ServerConnection(socket, connections.length, settings, wake));
    wake();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  t.teardown(() => {
    server.close();
    for (const { socket } of connections) socket.destroy();
  });
  /** Asked again after each connection, read, FIN and close. */
  const eventually = async <Found>(look: () => Found | undefined): Promise<Found> => {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => waiters.push(resolve));
    }
  };
  return {
    port: address.port,
    connections,
    connection: (index) => eventually(() => connections[index]),
    arrived: (path, attempt = 0) =>
      eventually(() => {
        const all: Arrived[] = [];
        for (const connection of connections)
          for (const request of connection.requests)
            if (request.fields.some(([name, value]) => name === ':path' && value === path))
              all.push({ connection, request });
        return all[attempt];
      }),
  };
}
