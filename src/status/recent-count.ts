/** Ten minutes in slots of ten seconds. */
const SLOT_MS = 10_000;
const SLOTS = 60;

/** How often something happened lately. The oldest slot falls out as a new one begins. */
export class RecentCount {
  readonly #slots = new Float64Array(SLOTS);
  /** Since the start, counted in slots, of the newest one. */
  #newest = Number.NEGATIVE_INFINITY;

  /** @param now monotonic milliseconds */
  add(now: number, count = 1): void {
    const slot = Math.floor(now / SLOT_MS);
    this.#moveTo(slot);
    const at = slot % SLOTS;
    this.#slots[at] = (this.#slots[at] ?? 0) + count;
  }

  /** How often in the last `ms`, or up to ten seconds more; at most ten minutes. */
  within(ms: number, now: number): number {
    const slot = Math.floor(now / SLOT_MS);
    this.#moveTo(slot);
    const wanted = Math.min(SLOTS, Math.ceil(ms / SLOT_MS) + 1);
    let sum = 0;
    for (let back = 0; back < wanted && back <= slot; back++) sum += this.#slots[(slot - back) % SLOTS] ?? 0;
    return sum;
  }

  #moveTo(slot: number): void {
    if (slot <= this.#newest) return;
    const passed = Math.min(SLOTS, slot - this.#newest);
    for (let back = 0; back < passed; back++) this.#slots[(((slot - back) % SLOTS) + SLOTS) % SLOTS] = 0;
    this.#newest = slot;
  }
}
