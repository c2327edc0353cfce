import { queuedBytes } from '../transport/byte-socket.ts';

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
   * Lets a peer send `bytes` more before it has to wait, whoever takes them then: only while all such promises fit into a quarter of the budget, since
   * they cannot be taken back when memory runs short. `unpromise` gives them back.
   */
  promise(bytes: number): boolean {
    if (this.constrained || this.#promised + bytes > this.#max / 4) return false;
    this.#promised += bytes;
    return true;
  }

  unpromise(bytes: number): void {
    this.#promised -= bytes;
  }

  /** Over half: copies that only serve a retry are no longer made. */
  get tight(): boolean {
    return this.used > this.#max / 2;
  }

  /** Over three quarters: peers that can be held back are. */
  get constrained(): boolean {
    return this.used > this.#max * 0.75;
  }

  /** At the whole: no new exchange. */
  get exhausted(): boolean {
    return this.used >= this.#max;
  }
}
