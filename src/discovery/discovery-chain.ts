import { CarpoolError } from '../errors.ts';
import type { Discovery, EndpointSink, EndpointSubscription, SubscribeOptions } from './discovery.ts';

/** A source that knows at once which destinations are its own. */
export interface DiscoverySource extends Discovery {
  claims(host: string, port: number, options?: SubscribeOptions): boolean;
}

/**
 * Several sources as one: the first that claims a destination finds its endpoints. A source that has to ask first
 * whether a destination is its own (a Kubernetes Service or a name of the internet?) claims it and goes on to the
 * source behind it by itself.
 */
export class DiscoveryChain implements Discovery {
  readonly #sources: readonly DiscoverySource[];

  /** @param sources in order of precedence: static, literal, then those that ask */
  constructor(sources: readonly DiscoverySource[]) {
    this.#sources = sources;
  }

  subscribe(host: string, port: number, sink: EndpointSink, options?: SubscribeOptions): EndpointSubscription {
    const source = this.#sources.find((candidate) => candidate.claims(host, port, options));
    if (source) return source.subscribe(host, port, sink, options);
    const error = new CarpoolError('NO_ROUTE', `no source of endpoints knows ${host}:${port}`);
    sink.settled(error);
    return {
      describe: () => ({ source: 'static', state: 'failing', error: error.message, ageMs: null }),
      refresh: () => {},
      close: () => {},
    };
  }
}
