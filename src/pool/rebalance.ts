import type { EndpointPool } from './endpoint-pool.ts';
import type { PoolCore } from './pool-core.ts';

/** Ticks over which the connections of the old endpoints move. */
const STEPS = 4;
/** Ticks at the end of them in which nothing is left to be dialled ahead, so that all that was dialled is counted. */
const LAST_STEPS = 2;
/** Connections that are opened to a new endpoint at once; the rest follows with the ticks. */
const FIRST_DIALS = 4;
/** How long the even spread is kept, though fewer connections were needed at the peak: until that peak is forgotten. */
const KEEP_MS = 30_000;

/** Connections that stand and take requests. */
const standing = (endpoint: EndpointPool): number => endpoint.open.size - endpoint.draining;

/**
 * Moves connections to new endpoints: opens their share ahead, so that no request waits for a handshake, and retires
 * idle connections of the old endpoints above theirs. Never an active one, and never so many that fewer are left than
 * the recent peak needed.
 */
export class Rebalance {
  readonly #pool: PoolCore;
  #stepsLeft = 0;
  /** Connections that may still be opened ahead: a destination with few of them and many endpoints needs none to each. */
  #dialsLeft = 0;
  /** What the peak before they came needed. */
  #needed = 0;
  #level = 0;
  #keepUntil = Number.NEGATIVE_INFINITY;

  constructor(pool: PoolCore) {
    this.#pool = pool;
  }

  /** New endpoints have come beside others. */
  begin(newcomers: readonly EndpointPool[]): void {
    const { policy, needed, rotation, endpoints, allEndpoints } = this.#pool;
    const keepsConnections = needed > 1 || allEndpoints.some((endpoint) => endpoint.open.size > 0);
    if (!policy.pool.enabled || this.#pool.closed || !keepsConnections) return;
    const { maxIdle } = policy.pool;
    this.#stepsLeft = STEPS;
    this.#needed = needed;
    this.#dialsLeft = maxIdle === 0 ? needed * 2 : Math.min(needed * 2, maxIdle);
    const share = Math.ceil(needed / Math.max(1, this.#fit().length));
    for (const endpoint of newcomers) {
      if (endpoint.state !== 'ready') continue;
      this.#open(endpoint, Math.min(share, FIRST_DIALS), share);
      // Requests come when its first connection stands, which takes no longer than one of them would have to wait.
      if (endpoint.dialing > 0) rotation.joining.add(endpoint);
    }
    rotation.update(endpoints);
  }

  /** Once a tick. */
  run(now: number): void {
    if (this.#stepsLeft === 0) return;
    const fit = this.#fit();
    // In the first tick the peaks of old and new endpoints are those of different moments.
    const peaks = this.#stepsLeft === STEPS ? 0 : fit.reduce((sum, { peak }) => sum + peak, 0);
    const needed = Math.max(this.#needed, peaks);
    const share = Math.ceil(needed / Math.max(1, fit.length));
    for (const endpoint of fit) {
      const missing = share - endpoint.counted;
      if (missing > 0) this.#open(endpoint, Math.ceil(missing / Math.max(1, this.#stepsLeft - LAST_STEPS)), share);
    }
    let spare = -needed;
    for (const endpoint of fit) spare += standing(endpoint);
    for (const endpoint of fit) {
      const above = standing(endpoint) - share;
      spare -= retireIdle(endpoint, Math.min(Math.ceil(above / this.#stepsLeft), spare));
    }
    this.#stepsLeft--;
    this.#level = fit.reduce((sum, endpoint) => sum + Math.max(share, standing(endpoint)), 0);
    this.#keepUntil = now + KEEP_MS;
  }

  /** How many connections are kept for the sake of the even spread; while they move none is surplus. */
  level(now: number): number {
    if (this.#stepsLeft > 0) return Number.POSITIVE_INFINITY;
    return now < this.#keepUntil ? this.#level : 0;
  }

  #fit(): EndpointPool[] {
    return this.#pool.endpoints.filter(
      ({ state, health, checked }) => state === 'ready' && !health.out && checked !== 'failing',
    );
  }

  #open(endpoint: EndpointPool, count: number, share: number): void {
    for (let opened = 0; opened < count && this.#dialsLeft > 0; opened++) {
      if (!this.#pool.warm(endpoint) && !(this.#makeRoom(share) && this.#pool.warm(endpoint))) return;
      this.#dialsLeft--;
    }
  }

  /** At a limit one idle connection goes for each that is opened. */
  #makeRoom(share: number): boolean {
    let most: EndpointPool | null = null;
    for (const endpoint of this.#pool.endpoints) {
      if (standing(endpoint) <= share || endpoint.idle.length === 0) continue;
      if (most === null || standing(endpoint) > standing(most)) most = endpoint;
    }
    return most !== null && retireIdle(most, 1) > 0;
  }
}

/** Retires the idle connections of an endpoint that were used least recently. @returns how many */
function retireIdle(endpoint: EndpointPool, count: number): number {
  let retired = 0;
  for (; retired < count; retired++) {
    const connection = endpoint.idle[0];
    if (connection === undefined) break;
    connection.retire('rebalance');
  }
  return retired;
}
