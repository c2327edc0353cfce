import { rawFrame } from './raw-frame.ts';
import type { Frame } from './scripted-server.ts';

/** Either end of a raw connection: what it has read, and how it sends. */
type Peer = {
  readonly frames: readonly Frame[];
  readonly socket: { on(event: 'data', listener: () => void): unknown };
  send(...frames: readonly Buffer[]): void;
};

type Body = { stream: number; left: number; window: number; sent: number };

/** Sends long bodies on the streams of a raw connection, as far as the windows of the other side let it. */
export class WindowSender {
  readonly #peer: Peer;
  readonly #bodies: Body[] = [];
  #seen = 0;
  /** Of the connection, and of a stream at first. */
  #window = 65_535;
  #first = 65_535;
  readonly #frameBytes: number;

  /** @param frameBytes of a DATA frame at most */
  constructor(peer: Peer, frameBytes = 16_384) {
    this.#peer = peer;
    this.#frameBytes = frameBytes;
    // After the peer's own listener: its frames are there.
    peer.socket.on('data', () => this.pump());
  }

  /** Sends `bytes` of `x` on the stream, and END_STREAM with the last one. */
  body(stream: number, bytes: number): void {
    this.#read();
    this.#bodies.push({ stream, left: bytes, window: this.#first, sent: 0 });
    this.pump();
  }

  /** How much of a stream's body has been sent. */
  sent(stream: number): number {
    return this.#bodies.find((body) => body.stream === stream)?.sent ?? 0;
  }

  #read(): void {
    const { frames } = this.#peer;
    for (; this.#seen < frames.length; this.#seen++) {
      const frame = frames[this.#seen];
      if (frame?.type === 8) this.#credit(frame.stream, frame.payload.readUInt32BE(0));
      else if (frame?.type === 4) {
        for (let at = 0; at < frame.payload.length; at += 6)
          if (frame.payload.readUInt16BE(at) === 4) this.#first = frame.payload.readUInt32BE(at + 2);
      } else if (frame?.type === 3) this.#give(frame.stream);
    }
  }

  #credit(stream: number, increment: number): void {
    if (stream === 0) this.#window += increment;
    for (const body of this.#bodies) if (body.stream === stream) body.window += increment;
  }

  /** The stream was reset: nothing more is sent on it. */
  #give(stream: number): void {
    for (const body of this.#bodies) if (body.stream === stream) body.left = 0;
  }

  /** Sends what the windows let out, a frame of each body in turn. */
  pump(): void {
    this.#read();
    for (let progress = true; progress; ) {
      progress = false;
      for (const body of this.#bodies) {
        const length = Math.min(body.left, body.window, this.#window, this.#frameBytes);
        if (length <= 0) continue;
        progress = true;
        body.left -= length;
        body.window -= length;
        body.sent += length;
        this.#window -= length;
        this.#peer.send(rawFrame(0, body.left === 0 ? 1 : 0, body.stream, Buffer.alloc(length, 'x')));
      }
    }
  }
}
