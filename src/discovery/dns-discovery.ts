import type { Clock } from '../clock.ts';
import type { Vanished } from '../config/types.ts';
import { CarpoolError } from '../errors.ts';
import { AnswerDiff } from './answer-diff.ts';
import type { DiscoveryState, EndpointSink, EndpointSubscription, SubscribeOptions } from './discovery.ts';
import type { DiscoverySource } from './discovery-chain.ts';
import { DnsName, type DnsTiming, type GoodAnswer, type NameSubscriber } from './dns-name.ts';
import type { NameLookup } from './dns-stub.ts';
import { LookupQueue } from './lookup-queue.ts';

export type DnsDiscoveryOptions = {
  /** Owned by the discovery from now on: closed with it. */
  readonly lookup: NameLookup;
  readonly clock: Clock;
  readonly timing: DnsTiming;
  /** Names known at once; at least as many as there may be destinations (`limits.destinations`). 1,024. */
  readonly maxNames?: number;
  /** Lookups at once; 32. */
  readonly maxLookups?: number;
  /** 0 to 1, for jitter. */
  readonly random?: () => number;
};

/** Finds endpoints in DNS. A name is looked up once for all destinations that have it, whatever their ports. */
export class DnsDiscovery implements DiscoverySource {
  readonly #lookup: NameLookup;
  readonly #clock: Clock;
  readonly #maxNames: number;
  readonly #random: () => number;
  readonly #queue: LookupQueue;
  /** By host; those used last stand last. */
  readonly #names = new Map<string, DnsName>();
  #timing: DnsTiming;

  constructor(options: DnsDiscoveryOptions) {
    this.#lookup = options.lookup;
    this.#clock = options.clock;
    this.#timing = options.timing;
    this.#maxNames = options.maxNames ?? 1_024;
    this.#random = options.random ?? Math.random;
    this.#queue = new LookupQueue(options.maxLookups ?? 32);
    this.#lookup.onChange(() => this.#outdated());
  }

  /** Names known, subscribed to or cached. */
  get names(): number {
    return this.#names.size;
  }

  /** Any name may be in DNS. */
  claims(): boolean {
    return true;
  }

  subscribe(host: string, port: number, sink: EndpointSink, options?: SubscribeOptions): EndpointSubscription {
    const name = this.#name(host);
    if (!name) return refused(host, this.#maxNames, sink);
    const clusterSuffix = () => `.${this.#lookup.clusterDomain}`;
    return new DnsSubscription(name, port, sink, options?.vanished ?? null, clusterSuffix);
  }

  /** New bounds from a reload; they hold from each name's next answer on. */
  setTiming(timing: DnsTiming): void {
    this.#timing = timing;
  }

  /** Ends all lookups and subscriptions, and the resolver; no sink is called any more. */
  close(): void {
    this.#lookup.close();
    for (const name of this.#names.values()) name.close();
    this.#names.clear();
  }

  /** Everything subscribed to is asked for again, what is only cached is dropped. */
  #outdated(): void {
    for (const name of [...this.#names.values()]) name.outdated();
  }

  #name(host: string): DnsName | null {
    const known = this.#names.get(host);
    if (!known && this.#names.size >= this.#maxNames && !this.#forgetOne()) return null;
    const name =
      known ??
      new DnsName(host, {
        lookup: this.#lookup,
        queue: this.#queue,
        clock: this.#clock,
        random: this.#random,
        timing: () => this.#timing,
        expired: () => this.#names.delete(host),
      });
    this.#names.delete(host);
    this.#names.set(host, name);
    return name;
  }

  /** Drops the name that has gone unused the longest of those that nobody subscribes to. */
  #forgetOne(): boolean {
    for (const [host, name] of this.#names) {
      if (!name.idle) continue;
      name.close();
      return this.#names.delete(host);
    }
    return false;
  }
}

/** The answer to one name too many. */
function refused(host: string, maxNames: number, sink: EndpointSink): EndpointSubscription {
  const error = new CarpoolError('OVERLOADED', `${host} was not looked up: ${maxNames} names are in use already`, {
    hint: 'Raise limits.destinations, or look for an app that makes names up.',
  });
  sink.settled(error);
  return {
    describe: () => ({ source: 'dns', state: 'failing', error: error.message, ageMs: null }),
    refresh: () => {},
    close: () => {},
  };
}

/** One destination's view of a name: its port, and its policy about addresses that vanish. */
class DnsSubscription implements EndpointSubscription, NameSubscriber {
  readonly #name: DnsName;
  readonly #sink: EndpointSink;
  readonly #vanished: Vanished | null;
  readonly #clusterSuffix: () => string;
  readonly #diff: AnswerDiff;
  /** What became of the last answer's addresses that vanish; decides for `gone` too, which has no name. */
  #policy: Vanished;

  constructor(name: DnsName, port: number, sink: EndpointSink, vanished: Vanished | null, clusterSuffix: () => string) {
    this.#name = name;
    this.#sink = sink;
    this.#vanished = vanished;
    this.#policy = vanished ?? 'keep';
    this.#clusterSuffix = clusterSuffix;
    this.#diff = new AnswerDiff(sink, port);
    name.subscribe(this);
  }

  describe(): DiscoveryState {
    return this.#name.describe();
  }

  refresh(): void {
    this.#name.refresh();
  }

  close(): void {
    this.#name.unsubscribe(this);
  }

  answered(answer: GoodAnswer): void {
    // By the name that has the addresses, since `orders.shop` is a name below the cluster domain as well.
    this.#policy = this.#vanished ?? (answer.name.endsWith(this.#clusterSuffix()) ? 'evict' : 'keep');
    this.#diff.apply(answer.addresses, answer.unknownFamily, this.#policy);
    this.#sink.settled(null);
  }

  failed(error: CarpoolError): void {
    this.#sink.settled(error);
  }

  gone(error: CarpoolError): void {
    this.#diff.clear(this.#policy);
    this.#sink.settled(error);
  }
}
