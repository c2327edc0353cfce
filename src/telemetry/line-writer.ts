import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Clock, Timer } from '../clock.ts';

/** Bytes of lines that may wait for a reader that stands still. */
export const MAX_WAITING_BYTES = 1_048_576;
/** One write; a pipe holds 64 KiB. */
const CHUNK_BYTES = 65_536;
/** How long until a full pipe is tried again, in milliseconds. */
const RETRY_MS = 50;
/** At exit the reader gets this many chances of `RETRY_MS` to take the last lines. */
const EXIT_TRIES = 4;

/**
 * Writes lines to standard output (or any descriptor) and never waits for its reader. Lines of one turn of the event
 * loop go out in one write. When the reader stands still, lines wait up to a bound, and what comes then is dropped and
 * counted: a log collector that hangs must cost log lines, not requests and not memory.
 *
 * The descriptor is made not to block, because a blocked write would stall the loop, and in the thread pool it would
 * keep the process from exiting.
 */
export class LineWriter {
  readonly #clock: Clock;
  readonly #target: Target;
  readonly #maxBytes: number;
  #lines: string[] = [];
  #bytes = 0;
  /** What a write left over; it comes first. */
  #rest: Buffer = Buffer.alloc(0);
  #state: 'quiet' | 'scheduled' | 'blocked' | 'closed' = 'quiet';
  #retry: Timer | null = null;
  #dropped = 0;
  #reported = 0;

  /** @param options.fd 1 is standard output */
  constructor(options: { clock: Clock; fd: number; maxBytes?: number }) {
    this.#clock = options.clock;
    this.#maxBytes = options.maxBytes ?? MAX_WAITING_BYTES;
    this.#target = withoutBlocking(options.fd);
  }

  /** Lines given up since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Bytes that wait; never above the bound. */
  get waitingBytes(): number {
    return this.#bytes + this.#rest.length;
  }

  /** Takes one line, with its line end. */
  write(line: string): void {
    if (this.#state === 'closed' || this.waitingBytes + line.length > this.#maxBytes) {
      this.#dropped++;
      return;
    }
    this.#lines.push(line);
    this.#bytes += line.length;
    if (this.#state !== 'quiet') return;
    this.#state = 'scheduled';
    setImmediate(() => {
      if (this.#state === 'scheduled') this.#flush();
    });
  }

  /** Writes what waits now, as far as the reader takes it within a fifth of a second; for exit and fatal errors. */
  flushSync(): void {
    if (this.#state === 'closed') return;
    for (let tries = 0; ; tries++) {
      this.#flush();
      if (this.#state !== 'blocked' || tries === EXIT_TRIES) return;
      this.#retry?.cancel();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }

  /** Flushes and lets go of the descriptor. */
  close(): void {
    if (this.#state === 'closed') return;
    this.flushSync();
    this.#end();
  }

  #flush(): void {
    while (this.waitingBytes > 0) {
      const chunk = this.#nextChunk();
      let written = 0;
      try {
        written = writeSync(this.#target.fd, chunk);
      } catch (error) {
        if (!isBusy(error)) {
          // The reader has gone (EPIPE) or the descriptor is no good: there is nobody to tell.
          this.#dropped += this.#lines.length + 1;
          this.#end();
          return;
        }
      }
      this.#rest = chunk.subarray(written);
      if (this.#rest.length > 0) {
        this.#state = 'blocked';
        this.#retry?.cancel();
        this.#retry = this.#clock.setTimer(() => this.#flush(), RETRY_MS);
        return;
      }
    }
    this.#state = 'quiet';
    this.#reportDrops();
  }

  /** The rest of the last write, or the next lines up to one chunk (at least one line). */
  #nextChunk(): Buffer {
    if (this.#rest.length > 0) return this.#rest;
    let length = 0;
    let count = 0;
    for (const line of this.#lines) {
      if (count > 0 && length + line.length > CHUNK_BYTES) break;
      length += line.length;
      count++;
    }
    const lines = count === this.#lines.length ? this.#lines : this.#lines.slice(0, count);
    this.#lines = this.#lines.slice(count);
    this.#bytes -= length;
    return Buffer.from(lines.join(''));
  }

  /** Once the reader goes on, one line says what it missed. */
  #reportDrops(): void {
    const missed = this.#dropped - this.#reported;
    if (missed === 0) return;
    this.#reported = this.#dropped;
    const time = new Date(this.#clock.wall()).toISOString();
    this.write(
      `${JSON.stringify({ level: 'warn', time, msg: 'log lines dropped: the reader of stdout stood still', dropped: missed })}\n`,
    );
  }

  #end(): void {
    this.#state = 'closed';
    this.#retry?.cancel();
    this.#lines = [];
    this.#bytes = 0;
    this.#rest = Buffer.alloc(0);
    if (this.#target.owned) closeSync(this.#target.fd);
  }
}

type Target = { readonly fd: number; readonly owned: boolean; readonly keepAlive: Socket | null };

/**
 * A descriptor that answers EAGAIN instead of blocking. A pipe is opened a second time, so that O_NONBLOCK does not
 * reach whoever else holds it. Where that is not allowed, and for a socket (journald), the descriptor itself is switched
 * over: a `Socket` around it does that and nothing else. A regular file has no reader that could stand still.
 */
function withoutBlocking(fd: number): Target {
  const kind = fstatSync(fd);
  if (kind.isFIFO() || kind.isCharacterDevice()) {
    try {
      const opened = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
      return { fd: opened, owned: true, keepAlive: null };
    } catch {
      // Not Linux, or a pipe that belongs to another user.
    }
  }
  if (!kind.isFIFO() && !kind.isSocket()) return { fd, owned: false, keepAlive: null };
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.unref();
  socket.on('error', () => {
    // The writer meets the same error itself.
  });
  return { fd, owned: false, keepAlive: socket };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY');
}
