/** The recent past: 30 slots of 10 s. */
const SLOT_MS = 10_000;
const SLOTS = 30;
/** The share of the recent slots whose peaks the floor covers; what only the other ones needed was a single burst. */
const COVERED = 0.9;
/** A period has slots of a minute, but no more than so many: then they are longer. */
const MOST_PHASES = 288;
const LEAST_PHASES = 6;
/** How long before its slot begins what it needed in earlier periods is opened. */
const AHEAD_MS = 30_000;
const UNKNOWN = -1;
const MOST = 65_535;

/**
 * How many connections one destination is worth keeping warm, learned from the peaks of the last five minutes, and from
 * those at the same time of earlier periods. Time is monotonic: a period is one since the destination was made, whatever
 * the wall clock does. What it keeps is of fixed size: about a kilobyte at most.
 */
export class LearnedFloor {
  readonly periodMs: number;
  readonly #recent = new Uint16Array(SLOTS);
  /** How many of the recent slots are filled, and which is next. */
  #filled = 0;
  #next = 0;
  #slotEnds: number;
  #slotPeak = 0;
  readonly #phases: Float32Array;
  readonly #phaseMs: number;
  readonly #begun: number;
  /** Slots of the period since the beginning, not reduced to one period. */
  #phase = 0;
  #phasePeak = 0;
  #covered = 0;

  constructor(periodMs: number, now: number) {
    this.periodMs = periodMs;
    const count = Math.max(LEAST_PHASES, Math.min(MOST_PHASES, Math.round(periodMs / 60_000)));
    this.#phases = new Float32Array(count).fill(UNKNOWN);
    this.#phaseMs = periodMs / count;
    this.#begun = now;
    this.#slotEnds = now + SLOT_MS;
  }

  /** @param peak the most connections in use since the last call */
  observe(peak: number, now: number): void {
    const seen = Math.min(peak, MOST);
    this.#slotPeak = Math.max(this.#slotPeak, seen);
    this.#phasePeak = Math.max(this.#phasePeak, seen);
    if (now >= this.#slotEnds) this.#endSlots(seen, now);
    const phase = Math.floor((now - this.#begun) / this.#phaseMs);
    if (phase > this.#phase) this.#endPhases(seen, phase);
  }

  /** How many connections are to be kept. */
  at(now: number): number {
    const since = now - this.#begun;
    return Math.max(this.#covered, this.#usual(since), this.#usual(since + AHEAD_MS));
  }

  /** @param seen the peak since the last call: of the slots that passed since, if there were several, it is that of each */
  #endSlots(seen: number, now: number): void {
    const passed = Math.min(SLOTS, 1 + Math.floor((now - this.#slotEnds) / SLOT_MS));
    for (let slot = 0; slot < passed; slot++) {
      this.#recent[this.#next] = this.#slotPeak;
      this.#next = (this.#next + 1) % SLOTS;
      this.#filled = Math.min(SLOTS, this.#filled + 1);
      this.#slotPeak = seen;
    }
    this.#slotPeak = 0;
    this.#slotEnds += (1 + Math.floor((now - this.#slotEnds) / SLOT_MS)) * SLOT_MS;
    const sorted = this.#recent.slice(0, this.#filled).sort();
    this.#covered = sorted[Math.ceil(this.#filled * COVERED) - 1] ?? 0;
  }

  #endPhases(seen: number, phase: number): void {
    const passed = Math.min(this.#phases.length, phase - this.#phase);
    for (let slot = 0; slot < passed; slot++) {
      const at = (this.#phase + slot) % this.#phases.length;
      const before = this.#phases[at] ?? UNKNOWN;
      // Half of it is the last period, a quarter the one before, and so on.
      this.#phases[at] = before === UNKNOWN ? this.#phasePeak : (before + this.#phasePeak) / 2;
      this.#phasePeak = seen;
    }
    this.#phase = phase;
    this.#phasePeak = 0;
  }

  /** What earlier periods needed in the slot at this time since the beginning; 0 where nothing is known. */
  #usual(since: number): number {
    const at = Math.floor(since / this.#phaseMs) % this.#phases.length;
    return Math.max(0, Math.round(this.#phases[at] ?? 0));
  }
}
