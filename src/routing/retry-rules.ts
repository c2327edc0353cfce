import type { DestinationPolicy, RetryPolicy } from '../config/types.ts';
import type { UpstreamLease } from '../connection/upstream.ts';

/** What a status says about another try, as bits of `RetryRules.statuses`. */
export const STATUS_IF_IDEMPOTENT = 1;
/** The server did not act, whatever the method (429, RFC 6585 section 4). */
export const STATUS_ANY_METHOD = 2;
/** As before, but only where the answer has a Retry-After. */
export const STATUS_IF_TOLD_WHEN = 4;

/** Indexed by status, 100 to 599. */
const STATUSES = 600;
const NO_STATUS = new Uint8Array(STATUSES);

const IDEMPOTENCY_KEY = 'idempotency-key';

/**
 * The retry policy of a destination in a form that costs a request a few tests of integers. Made once for each policy.
 */
export class RetryRules {
  readonly policy: RetryPolicy;
  /** An idempotent request may have to be sent again although nobody used its connection before. */
  readonly #idempotentMay: boolean;
  /** So may a request of any method. */
  readonly #anyMay: boolean;
  /** STATUS_… bits by status; all 0 where no status is a cause of another try. */
  readonly statuses: Uint8Array;
  /** A request that has an Idempotency-Key of its own counts as idempotent. */
  readonly byKey: boolean;
  /** Tries in all after a reset; after a time-out; after a status. 1: none follows. */
  readonly #tries: { readonly reset: number; readonly timeout: number; readonly status: number };

  constructor({ retry, headers }: DestinationPolicy) {
    this.policy = retry;
    const tries = retry.attempts ?? 1;
    const triesFor = (kind: 'reset' | 'timeout' | 'status'): number => (retry.on.includes(kind) ? tries : 1);
    this.#tries = { reset: triesFor('reset'), timeout: triesFor('timeout'), status: triesFor('status') };
    this.statuses = this.#tries.status > 1 ? statusBits(retry) : NO_STATUS;
    const told = this.statuses.some((bits) => bits !== 0);
    this.#idempotentMay = retry.attempts === null || this.#tries.reset > 1 || this.#tries.timeout > 1 || told;
    this.#anyMay = this.statuses.some((bits) => (bits & ~STATUS_IF_IDEMPOTENT) !== 0);
    // A key that the policy takes away, or that it gives to all requests alike, tells the server nothing.
    const ours = headers.remove.includes(IDEMPOTENCY_KEY) || headers.set.some(({ name }) => name === IDEMPOTENCY_KEY);
    this.byKey = retry.idempotencyKey && !ours;
  }

  /** Whether a request that goes out on `lease` may have to be sent again, so that it is worth keeping; see mayRetry. */
  mayGoAgain(lease: Pick<UpstreamLease, 'refusable' | 'reused'>, unsafe: boolean): boolean {
    return lease.refusable || (unsafe ? this.#anyMay : lease.reused || this.#idempotentMay);
  }

  /** Without `attempts`: the reset of a connection costs one more try, and nothing else does. */
  get oneReset(): boolean {
    return this.policy.attempts === null;
  }

  /** Tries of a request in all, where `cause` ended the last one. */
  tries(cause: 'reset' | 'timeout' | 'status'): number {
    return this.#tries[cause];
  }
}

function statusBits({ statusCodes, unsafeStatuses }: RetryPolicy): Uint8Array {
  const bits = new Uint8Array(STATUSES);
  for (const status of statusCodes) bits[status] = STATUS_IF_IDEMPOTENT;
  for (const status of unsafeStatuses)
    bits[status] = (bits[status] ?? 0) | (status === 429 ? STATUS_ANY_METHOD : STATUS_IF_TOLD_WHEN);
  return bits;
}
