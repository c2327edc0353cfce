import type { Clock } from '../../clock.ts';
import type { KubernetesSettings } from '../../config/types.ts';
import type { DiscoveryObserver } from '../../observer.ts';
import type { AddressRange } from '../address-range.ts';
import type { Discovery, EndpointSink, EndpointSubscription, SubscribeOptions } from '../discovery.ts';
import type { DiscoverySource } from '../discovery-chain.ts';
import { LookupQueue } from '../lookup-queue.ts';
import { type DiscoveryLog, type Problem, ProblemLog } from './discovery-log.ts';
import type { ApiError, KubeApi } from './kube-api.ts';
import { NamespaceWatch } from './namespace-watch.ts';
import { zoneOfNode } from './select-endpoints.ts';
import { parseServiceName, type ServiceCandidate } from './service-name.ts';
import { ServiceRecord } from './service-record.ts';
import {
  type Locality,
  ServiceSubscription,
  type SliceSource,
  type SubscriptionContext,
} from './service-subscription.ts';

export type KubernetesDiscoveryOptions = {
  readonly settings: KubernetesSettings;
  /** The pod's own namespace. */
  readonly namespace: string;
  /** What follows `svc.` in the names of Services. */
  readonly clusterDomain: () => string;
  /** For names that are no Service, and for all while the API server does not tell. */
  readonly dns: Discovery;
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

/** GETs of Services at a time. */
const MAX_LOOKUPS = 8;
/** Answers about names that nobody uses at the moment; the oldest goes first. */
const MAX_REMEMBERED = 1024;

/**
 * Finds endpoints of Services through the API server: a Service by GET when its name is used first, its EndpointSlices by
 * the one watch of its namespace. Nothing is asked before a name is used. What is no Service, and what the API server
 * does not tell in time, goes by DNS.
 */
export class KubernetesDiscovery implements DiscoverySource {
  readonly #options: KubernetesDiscoveryOptions;
  readonly #problems: ProblemLog;
  readonly #queue = new LookupQueue(MAX_LOOKUPS);
  readonly #context: SubscriptionContext;
  /** By `namespace/name`. */
  readonly #records = new Map<string, ServiceRecord>();
  readonly #subscriptions = new Map<string, Set<ServiceSubscription>>();
  readonly #watches = new Map<string, NamespaceWatch>();
  #api: Promise<KubeApi> | null = null;
  #opened: KubeApi | null = null;
  #closed = false;

  constructor(options: KubernetesDiscoveryOptions) {
    this.#options = options;
    this.#problems = new ProblemLog(options.log);
    this.#context = {
      dns: options.dns,
      clock: options.clock,
      problems: this.#problems,
      firstLookupMs: options.settings.firstLookupMs,
      preferFamily: options.preferFamily,
      affinityKey: options.affinityKey,
      locality: (source) => this.#locality(source),
    };
  }

  claims(host: string): boolean {
    return this.#candidate(host) !== null;
  }

  subscribe(host: string, port: number, sink: EndpointSink, options: SubscribeOptions = {}): EndpointSubscription {
    const candidate = this.#candidate(host);
    if (candidate === null) return this.#options.dns.subscribe(host, port, sink, options);
    const { namespace, service } = candidate;
    const key = `${namespace}/${service}`;
    const record = this.#record(namespace, service);
    record.users++;
    const source = this.#watch(namespace);
    const subscription = new ServiceSubscription(
      { host, port, candidate, record, source },
      sink,
      options,
      this.#context,
      () => this.#unsubscribed(key, record, subscription),
    );
    const all = this.#subscriptions.get(key) ?? new Set();
    all.add(subscription);
    this.#subscriptions.set(key, all);
    subscription.start();
    return subscription;
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
    for (const record of this.#records.values()) {
      const { kind } = record.answer;
      if (kind === 'absent' || kind === 'refused' || kind === 'failed') record.outdated();
    }
    for (const watch of this.#watches.values()) watch.retryNow();
  }

  /** Whether every watch that is wanted stands; null: none is wanted, so nothing is known. */
  get connected(): boolean | null {
    let wanted = false;
    for (const watch of this.#watches.values()) {
      if (!watch.active) continue;
      if (!watch.connected) return false;
      wanted = true;
    }
    if ([...this.#records.values()].some(({ answer }) => answer.kind === 'failed')) return false;
    return wanted ? true : null;
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
    for (const all of [...this.#subscriptions.values()]) for (const subscription of [...all]) subscription.close();
    for (const watch of this.#watches.values()) watch.close();
    for (const record of this.#records.values()) record.close();
    this.#records.clear();
    this.#opened?.close();
  }

  #candidate(host: string): ServiceCandidate | null {
    const { namespace, settings, clusterDomain } = this.#options;
    return parseServiceName(host, {
      ownNamespace: namespace,
      namespaces: settings.namespaces,
      clusterDomain: clusterDomain(),
    });
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

  #record(namespace: string, service: string): ServiceRecord {
    const key = `${namespace}/${service}`;
    const known = this.#records.get(key);
    if (known !== undefined) return known;
    this.#forgetOldest();
    const record = new ServiceRecord(namespace, service, {
      api: () => this.#openApi(),
      queue: this.#queue,
      clock: this.#options.clock,
      random: this.#options.random,
      changed: () => this.#serviceChanged(key, record),
      expired: () => this.#records.delete(key),
    });
    this.#records.set(key, record);
    return record;
  }

  /** Names that an app makes up must not gather here. */
  #forgetOldest(): void {
    if (this.#records.size < MAX_REMEMBERED) return;
    for (const [key, record] of this.#records) {
      if (record.users > 0) continue;
      record.close();
      this.#records.delete(key);
      return;
    }
  }

  #watch(namespace: string): NamespaceWatch {
    const known = this.#watches.get(namespace);
    if (known !== undefined) return known;
    const { clock, random, observer, allow } = this.#options;
    const watch = new NamespaceWatch({
      namespace,
      api: () => this.#openApi(),
      clock,
      random,
      problems: this.#problems,
      allow,
      onChange: (service, readAt) => this.#slicesChanged(`${namespace}/${service}`, readAt),
      onState: () => this.#watchChanged(namespace),
      onEvent: (type) => observer.event(type),
    });
    this.#watches.set(namespace, watch);
    return watch;
  }

  #locality(source: SliceSource): Locality {
    const { node, zone } = this.#options.settings;
    if (zone !== null || node === null) return { nodeName: node, zone };
    for (const watch of this.#watches.values()) {
      if (watch !== source) continue;
      return { nodeName: node, zone: zoneOfNode(watch.allSlices(), node) };
    }
    return { nodeName: node, zone: null };
  }

  #serviceChanged(key: string, record: ServiceRecord): void {
    const { answer } = record;
    const subject = `services ${record.namespace}`;
    const error = answer.kind === 'asking' || answer.kind === 'absent' ? null : errorOf(answer);
    if (error === null) this.#problems.clear(subject);
    else this.#problems.set(subject, error);
    for (const subscription of [...(this.#subscriptions.get(key) ?? [])]) subscription.update();
  }

  #slicesChanged(key: string, readAt: number | null): void {
    let left = false;
    for (const subscription of [...(this.#subscriptions.get(key) ?? [])]) if (subscription.update()) left = true;
    if (left && readAt !== null) this.#options.observer.propagation.observe(this.#options.clock.now() - readAt);
    // The last slice of a Service goes with it, and the first comes with it.
    const record = this.#records.get(key);
    const { namespace = '', name = '' } = record ?? {};
    const count = this.#watches.get(namespace)?.slices(name)?.length ?? 0;
    if (record !== undefined && (record.answer.kind === 'found' ? count === 0 : count > 0)) record.outdated();
  }

  /** A watch broke for good, or stands again: who waits for it, or goes by DNS because of it, has to decide anew. */
  #watchChanged(namespace: string): void {
    for (const [key, all] of [...this.#subscriptions]) {
      if (key.startsWith(`${namespace}/`)) for (const subscription of [...all]) subscription.update();
    }
  }

  #unsubscribed(key: string, record: ServiceRecord, subscription: ServiceSubscription): void {
    record.users--;
    const all = this.#subscriptions.get(key);
    all?.delete(subscription);
    if (all?.size === 0) this.#subscriptions.delete(key);
    // A Service is asked for anew when it is used again; that a name is none is remembered.
    if (record.users === 0 && record.answer.kind === 'found') {
      record.close();
      this.#records.delete(key);
    }
  }
}

function errorOf(answer: { readonly kind: string; readonly error: ApiError | null }): ApiError | null {
  return answer.error;
}
