import type { EndpointSink, EndpointSubscription, SubscribeOptions } from './discovery.ts';
import type { DiscoverySource } from './discovery-chain.ts';
import { addressPort, isIpLiteral } from './ip-address.ts';

/** A subscription to what never changes. */
function fixed(source: 'static' | 'literal'): EndpointSubscription {
  return {
    describe: () => ({ source, state: 'ready', error: null, ageMs: 0 }),
    refresh: () => {},
    close: () => {},
  };
}

/** Destinations whose endpoints the configuration names. */
export class StaticDiscovery implements DiscoverySource {
  claims(_host: string, _port: number, options?: SubscribeOptions): boolean {
    return (options?.endpoints ?? null) !== null;
  }

  subscribe(_host: string, _port: number, sink: EndpointSink, options?: SubscribeOptions): EndpointSubscription {
    for (const { address, port } of options?.endpoints ?? [])
      sink.add({ id: addressPort(address, port), address, port });
    sink.settled(null);
    return fixed('static');
  }
}

/** Destinations that are named by an address: it is the one endpoint. */
export class LiteralDiscovery implements DiscoverySource {
  claims(host: string): boolean {
    return isIpLiteral(host);
  }

  subscribe(host: string, port: number, sink: EndpointSink): EndpointSubscription {
    sink.add({ id: addressPort(host, port), address: host, port });
    sink.settled(null);
    return fixed('literal');
  }
}
