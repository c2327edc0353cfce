import { queuedBytes } from '../transport/byte-socket.ts';

/**
 * From this share of the budget on nothing more is asked for on behalf of those who take nothing. What peers were let send before comes still, and
 * new exchanges cost memory of their own: measured with 100 connections of 100 streams that stand still, all of which find room so.
 */
const CONSTRAINED_SHARE = 1 / 4;

/**
 * The budget over everything that is held in memory for exchanges (`limits.bufferBytes`): replay copies, requests that
 * wait, heads in parts, bytes queued towards a slow peer.
 */
export class BufferBudget {
  #used = 0;
  #max: number;
  /** What peers may send beyond what they may at first. */
  #promised = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get used(): number {
    return this.#used + queuedBytes.total;
  }

  get max(): number {
    return this.#max;
  }

  setMax(max: number): void {
    this.#max = max;
  }

  charge(bytes: number): void {
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }

  /**
   * Lets a peer send `bytes` more before it has to wait, whoever takes them then: only while all such promises fit into an eighth of the budget, since
   * they cannot be taken back when memory runs short. `unpromise` gives them back.
   */
  promise(bytes: number): boolean {
    if (this.constrained || this.#promised + bytes > this.#max / 8) return false;
    this.#promised += bytes;
    return true;
  }

  unpromise(bytes: number): void {
    this.#promised -= bytes;
  }

  /** Over a quarter: copies that only serve a retry are no longer made. */
  get tight(): boolean {
    return this.used > this.#max / 4;
  }

  /** Over a quarter: peers that can be held back are, for what they may send already still comes. */
  get constrained(): boolean {
    return this.used > this.#max * CONSTRAINED_SHARE;
  }

  /** At the whole: no new exchange. */
  get exhausted(): boolean {
    return this.used >= this.#max;
  }
}
