import type {
  Discovery,
  DiscoveryState,
  EndpointSink,
  EndpointSpec,
  EndpointSubscription,
  Proxied,
  SubscribeOptions,
} from '../discovery/discovery.ts';
import type { DiscoverySource } from '../discovery/discovery-chain.ts';
import { addressPort, isIpLiteral, isOddAddress } from '../discovery/ip-address.ts';
import { LiteralDiscovery } from '../discovery/static-discovery.ts';
import { CarpoolError } from '../errors.ts';
import type { NoProxy } from './no-proxy.ts';
import type { ParentProxy } from './parent-proxy.ts';

/** Passes on what is told of the proxy's own name: each of its addresses is an endpoint by which the destination is reached. */
class ProxySink implements EndpointSink {
  readonly #proxied: Proxied;
  readonly #sink: EndpointSink;

  constructor(proxied: Proxied, sink: EndpointSink) {
    this.#proxied = proxied;
    this.#sink = sink;
  }

  add({ id, address, port, otherAddress }: EndpointSpec): void {
    const other = otherAddress === undefined ? {} : { otherAddress };
    // The proxy is allowed by being written; what it is asked for is looked at by who takes the endpoint.
    this.#sink.add({ id, address, port, ...other, written: true, proxied: this.#proxied });
  }

  suspend(id: string): void {
    this.#sink.suspend(id);
  }

  unready(id: string): void {
    this.#sink.unready(id);
  }

  terminating(id: string, serving: boolean): void {
    this.#sink.terminating(id, serving);
  }

  remove(id: string): void {
    this.#sink.remove(id);
  }

  affinity(key: string | null): void {
    this.#sink.affinity(key);
  }

  settled(error: CarpoolError | null): void {
    if (error === null) this.#sink.settled(null);
    else
      this.#sink.settled(
        new CarpoolError(error.code, `the parent proxy ${this.#proxied.proxy.url} is not found: ${error.message}`, {
          cause: error,
          hint: 'Check the name in egress.parentProxy.url, and the nameservers of /etc/resolv.conf.',
        }),
      );
  }
}

/**
 * Destinations outside, which are reached by the parent proxy: it takes the place of DNS for their names, and finds its own name there. Names
 * without a dot, `localhost` and what `noProxy` covers are not its own.
 */
export class ParentProxySource implements DiscoverySource {
  readonly #proxy: ParentProxy;
  readonly #noProxy: NoProxy;
  readonly #dns: Discovery;
  readonly #inCluster: (host: string) => boolean;

  /**
   * @param dns finds the proxy by its name
   * @param inCluster whether a name can only be that of a Service
   */
  constructor(proxy: ParentProxy, noProxy: NoProxy, dns: Discovery, inCluster: (host: string) => boolean) {
    this.#proxy = proxy;
    this.#noProxy = noProxy;
    this.#dns = dns;
    this.#inCluster = inCluster;
  }

  claims(host: string, port: number): boolean {
    const name = host.replace(/\.$/, '');
    if (!name.includes('.') && !isIpLiteral(name)) return false;
    return !name.endsWith('.localhost') && !this.#noProxy.covers(name, port) && !this.#inCluster(host);
  }

  /** The same for addresses alone, which are looked at before names are. */
  get addresses(): DiscoverySource {
    return {
      claims: (host, port) => isIpLiteral(host) && this.claims(host, port),
      subscribe: (host, port, sink, options) => this.subscribe(host, port, sink, options),
    };
  }

  subscribe(host: string, port: number, sink: EndpointSink, options?: SubscribeOptions): EndpointSubscription {
    const name = host.replace(/\.$/, '');
    if (isOddAddress(name)) return refused(host, port, sink);
    const proxied: Proxied = { host: name, port, proxy: this.#proxy };
    const source = this.#proxy.literal ? new LiteralDiscovery() : this.#dns;
    const { vanished = null } = options ?? {};
    const inner = source.subscribe(this.#proxy.host, this.#proxy.port, new ProxySink(proxied, sink), { vanished });
    return {
      describe: (): DiscoveryState => ({ ...inner.describe(), source: 'parent_proxy' }),
      refresh: () => inner.refresh(),
      close: () => inner.close(),
    };
  }
}

/** `127.1` and the like: what checks here take for a name, and the proxy may take for an address. */
function refused(host: string, port: number, sink: EndpointSink): EndpointSubscription {
  const error = new CarpoolError(
    'DESTINATION_DENIED',
    `${addressPort(host, port)} is not an IP address in its plain form`,
    {
      hint: 'Write IPv4 addresses as four decimal numbers without leading zeros, IPv6 addresses as in RFC 4291.',
    },
  );
  sink.settled(error);
  return {
    describe: () => ({ source: 'parent_proxy', state: 'failing', error: error.message, ageMs: null }),
    refresh: () => {},
    close: () => {},
  };
}
