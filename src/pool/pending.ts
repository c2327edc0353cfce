import type { Timer } from '../clock.ts';
import type { Lane } from '../connection/upstream.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { LeaseWaiter } from './lease.ts';

/** A request that waits for a connection. */
export class Pending {
  readonly waiter: LeaseWaiter;
  /** Connects under way that it waits for. */
  readonly dials = new Set<DialHandle>();
  /** Endpoints whose connect failed for it, or that earlier attempts of the exchange used. */
  readonly tried: EndpointPool[];
  tries = 0;
  /** What its last connect that failed said, or null. */
  failure: string | null = null;
  readonly since: number;
  timer: Timer | null = null;

  constructor(waiter: LeaseWaiter, tried: readonly EndpointPool[], since: number) {
    this.waiter = waiter;
    this.tried = [...tried];
    this.since = since;
  }

  /** A connect has failed for it. */
  failedAt(endpoint: EndpointPool, message: string): void {
    this.tried.push(endpoint);
    this.failure = message;
  }

  /** It waits for none of its connects any more. @returns which those were */
  leaveDials(): readonly DialHandle[] {
    const dials = [...this.dials];
    for (const handle of dials) handle.leave(this);
    return dials;
  }
}

/**
 * One connect under way and the requests that wait for it, its riders. On the way to HTTP/1.1 that is one at most; to what
 * may be HTTP/2 as many as might share the connection. Others may be served by it, and its riders by others.
 */
export class DialHandle {
  readonly endpoint: EndpointPool;
  readonly lane: Lane;
  /** Begun for a tunnel, outside of pool.maxConnections: nothing else may use it. */
  readonly tunnel: boolean;
  readonly riders = new Set<Pending>();
  /** It has ended, in whatever way. */
  over = false;
  /** It may become an HTTP/2 connection. */
  readonly http2: boolean;
  readonly #seats: number;
  /** A tunnel may take the bare connection: it is in clear, and nobody has spoken on it. */
  readonly #bare: boolean;
  /** Gives it up, and its place in the limits with it. Set by who begins it. */
  cancel: () => void = () => {};

  /** @param bare what it opens may become a tunnel too */
  constructor(endpoint: EndpointPool, lane: Lane, seats: number, tunnel: boolean, bare: boolean) {
    this.endpoint = endpoint;
    this.lane = lane;
    this.http2 = endpoint.protocol.mayShare(lane);
    this.#seats = seats;
    this.tunnel = tunnel;
    this.#bare = bare;
  }

  get full(): boolean {
    return this.over || this.riders.size >= this.#seats;
  }

  /** Whether a request may wait for what this connect opens. */
  suits({ waiter }: Pending): boolean {
    if (waiter.tunnel || this.tunnel) return waiter.tunnel && (this.tunnel || this.#bare);
    return this.endpoint.spokenFor(waiter.need) === this.lane;
  }

  board(entry: Pending): void {
    this.riders.add(entry);
    entry.dials.add(this);
    this.endpoint.riders++;
  }

  leave(entry: Pending): void {
    if (!this.riders.delete(entry)) return;
    entry.dials.delete(this);
    this.endpoint.riders--;
  }

  /** All leave. @returns who they were, in the order in which they came */
  empty(): readonly Pending[] {
    const riders = [...this.riders];
    for (const entry of riders) this.leave(entry);
    return riders;
  }
}
