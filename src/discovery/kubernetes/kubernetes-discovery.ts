import type { Clock, Timer } from '../../clock.ts';
import type { KubernetesSettings } from '../../config/types.ts';
import type { DiscoveryObserver } from '../../observer.ts';
import type { AddressRange } from '../address-range.ts';
import type { Discovery, EndpointSink, EndpointSubscription, SubscribeOptions } from '../discovery.ts';
import type { DiscoverySource } from '../discovery-chain.ts';
import { DeferredName } from './deferred-name.ts';
import { type DiscoveryLog, type Problem, ProblemLog } from './discovery-log.ts';
import type { KubeApi } from './kube-api.ts';
import { NamespaceWatch } from './namespace-watch.ts';
import type { SliceFacts } from './objects.ts';
import { zoneOfNode } from './select-endpoints.ts';
import { mayBeOwnService, parseServiceName, type ServiceCandidate, type ServiceNames } from './service-name.ts';
import type { ServiceRecord } from './service-record.ts';
import { ServiceRecords } from './service-records.ts';
import {
  type Locality,
  ServiceSubscription,
  type SliceSource,
  type SubscriptionContext,
} from './service-subscription.ts';

export type KubernetesDiscoveryOptions = {
  readonly settings: KubernetesSettings;
  /** The pod's own namespace, or null: not known yet; and what is wrong with the credentials. Files are read anew. */
  readonly identity: () => { readonly namespace: string | null; readonly problem: Problem | null };
  /** What follows `svc.` in the names of Services. */
  readonly clusterDomain: () => string;
  /** For names that are no Service, and for all while the API server does not tell. */
  readonly dns: Discovery;
  /** `dns` may lead outside by a proxy, from where no Service is reached: no name goes there before the API server had its time. */
  readonly patient?: boolean;
  /** Makes the client, once, when the first name is used: it is not small. */
  readonly openApi: () => Promise<KubeApi>;
  readonly clock: Clock;
  /** 0 to 1, for jitter. */
  readonly random: () => number;
  readonly log: DiscoveryLog;
  readonly observer: DiscoveryObserver;
  readonly preferFamily: 4 | 6;
  /** Addresses that may be dialled although no pod has such (loopback, in tests and demos). */
  readonly allow: () => readonly AddressRange[];
  /** Stands for the pod where a Service has session affinity. */
  readonly affinityKey: string;
};

/** The slices of a Service, for who counts its endpoints. */
export interface FollowedService {
  /** null: not known yet. What was known stays over an outage. */
  slices(): readonly SliceFacts[] | null;
  /** Why there is no news at the moment, or null. */
  problem(): Problem | null;
  close(): void;
}

/** How often what is wrong with the credentials is looked at again. */
const IDENTIFY_MS = 10_000;
/** What concerns the credentials, in the log of problems. */
const CREDENTIALS = 'credentials';
/** Namespaces that are remembered; when there are more, those go that nobody uses at the moment. */
const MAX_NAMESPACES = 64;

/**
 * Finds endpoints of Services through the API server: a Service by GET when its name is used first, its EndpointSlices by
 * the one watch of its namespace. Nothing is asked before a name is used. What is no Service, and what the API server
 * does not tell in time, goes by DNS.
 */
export class KubernetesDiscovery implements DiscoverySource {
  readonly #options: KubernetesDiscoveryOptions;
  readonly #problems: ProblemLog;
  readonly #context: SubscriptionContext;
  readonly #records: ServiceRecords;
  /** By `namespace/name`. */
  readonly #subscriptions = new Map<string, Set<ServiceSubscription>>();
  readonly #followers = new Map<string, Set<() => void>>();
  readonly #watches = new Map<string, NamespaceWatch>();
  #api: Promise<KubeApi> | null = null;
  #opened: KubeApi | null = null;
  #closed = false;
  #namespace: string | null = null;
  #identifying: Timer | null = null;
  /** Destinations that wait for the namespace to be known, and how they become Services. */
  readonly #deferred = new Map<DeferredName, () => void>();

