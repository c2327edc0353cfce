import type { StreamTable } from '../protocol/http2/stream-table.ts';
import type { LinkOutput } from './link-output.ts';
import { type BufferAccount, FIRST_RECEIVE_WINDOW, type LinkStream } from './link-stream.ts';

/** What a receive window grows to while its receiver keeps up. */
const LARGEST = 1024 * 1024;

/**
 * What the peer may send on one HTTP/2 connection: the window of the connection here, those of the streams in the streams (RFC 9113
 * section 6.9). Credit is given in few and large steps, when half of a window is used up, and more of it each time.
 */
export class ReceiveWindows {
  readonly #out: LinkOutput;
  readonly #account: BufferAccount;
  readonly #streams: StreamTable<LinkStream>;
  #left = FIRST_RECEIVE_WINDOW;
  #target = FIRST_RECEIVE_WINDOW;

  constructor(out: LinkOutput, account: BufferAccount, streams: StreamTable<LinkStream>) {
    this.#streams = streams;
    this.#out = out;
    this.#account = account;
  }

  /** The connection is over. */
  close(): void {
    this.#account.unpromise(this.#target - FIRST_RECEIVE_WINDOW);
    this.#target = FIRST_RECEIVE_WINDOW;
  }

  /** DATA came on the connection. @returns false: more than its window lets */
  spend(flowBytes: number): boolean {
    this.#left -= flowBytes;
    return this.#left >= 0;
  }

  /** Gives back what a stream's receiver has taken. */
  creditStream(stream: LinkStream): void {
    if (stream.receiveWindow > stream.receiveTarget / 2) return;
    if (stream.receiveTarget < LARGEST && !this.#account.constrained) {
      stream.receiveTarget = Math.min(stream.receiveTarget * 2, LARGEST);
    }
    const increment = stream.receiveTarget - stream.receiveWindow;
    stream.receiveWindow = stream.receiveTarget;
    this.#out.windowUpdate(stream.id, increment);
  }

  /**
   * Gives back what came on the connection, whosever it was, so that a stream whose receiver stands still holds up no other. While memory is
   * short only what streams got that go on: those that stand still are not to be filled, and the others are not to suffer.
   */
  creditConnection(): void {
    if (this.#left > this.#target / 2) return;
    if (this.#account.constrained) {
      this.#creditMoving();
      return;
    }
    const larger = Math.min(this.#target * 2, LARGEST);
    if (larger > this.#target && this.#account.promise(larger - this.#target)) this.#target = larger;
    this.#credit(this.#target - this.#left);
  }

  #creditMoving(): void {
    let stalled = 0;
    this.#streams.forEach((stream) => {
      if (stream.paused) stalled += stream.receiveTarget - stream.receiveWindow;
    });
    const taken = this.#target - this.#left - stalled;
    if (taken > 0 && taken >= (this.#target - stalled) / 2) this.#credit(taken);
  }

  #credit(increment: number): void {
    this.#left += increment;
    this.#out.windowUpdate(0, increment);
  }
}
