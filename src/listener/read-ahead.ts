import type { BufferBudget } from '../forward/buffer-budget.ts';

/** Requests that are sent ahead wait in here, within bounds. */
const MAX_BYTES = 64 * 1024;

/** Bytes that came before it was their turn: of pipelined requests, or of a tunnel that is not open yet. */
export class ReadAhead {
  readonly #budget: BufferBudget;
  #held: Buffer | null = null;

  constructor(budget: BufferBudget) {
    this.#budget = budget;
  }

  get empty(): boolean {
    return this.#held === null;
  }

  /** @returns false: read no more until `take` */
  add(buffer: Buffer, start: number, end: number): boolean {
    const fresh = buffer.subarray(start, end);
    this.#budget.charge(fresh.length);
    this.#held = this.#held === null ? Buffer.from(fresh) : Buffer.concat([this.#held, fresh]);
    return this.#held.length <= MAX_BYTES;
  }

  /** What was held, which is no longer; null where there is nothing. */
  take(): Buffer | null {
    const held = this.#held;
    if (held !== null) this.#budget.release(held.length);
    this.#held = null;
    return held;
  }
}
