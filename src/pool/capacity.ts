/** Something that holds connections and can give up an idle one, or has requests that wait for room. */
export interface CapacityUser {
  /** Closes one idle connection if there is one. @returns whether there was */
  giveUpIdle(): boolean;
  /** Room has come: open what waits. */
  roomFreed(): void;
}

/** The limit over all destinations together (`limits.maxConnections`, under the file-descriptor limit). */
export class Capacity {
  #used = 0;
  #max: number;
  readonly #users = new Set<CapacityUser>();
  readonly #waiting = new Set<CapacityUser>();

  constructor(max: number) {
    this.#max = max;
  }

  get used(): number {
    return this.#used;
  }

  get max(): number {
    return this.#max;
  }

  /** Whether somebody waits for a place: then an idle connection is better closed than kept. */
  get wanted(): boolean {
    return this.#waiting.size > 0;
  }

  setMax(max: number): void {
    this.#max = max;
  }

  join(user: CapacityUser): void {
    this.#users.add(user);
  }

  leave(user: CapacityUser): void {
    this.#users.delete(user);
    this.#waiting.delete(user);
  }

  /** Takes one place, closing somebody's idle connection where none is free. @returns whether it was had */
  take(user: CapacityUser): boolean {
    if (this.#used >= this.#max && !this.#makeRoom()) {
      this.#waiting.add(user);
      return false;
    }
    this.#used++;
    return true;
  }

  /** Takes one more place, whatever the limit, for a connection that stays open beyond its lease. */
  hold(): void {
    this.#used++;
  }

  /** Takes one place only where one is free: for what nobody waits for. @returns whether it was had */
  takeFree(): boolean {
    if (this.#used >= this.#max) return false;
    this.#used++;
    return true;
  }

  release(): void {
    this.#used--;
    // A set is walked in the order of joining: who waited longest is asked first, and the next where it needs it no more.
    for (const user of this.#waiting) {
      if (this.#used >= this.#max) return;
      this.#waiting.delete(user);
      user.roomFreed();
    }
  }

  #makeRoom(): boolean {
    for (const user of this.#users) if (user.giveUpIdle()) return this.#used < this.#max;
    return false;
  }
}
