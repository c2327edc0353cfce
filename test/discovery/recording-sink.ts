import { EventEmitter, once } from 'node:events';
import type { EndpointSink, EndpointSpec } from '../../src/discovery/discovery.ts';
import type { CarpoolError } from '../../src/errors.ts';

/** A destination that writes down what discovery tells it. */
export class RecordingSink implements EndpointSink {
  /** Every call in words: `add 10.0.0.1:80`, `suspend …`, `settled`, `settled NO_ROUTE`. */
  readonly calls: string[] = [];
  /** What each endpoint is now, by id. */
  readonly endpoints = new Map<string, 'ready' | 'suspended' | 'unready' | 'terminating'>();
  readonly specs: EndpointSpec[] = [];
  readonly settlements: (CarpoolError | null)[] = [];
  readonly #events = new EventEmitter();

  add(endpoint: EndpointSpec): void {
    this.specs.push(endpoint);
    this.endpoints.set(endpoint.id, 'ready');
    this.#called(`add ${endpoint.id}`);
  }

  suspend(id: string): void {
    this.endpoints.set(id, 'suspended');
    this.#called(`suspend ${id}`);
  }

  unready(id: string): void {
    this.endpoints.set(id, 'unready');
    this.#called(`unready ${id}`);
  }

  terminating(id: string, serving: boolean): void {
    this.endpoints.set(id, 'terminating');
    this.#called(`terminating ${id}${serving ? ' serving' : ''}`);
  }

  affinity(key: string | null): void {
    this.#called(`affinity ${key}`);
  }

  remove(id: string): void {
    this.endpoints.delete(id);
    this.#called(`remove ${id}`);
  }

  settled(error: CarpoolError | null): void {
    this.settlements.push(error);
    this.#called(error ? `settled ${error.code}` : 'settled');
  }

  /** Waits until discovery has settled `times` times in all. */
  async settledTimes(times: number): Promise<void> {
    while (this.settlements.length < times) await once(this.#events, 'call');
  }

  /** The calls since the last time this was asked. */
  take(): string[] {
    return this.calls.splice(0);
  }

  #called(call: string): void {
    this.calls.push(call);
    this.#events.emit('call');
  }
}
