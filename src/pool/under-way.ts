import type { TunnelPlace } from './tunnel-place.ts';

/** What is under way at several endpoints together. */
export type Tally = { total: number };

/** What is under way at one endpoint: exchanges, connects with the requests that wait for them, tunnels. */
export class UnderWay {
  /** A sum in which it is kept up to date, for a balancer that asks for it with each request (`sticky`), or null: nobody does. */
  tally: Tally | null = null;
  /** Tunnels through this endpoint, which are no part of the pool. */
  readonly tunnels = new Set<TunnelPlace>();
  #exchanges = 0;
  #dialing = 0;
  #riders = 0;

  /** Exchanges under way: leases that have not ended. */
  get exchanges(): number {
    return this.#exchanges;
  }

  set exchanges(count: number) {
    if (this.tally !== null) this.tally.total += count - this.#exchanges;
    this.#exchanges = count;
  }

  /** Connects under way. */
  get dialing(): number {
    return this.#dialing;
  }

  set dialing(count: number) {
    if (this.tally !== null) this.tally.total += Math.max(count, this.#riders) - Math.max(this.#dialing, this.#riders);
    this.#dialing = count;
  }

  /** Requests that wait for connects. */
  get riders(): number {
    return this.#riders;
  }

  set riders(count: number) {
    if (this.tally !== null) this.tally.total += Math.max(this.#dialing, count) - Math.max(this.#dialing, this.#riders);
    this.#riders = count;
  }

  tunnelOpened(place: TunnelPlace): void {
    this.tunnels.add(place);
    if (this.tally !== null) this.tally.total++;
  }

  tunnelClosed(place: TunnelPlace): void {
    if (this.tunnels.delete(place) && this.tally !== null) this.tally.total--;
  }

  /** What balancers compare: exchanges under way, and those that wait for a connect here. */
  get outstanding(): number {
    return this.#exchanges + Math.max(this.#dialing, this.#riders) + this.tunnels.size;
  }
}