  constructor(options: KubernetesDiscoveryOptions) {
    this.#options = options;
    this.#problems = new ProblemLog(options.log);
    this.#records = new ServiceRecords({
      api: () => this.#openApi(),
      clock: options.clock,
      random: options.random,
      problems: this.#problems,
      changed: (record) => this.#serviceChanged(record),
    });
    this.#context = {
      dns: options.dns,
      clock: options.clock,
      problems: this.#problems,
      firstLookupMs: options.settings.firstLookupMs,
      patient: options.patient ?? false,
      preferFamily: options.preferFamily,
      affinityKey: options.affinityKey,
      locality: (source) => this.#locality(source),
    };
    this.#identify();
  }

  /** Whether a name can only be that of a Service: by the cluster domain, or by a namespace that is known. */
  certain(host: string): boolean {
    return this.#candidate(host)?.certain === true;
  }

  claims(host: string): boolean {
    return this.#candidate(host) !== null || (this.#namespace === null && mayBeOwnService(host, this.#names()));
  }

  subscribe(host: string, port: number, sink: EndpointSink, options: SubscribeOptions = {}): EndpointSubscription {
    const candidate = this.#candidate(host);
    if (candidate !== null) return this.#subscribe(candidate, host, port, sink, options, false);
    const dns = this.#options.dns.subscribe(host, port, sink, options);
    if (this.#namespace !== null || !mayBeOwnService(host, this.#names())) return dns;
    const why = () => this.#problems.get(CREDENTIALS);
    const deferred = new DeferredName(dns, why, () => this.#deferred.delete(deferred));
    this.#deferred.set(deferred, () => {
      const known = this.#candidate(host);
      if (known !== null) deferred.become(this.#subscribe(known, host, port, sink, options, true));
    });
    return deferred;
  }

  /** @param dnsFirst DNS serves it at the moment, so that it has to begin there */
  #subscribe(
    candidate: ServiceCandidate,
    host: string,
    port: number,
    sink: EndpointSink,
    options: SubscribeOptions,
    dnsFirst: boolean,
  ): EndpointSubscription {
    const { namespace, service } = candidate;
    const key = `${namespace}/${service}`;
    const record = this.#records.open(namespace, service);
    record.users++;
    const source = this.#watch(namespace);
    source.users++;
    const subscription = new ServiceSubscription(
      { host, port, candidate, record, source },
      sink,
      options,
      this.#context,
      () => {
        source.users--;
        this.#unsubscribed(key, record, subscription);
      },
    );
    const all = this.#subscriptions.get(key) ?? new Set();
    all.add(subscription);
    this.#subscriptions.set(key, all);
    subscription.start(dnsFirst);
    return subscription;
  }

  /**
   * Follows the slices of a Service as they are, whatever the state, port, zone or node of the endpoints: for who counts
   * them. The Service itself is not asked for.
   * @param changed called when they are others, or known for the first time
   * @returns null: the name is no Service's, as far as is known now
   */
  follow(host: string, changed: () => void): FollowedService | null {
    const candidate = this.#candidate(host);
    if (candidate === null || this.#closed) return null;
    const { namespace, service } = candidate;
    const key = `${namespace}/${service}`;
    const source = this.#watch(namespace);
    source.users++;
    const all = this.#followers.get(key) ?? new Set();
    all.add(changed);
    this.#followers.set(key, all);
    source.want(service);
    return {
      slices: () => source.slices(service),
      problem: () => this.#problems.get(CREDENTIALS) ?? source.error,
      close: () => {
        if (!all.delete(changed)) return;
        if (all.size === 0) this.#followers.delete(key);
        source.unwant(service);
        source.users--;
      },
    };
  }

  /** Looks who this is, again and again until nothing is wrong. */
  #identify(): void {
    const { identity, clock } = this.#options;
    const { namespace, problem } = identity();
    this.#identifying = null;
    if (problem === null) {
      const mended = this.#problems.get(CREDENTIALS) !== null;
      this.#problems.clear(CREDENTIALS);
      if (mended) this.#records.askFailed();
    } else this.#problems.set(CREDENTIALS, problem);
    this.#namespace ??= namespace;
    if (this.#namespace !== null) {
      const waiting = [...this.#deferred.values()];
      this.#deferred.clear();
      for (const become of waiting) become();
    }
    if (problem === null && this.#namespace !== null) return;
    this.#identifying = clock.setTimer(() => this.#identify(), IDENTIFY_MS);
  }

  /** Loads the client, so that the first name does not pay for it. Nothing is sent. */
  async prepare(): Promise<void> {
    try {
      await this.#openApi();
    } catch {
      // Whoever uses it first is told.
    }
  }

  /** Forgets what was remembered as absent or refused: rights may have been granted. */
  askAgain(): void {
    if (this.#identifying !== null) {
      this.#identifying.cancel();
      this.#identify();
    }
    this.#records.askFailed();
    this.#records.askAbsent();
    for (const watch of this.#watches.values()) watch.retryNow();
  }

  /** Whether every watch that is wanted stands; null: none is wanted, so nothing is known. */
  get connected(): boolean | null {
    if (this.#problems.get(CREDENTIALS) !== null) return false;
    let wanted = false;
    for (const watch of this.#watches.values()) {
      if (!watch.active) continue;
      if (!watch.connected) return false;
      wanted = true;
    }
    if (this.#records.failed) return false;
    return wanted ? true : null;
  }

  /** Namespaces that are remembered. */
  get namespaces(): number {
    return this.#watches.size;
  }

  /** What is wrong at the moment. */
  get problems(): readonly Problem[] {
    return this.#problems.all;
  }

  /** Watches that are open or being opened. */
  get watches(): number {
    let count = 0;
    for (const watch of this.#watches.values()) if (watch.active) count++;
    return count;
  }

  close(): void {
    this.#closed = true;
    this.#identifying?.cancel();
    this.#deferred.clear();
    for (const all of [...this.#subscriptions.values()]) for (const subscription of [...all]) subscription.close();
    for (const watch of this.#watches.values()) watch.close();
    this.#records.close();
    this.#opened?.close();
  }

  #candidate(host: string): ServiceCandidate | null {
    return parseServiceName(host, this.#names());
  }

  #names(): ServiceNames {
    const { settings, clusterDomain } = this.#options;
    return { ownNamespace: this.#namespace, namespaces: settings.namespaces, clusterDomain: clusterDomain() };
  }

  #openApi(): Promise<KubeApi> {
    this.#api ??= this.#options.openApi().then(
      (api) => {
        if (this.#closed) api.close();
        this.#opened = api;
        return api;
      },
      (error: unknown) => {
        this.#api = null;
        throw error;
      },
    );
    return this.#api;
  }

  #watch(namespace: string): NamespaceWatch {
    const known = this.#watches.get(namespace);
    if (known !== undefined) return known;
    this.#forgetNamespaces();
    const { clock, random, observer, allow } = this.#options;
    const watch = new NamespaceWatch({
      namespace,
      api: () => this.#openApi(),
      clock,
      random,
      problems: this.#problems,
      allow,
      onChange: (service, readAt) => this.#slicesChanged(namespace, service, readAt),
      onState: () => this.#watchChanged(namespace),
      onEvent: (type) => observer.event(type),
    });
    this.#watches.set(namespace, watch);
    return watch;
  }

  #forgetNamespaces(): void {
    if (this.#watches.size < MAX_NAMESPACES) return;
    for (const [namespace, watch] of this.#watches) {
      if (watch.users > 0) continue;
      watch.close();
      this.#watches.delete(namespace);
    }
  }

  #locality(source: SliceSource): Locality {
    const { node, zone } = this.#options.settings;
    if (zone !== null || node === null) return { nodeName: node, zone };
    return {
      nodeName: node,
      // A look at all slices of the namespace, for the few Services that have hints.
      get zone() {
        return zoneOfNode(source.allSlices(), node);
      },
    };
  }

  #serviceChanged(record: ServiceRecord): void {
    const { namespace, name, error } = record;
    // That has a line of its own, and is looked at again until it is mended.
    if (error?.kind !== 'no_credentials') this.#records.report(record);
    else if (this.#identifying === null) this.#identify();
    this.#update(`${namespace}/${name}`, namespace);
  }

  /** Has the Service's subscriptions decide anew. @returns whether an endpoint has left the rotation of one */
  #update(key: string, namespace: string): boolean {
    let left = false;
    for (const subscription of [...(this.#subscriptions.get(key) ?? [])]) {
      try {
        if (subscription.update()) left = true;
      } catch (cause) {
        // A destination's fault is not to keep the others from being told.
        this.#problems.fault(namespace, cause);
      }
    }
    return left;
  }

  #slicesChanged(namespace: string, service: string, readAt: number | null): void {
    const key = `${namespace}/${service}`;
    const left = this.#update(key, namespace);
    if (left && readAt !== null) this.#options.observer.propagation.observe(this.#options.clock.now() - readAt);
    for (const changed of [...(this.#followers.get(key) ?? [])]) changed();
    // The last slice of a Service goes with it, and the first comes with it; an ExternalName has none.
    const record = this.#records.get(key);
    if (record === undefined) return;
    const { answer } = record;
    const count = this.#watches.get(namespace)?.slices(service)?.length ?? 0;
    const withPods = answer.kind === 'found' && answer.facts.externalName === null;
    if (withPods ? count === 0 : count > 0) record.outdated();
  }

  /** A watch broke for good, or stands again: who waits for it, or goes by DNS because of it, has to decide anew. */
  #watchChanged(namespace: string): void {
    for (const key of [...this.#subscriptions.keys()])
      if (key.startsWith(`${namespace}/`)) this.#update(key, namespace);
  }

  #unsubscribed(key: string, record: ServiceRecord, subscription: ServiceSubscription): void {
    record.users--;
    const all = this.#subscriptions.get(key);
    all?.delete(subscription);
    if (all?.size === 0) this.#subscriptions.delete(key);
    // A Service is asked for anew when it is used again; that a name is none is remembered.
    if (record.users === 0 && record.answer.kind === 'found') this.#records.forget(record);
  }
}
