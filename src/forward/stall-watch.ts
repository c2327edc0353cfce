import type { TimeoutPolicy } from '../config/types.ts';

/** Who an exchange waits for, as far as time-outs are concerned. */
export type WaitsFor = 'response' | 'app' | 'upstream' | 'body';

/** What has taken too long. */
export type Stall = { readonly code: 'RESPONSE_TIMEOUT' | 'BODY_TIMEOUT'; readonly message: string };

const WORDS = {
  app: 'the app read nothing',
  upstream: 'the upstream read nothing',
  body: 'the body stood still',
} as const;

/**
 * Notices that an exchange stands still, at the ticks: whether bytes moved since the last one is told by a counter, so
 * that a byte costs an addition and no look at the clock.
 */
export class StallWatch {
  /** Counts events of either direction. */
  activity = 0;
  /** Silences are normal here (`timeouts.streamIdle`). */
  streaming: boolean;
  #seen = 0;
  #quietSince = 0;

  constructor(streaming: boolean) {
    this.streaming = streaming;
  }

  /** Something other than bytes happened: the quiet time begins anew. */
  restart(now: number): void {
    this.#quietSince = now;
  }

  /** @param sentAt when the request was sent to its end */
  check(now: number, waitsFor: WaitsFor, sentAt: number, timeouts: TimeoutPolicy): Stall | null {
    if (this.activity !== this.#seen || this.#quietSince === 0) this.#quietSince = now;
    this.#seen = this.activity;
    if (waitsFor === 'response') {
      const limit = this.streaming ? timeouts.streamIdleMs : timeouts.responseMs;
      if (now - sentAt < limit) return null;
      return { code: 'RESPONSE_TIMEOUT', message: `no response head within ${limit} ms` };
    }
    const idleLimit = waitsFor === 'body' ? timeouts.bodyIdleMs : timeouts.writeMs;
    const limit = this.streaming ? timeouts.streamIdleMs : idleLimit;
    if (now - this.#quietSince < limit) return null;
    return { code: 'BODY_TIMEOUT', message: `${WORDS[waitsFor]} for ${limit} ms` };
  }
}
