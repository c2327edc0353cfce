import { CarpoolError } from '../errors.ts';
import { PROXY_TOO_LATE } from './connect-error.ts';
import type { EndpointEvidence } from './evidence.ts';
import type { PoolContext } from './lease.ts';
import type { Pending } from './pending.ts';
import type { PoolCore } from './pool-core.ts';

/** What ends the wait of a request in the queue, by what it waits for. Each puts it into the queue if it is not there. */
export class Deadlines {
  readonly #pool: PoolCore;
  readonly #context: PoolContext;
  readonly #evidence: EndpointEvidence;
  readonly #orphan: (entry: Pending) => void;

  /** @param orphan takes a request's connects away from it */
  constructor(pool: PoolCore, context: PoolContext, evidence: EndpointEvidence, orphan: (entry: Pending) => void) {
    this.#pool = pool;
    this.#context = context;
    this.#evidence = evidence;
    this.#orphan = orphan;
  }

  /** It waits for a connect: `timeouts.connect`. */
  connect(entry: Pending): void {
    const { connectMs } = this.#pool.policy.timeouts;
    this.#pool.pending.add(entry, connectMs, () => {
      const [dial] = entry.dials;
      const proxied = (dial?.endpoint ?? entry.tried.at(-1))?.spec.proxied !== undefined;
      this.#orphan(entry);
      this.#evidence.unreached('CONNECT_TIMEOUT', this.#context.clock.now());
      const why = entry.failure === null ? '' : `: ${entry.failure}`;
      const message = `${this.#pool.name}: no connection within ${connectMs} ms (${entry.tries} tries)${why}`;
      entry.waiter.acquireFailed(new CarpoolError('CONNECT_TIMEOUT', message, proxied ? { hint: PROXY_TOO_LATE } : {}));
    });
  }

  /** A limit keeps it from a connection: `pool.acquireTimeout`. */
  room(entry: Pending): void {
    const { acquireTimeoutMs } = this.#pool.policy.pool;
    this.#pool.pending.add(entry, acquireTimeoutMs, () => {
      const message = `${this.#pool.name}: waited ${acquireTimeoutMs} ms for a connection: ${this.#pool.occupancy()}`;
      entry.waiter.acquireFailed(new CarpoolError('ACQUIRE_TIMEOUT', message, this.#pool.limit.advice));
    });
  }

  /** What a request hears for which there is no room in the queue: `pool.maxPending`. */
  full(): CarpoolError {
    const { name, limit } = this.#pool;
    return new CarpoolError('POOL_PENDING_FULL', `${name}: ${this.#pool.occupancy()}`, limit.advice);
  }

  /** No endpoint takes requests: `discovery.emptyWait`. */
  endpoint(entry: Pending): void {
    this.#pool.pending.add(entry, this.#context.emptyWaitMs, () =>
      entry.waiter.acquireFailed(this.#pool.noEndpoints()),
    );
  }
}
