import type { DiscoveryState, EndpointSubscription } from '../discovery.ts';
import type { Problem } from './discovery-log.ts';

/**
 * A destination whose name may be a Service of the pod's own namespace, while that namespace is not known: it goes by DNS
 * until then.
 */
export class DeferredName implements EndpointSubscription {
  #inner: EndpointSubscription;
  readonly #why: () => Problem | null;
  readonly #closed: () => void;
  #waiting = true;

  constructor(dns: EndpointSubscription, why: () => Problem | null, closed: () => void) {
    this.#inner = dns;
    this.#why = why;
    this.#closed = closed;
  }

  /** The namespace is known. `next` tells what DNS told already, so that DNS can go without taking it back. */
  become(next: EndpointSubscription): void {
    const dns = this.#inner;
    this.#waiting = false;
    this.#inner = next;
    dns.close();
  }

  describe(): DiscoveryState {
    const state = this.#inner.describe();
    const problem = this.#waiting ? this.#why() : null;
    return problem === null ? state : { ...state, error: problem.message, hint: problem.hint };
  }

  refresh(): void {
    this.#inner.refresh();
  }

  close(): void {
    this.#waiting = false;
    this.#closed();
    this.#inner.close();
  }
}
