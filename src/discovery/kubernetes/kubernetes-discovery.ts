import type { Clock, Timer } from '../../clock.ts';
import type { KubernetesSettings } from '../../config/types.ts';
import type { DiscoveryObserver } from '../../observer.ts';
import type { AddressRange } from '../address-range.ts';
import type { Discovery, EndpointSink, EndpointSubscription, SubscribeOptions } from '../discovery.ts';
import type { DiscoverySource } from '../discovery-chain.ts';
import { LookupQueue } from '../lookup-queue.ts';
import { DeferredName } from './deferred-name.ts';
import { type DiscoveryLog, type Problem, ProblemLog } from './discovery-log.ts';
import { ApiError, type KubeApi } from './kube-api.ts';
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
  /** The pod's own namespace, or null: not known yet; and what is wrong with the credentials. Files are read anew. */
  readonly identity: () => { readonly namespace: string | null; readonly problem: Problem | null };
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
/** How often what is wrong with the credentials is looked at again. */
const IDENTIFY_MS = 10_000;
/** What concerns the credentials, in the log of problems. */
const CREDENTIALS = 'credentials';
/** No namespace has this name. */
const UNKNOWN = '-';
/** Namespaces, likewise. */
const MAX_NAMESPACES = 64;

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
  #namespace: string | null = null;
  #identifying: Timer | null = null;
  /** Destinations that wait for the namespace to be known, and how they become Services. */
  readonly #deferred = new Map<DeferredName, () => void>();

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
    this.#identify();
  }

  claims(host: string): boolean {
    return this.#candidate(host) !== null || (this.#namespace === null && mayBeService(host));
  }

  subscribe(host: string, port: number, sink: EndpointSink, options: SubscribeOptions = {}): EndpointSubscription {
    const candidate = this.#candidate(host);
    if (candidate !== null) return this.#subscribe(candidate, host, port, sink, options, false);
    const dns = this.#options.dns.subscribe(host, port, sink, options);
    if (this.#namespace !== null || !mayBeService(host)) return dns;
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
    const record = this.#record(namespace, service);
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

  /** Looks who this is, again and again until nothing is wrong. */
  #identify(): void {
    const { identity, clock } = this.#options;
    const { namespace, problem } = identity();
    this.#identifying = null;
    if (problem === null) {
      const mended = this.#problems.get(CREDENTIALS) !== null;
      this.#problems.clear(CREDENTIALS);
      if (mended) this.#askFailed();
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
    this.#askFailed();
    for (const record of this.#records.values()) if (record.answer.kind === 'absent') record.askAgain();
    for (const watch of this.#watches.values()) watch.retryNow();
  }

  #askFailed(): void {
    for (const record of this.#records.values()) if (record.error !== null) record.askAgain();
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
    if ([...this.#records.values()].some(({ answer }) => answer.kind === 'failed')) return false;
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
    for (const record of this.#records.values()) record.close();
    this.#records.clear();
    this.#opened?.close();
  }

  #candidate(host: string): ServiceCandidate | null {
    const { settings, clusterDomain } = this.#options;
    const candidate = parseServiceName(host, {
      ownNamespace: this.#namespace ?? UNKNOWN,
      namespaces: settings.namespaces,
      clusterDomain: clusterDomain(),
    });
    return candidate?.namespace === UNKNOWN ? null : candidate;
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
      expired: () => this.#forget(key, record),
    });
    this.#records.set(key, record);
    return record;
  }

  /** Names that an app makes up must not gather here. */
  #forgetOldest(): void {
    if (this.#records.size < MAX_REMEMBERED) return;
    for (const [key, record] of this.#records) {
      if (record.users > 0) continue;
      this.#forget(key, record);
      return;
    }
  }

  #forget(key: string, record: ServiceRecord): void {
    record.close();
    this.#records.delete(key);
    const subject = `services ${record.namespace}`;
    if (this.#problems.get(subject) !== null && !this.#failing(record.namespace)) this.#problems.forget(subject);
  }

  /** Whether a Service of the namespace could not be read. */
  #failing(namespace: string): boolean {
    for (const record of this.#records.values())
      if (record.namespace === namespace && record.error !== null) return true;
    return false;
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

  #serviceChanged(key: string, record: ServiceRecord): void {
    const { namespace, error } = record;
    // That has a line of its own, and is looked at again until it is mended.
    if (error?.kind === 'no_credentials') {
      if (this.#identifying === null) this.#identify();
      this.#update(key, namespace);
      return;
    }
    const subject = `services ${namespace}`;
    const before = this.#problems.get(subject);
    // The API server's words name the Service: one line for the namespace, not one for each.
    if (error !== null && !(before instanceof ApiError && before.kind === error.kind))
      this.#problems.set(subject, error);
    if (error === null && before !== null && !this.#failing(namespace)) this.#problems.clear(subject);
    this.#update(key, namespace);
  }

  /** Has the Service's subscriptions decide anew. @returns whether an endpoint has left the rotation of one */
  #update(key: string, namespace: string): boolean {
    let left = false;
    for (const subscription of [...(this.#subscriptions.get(key) ?? [])]) {
      try {
        if (subscription.update()) left = true;
      } catch (cause) {
        // A destination's fault is not to keep the others from being told.
        this.#fault(namespace, cause);
      }
    }
    return left;
  }

  #fault(namespace: string, cause: unknown): void {
    const subject = `fault ${namespace}`;
    if (this.#problems.get(subject) !== null) return;
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    this.#problems.set(subject, {
      message: `a change in ${namespace} was not taken in: ${text}`,
      hint: 'This is a fault of carpool; please report it.',
    });
  }

  #slicesChanged(namespace: string, service: string, readAt: number | null): void {
    const key = `${namespace}/${service}`;
    const left = this.#update(key, namespace);
    if (left && readAt !== null) this.#options.observer.propagation.observe(this.#options.clock.now() - readAt);
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
    if (record.users === 0 && record.answer.kind === 'found') this.#forget(key, record);
  }
}

/** Whether a name has the form that Services of the own namespace have: `orders`, `orders.shop`, `pod-0.db.shop`. */
function mayBeService(host: string): boolean {
  return /^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){0,2}$/.test(host) && !/(^|\.)localhost$/.test(host);
}
