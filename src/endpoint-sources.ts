import { hostname, networkInterfaces } from 'node:os';
import type { KubernetesStats } from './admin/inspector.ts';
import type { Clock, Timer } from './clock.ts';
import type { Config, KubernetesSettings } from './config/types.ts';
import { type AddressRange, parseAddressRange } from './discovery/address-range.ts';
import type { Discovery } from './discovery/discovery.ts';
import { DiscoveryChain } from './discovery/discovery-chain.ts';
import { DnsDiscovery } from './discovery/dns-discovery.ts';
import { DnsStub } from './discovery/dns-stub.ts';
import { parseIp } from './discovery/ip-address.ts';
import { type Credentials, wantedCredentials } from './discovery/kubernetes/credentials.ts';
import type { DiscoveryLog, Problem } from './discovery/kubernetes/discovery-log.ts';
import { ApiError } from './discovery/kubernetes/kube-api.ts';
import { type FollowedService, KubernetesDiscovery } from './discovery/kubernetes/kubernetes-discovery.ts';
import { LiteralDiscovery, StaticDiscovery } from './discovery/static-discovery.ts';
import { NoProxy } from './egress/no-proxy.ts';
import { ParentProxy } from './egress/parent-proxy.ts';
import { ParentProxySource } from './egress/parent-proxy-source.ts';
import { DiscoveryObserver, type EventSink } from './observer.ts';

/** Loading the API client takes some 60 ms of the event loop: not at the start, when the app waits for it. */
const PREPARE_AFTER_MS = 1000;

export type EndpointSourcesOptions = {
  readonly clock: Clock;
  readonly log: DiscoveryLog;
  readonly events: EventSink;
  /** The process' variables: where the API server is. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For the User-Agent that the API server sees. */
  readonly version: string;
};

/** Builds what finds endpoints, in the order in which it is asked: static, literal, Kubernetes, the parent proxy, DNS. */
export class EndpointSources {
  readonly discovery: Discovery;
  readonly observer = new DiscoveryObserver();
  readonly #dns: DnsDiscovery;
  readonly #kubernetes: KubernetesDiscovery | null;
  readonly #clock: Clock;
  #preparing: Timer | null = null;
  #allowed: readonly AddressRange[];

  constructor(config: Config, options: EndpointSourcesOptions) {
    this.#clock = options.clock;
    const { dns } = config.discovery;
    this.#allowed = config.security.allowAddresses.map(parseAddressRange);
    const lookup = new DnsStub({ hostsFile: dns.hostsFile, resolvConf: dns.resolvConf, clock: options.clock });
    this.#dns = new DnsDiscovery({
      lookup,
      clock: options.clock,
      timing: dns,
      maxNames: config.limits.destinations,
    });
    const parent = this.#openParentProxy(config, options);
    const outside = parent === null ? [this.#dns] : [parent, this.#dns];
    this.#kubernetes = this.#openKubernetes(config, options, () => lookup.clusterDomain, new DiscoveryChain(outside));
    this.discovery = new DiscoveryChain([
      new StaticDiscovery(),
      ...(parent === null ? [] : [parent.addresses]),
      new LiteralDiscovery(),
      ...(this.#kubernetes === null ? [] : [this.#kubernetes]),
      ...outside,
    ]);
  }

  /** What reaches the outside by a parent proxy, or null: there is none. */
  #openParentProxy(config: Config, { clock, events }: EndpointSourcesOptions): ParentProxySource | null {
    const { parentProxy } = config.egress;
    if (parentProxy.url === null) return null;
    const proxy = new ParentProxy(parentProxy.url, parentProxy, config.defaults.tls, clock, events);
    const inCluster = (host: string): boolean => this.#kubernetes?.certain(host) ?? false;
    return new ParentProxySource(proxy, new NoProxy(parentProxy.noProxy), this.#dns, inCluster);
  }

  #openKubernetes(
    config: Config,
    { clock, log, env, version }: EndpointSourcesOptions,
    clusterDomain: () => string,
    outside: Discovery,
  ): KubernetesDiscovery | null {
    const settings = config.discovery.kubernetes;
    const credentials = wantedCredentials(settings, { env, clock });
    if (credentials === 'absent')
      log.info(`Kubernetes discovery is off: no service account token in ${settings.tokenDir}; names are found by DNS`);
    if (credentials === 'absent' || credentials === 'off') return null;
    return new KubernetesDiscovery({
      settings,
      identity: () => identity(settings, credentials),
      clusterDomain,
      dns: outside,
      patient: config.egress.parentProxy.url !== null,
      openApi: async () => {
        const { ApiClient } = await import('./discovery/kubernetes/api-client.ts');
        return new ApiClient({
          credentials,
          clock,
          userAgent: `carpool/${version}`,
          observe: (verb, outcome) => this.observer.request(verb, outcome),
        });
      },
      clock,
      random: Math.random,
      log,
      observer: this.observer,
      preferFamily: ownFamily(settings.podAddress),
      allow: () => this.#allowed,
      affinityKey: settings.podAddress ?? hostname(),
    });
  }

  /** After the start: loads what the first name would have to wait for, a moment later. Nothing is sent. */
  prepare(): void {
    this.#preparing = this.#clock.setTimer(() => void this.#kubernetes?.prepare(), PREPARE_AFTER_MS);
  }

  /** Takes what a reload may change. */
  reconfigure(config: Config): void {
    this.#dns.setTiming(config.discovery.dns);
    this.#allowed = config.security.allowAddresses.map(parseAddressRange);
  }

  /** As `KubernetesDiscovery.follow`; null also where Kubernetes discovery is off. */
  followService(host: string, changed: () => void): FollowedService | null {
    return this.#kubernetes?.follow(host, changed) ?? null;
  }

  /** Asks again for what was refused, absent or without an answer: rights may have been granted. */
  askAgain(): void {
    this.#kubernetes?.askAgain();
  }

  stats(): KubernetesStats | null {
    if (this.#kubernetes === null) return null;
    const { connected, watches, problems } = this.#kubernetes;
    return { connected, watches, problems: problems.map(({ message, hint }) => ({ message, hint })) };
  }

  close(): void {
    this.#preparing?.cancel();
    this.#kubernetes?.close();
    this.#dns.close();
  }
}

/** The family of the pod's own address: the one whose endpoints are dialled first. */
function ownFamily(podAddress: string | null): 4 | 6 {
  const own = podAddress === null ? null : parseIp(podAddress);
  if (own !== null) return own.family;
  const outside = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter(({ internal }) => !internal),
  );
  const linkLocal = /^fe80:/i;
  const usable = outside.filter(({ address }) => !linkLocal.test(address));
  return usable.some(({ family }) => family === 'IPv4') || usable.length === 0 ? 4 : 6;
}

/** The pod's own namespace as far as it is known, and what is wrong with the credentials. */
function identity(
  settings: KubernetesSettings,
  credentials: Credentials,
): { namespace: string | null; problem: Problem | null } {
  const namespace = settings.namespace ?? credentials.namespace;
  try {
    credentials.read(true);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { namespace, problem: { message: error.message, hint: error.hint } };
  }
  if (namespace !== null) return { namespace, problem: null };
  const problem = {
    message: `the pod’s own namespace is not known: there is no ${settings.tokenDir}/namespace`,
    hint: 'Add it to the projected volume, set POD_NAMESPACE by the downward API, or discovery.kubernetes.namespace. Until then only names that end in .svc or the cluster domain are looked for.',
  };
  return { namespace: null, problem };
}
