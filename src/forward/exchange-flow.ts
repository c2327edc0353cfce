import type { TimeoutPolicy } from '../config/types.ts';
import type { UpstreamLease } from '../connection/upstream.ts';
import type { Downstream } from './downstream.ts';
import { type Stall, StallWatch } from './stall-watch.ts';

/** Back-pressure of one exchange, both ways: who has been asked to wait, and so for whom the exchange waits. */
export class ExchangeFlow extends StallWatch {
  #requestPaused = false;
  #responsePaused = false;

  /** The upstream takes no more of the request for now. */
  pauseRequest(downstream: Downstream): void {
    if (this.#requestPaused) return;
    this.#requestPaused = true;
    downstream.pauseRequest();
  }

  resumeRequest(downstream: Downstream): void {
    if (!this.#requestPaused) return;
    this.#requestPaused = false;
    downstream.resumeRequest();
  }

  /** The app takes no more of the response for now. */
  pauseResponse(lease: UpstreamLease | null): void {
    if (this.#responsePaused) return;
    this.#responsePaused = true;
    lease?.pauseResponse();
  }

  resumeResponse(lease: UpstreamLease | null): void {
    if (!this.#responsePaused) return;
    this.#responsePaused = false;
    lease?.resumeResponse();
  }

  /** @param headAwaited the request is sent to its end, and no head has come @param sentAt when it was */
  stalled(now: number, headAwaited: boolean, sentAt: number, timeouts: TimeoutPolicy): Stall | null {
    if (headAwaited) return this.check(now, 'response', sentAt, timeouts);
    if (this.#responsePaused) return this.check(now, 'app', sentAt, timeouts);
    return this.check(now, this.#requestPaused ? 'upstream' : 'body', sentAt, timeouts);
  }
}
