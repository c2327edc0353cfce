import type { Clock } from '../clock.ts';
import type { CarpoolError } from '../errors.ts';
import { dialable, type Families, localFamilies } from './address-families.ts';
import { BothFamilies } from './both-families.ts';
import { type Asked, lookupTimedOut, nameserverFailed, noSuchName, unusableName } from './dns-failure.ts';
import { type HostsFile, parseHostsFile } from './hosts-file.ts';
import { isOddAddress } from './ip-address.ts';
import { NameserverOrder } from './nameserver-order.ts';
import { clusterDomain, parseResolvConf, type ResolvConf, searchCandidates } from './resolv-conf.ts';
import { WatchedFile } from './watched-file.ts';

/** What a lookup came to. */
export type LookupResult =
  | {
      readonly kind: 'found';
      /** The absolute name that has the addresses (one of the search candidates). */
      readonly name: string;
      /** Never empty, without duplicates, as the nameserver ordered them, IPv4 first. */
      readonly addresses: readonly string[];
      /** The lowest TTL in the answers; Infinity for the hosts file. */
      readonly ttlMs: number;
      /** A family that gave no usable answer, so that nothing is known about its addresses. */
      readonly unknownFamily: 4 | 6 | null;
    }
  /** `absent`: the nameservers say that there is none. `failed`: they could not say. */
  | { readonly kind: 'absent' | 'failed'; readonly error: CarpoolError };

/** Turns names into addresses. */
export interface NameLookup {
  /** The cluster's domain, as far as the resolver's configuration tells. */
  readonly clusterDomain: string;
  /** @returns a promise that never rejects and is bounded in time */
  lookup(name: string): Promise<LookupResult>;
  /** Calls `listener` each time when earlier answers may have become wrong, until closed. One listener. */
  onChange(listener: () => void): void;
  /** Ends what is under way, as failed, and whatever is watched. */
  close(): void;
}

export type DnsStubOptions = {
  readonly hostsFile: string;
  readonly resolvConf: string;
  readonly clock: Clock;
  /** Overrides resolv.conf's timeout of one try at one nameserver, real time. */
  readonly timeoutMs?: number;
  /** How often the two files are read again; 5 s. */
  readonly pollMs?: number;
  /** How long the second family may keep an answer of the first one waiting; 50 ms (RFC 8305 section 3). */
  readonly familyGraceMs?: number;
  /** The address families in use here; asked at each answer. */
  readonly families?: () => Families;
};

/** No candidate is started later than this after the first: a search list times slow answers has to end somewhere. */
const MAX_LOOKUP_MS = 30_000;

/** RFC 1035 section 2.3.1, and the underscores that names in use have. */
const NAME = /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?$/i;

/**
 * A stub resolver: /etc/hosts, then the search list and nameservers of resolv.conf, both read again when they change.
 * getaddrinfo does all of this too, but tells no TTL and blocks one of four threads for each lookup; node's own
 * `Resolver` has TTLs but knows neither the hosts file nor the search list.
 */
export class DnsStub implements NameLookup {
  readonly #clock: Clock;
  readonly #timeoutMs: number | undefined;
  readonly #graceMs: number;
  readonly #families: () => Families;
  readonly #files: readonly WatchedFile[];
  readonly #order: NameserverOrder;
  readonly #running = new Set<BothFamilies>();
  #hosts: HostsFile;
  #conf: ResolvConf;
  #changed: () => void = () => {};
  #closed = false;

  constructor(options: DnsStubOptions) {
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
    this.#graceMs = options.familyGraceMs ?? 50;
    this.#families = options.families ?? localFamilies;
    this.#order = new NameserverOrder(options.clock);
    const pollMs = options.pollMs ?? 5_000;
    const hosts = new WatchedFile(options.hostsFile, options.clock, pollMs, (text) => {
      this.#hosts = parseHostsFile(text);
      this.#changed();
    });
    const conf = new WatchedFile(options.resolvConf, options.clock, pollMs, (text) => {
      // A file without a nameserver is one that is being written.
      if (!/^\s*nameserver\s/m.test(text)) return;
      this.#conf = parseResolvConf(text);
      this.#changed();
    });
    this.#hosts = parseHostsFile(hosts.text);
    this.#conf = parseResolvConf(conf.text);
    this.#files = [hosts, conf];
  }

  get clusterDomain(): string {
    return clusterDomain(this.#conf);
  }

  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  close(): void {
    this.#closed = true;
    for (const file of this.#files) file.close();
    for (const question of this.#running) question.cancel();
  }

  async lookup(host: string): Promise<LookupResult> {
    if (isOddAddress(host)) return { kind: 'absent', error: unusableName(host, 'is neither a name nor an IP address') };
    if (!NAME.test(host)) return { kind: 'absent', error: unusableName(host, 'is not a DNS name') };
    return this.#fromHosts(host) ?? (await this.#fromDns(host));
  }

  #fromHosts(host: string): LookupResult | null {
    const name = host.toLowerCase().replace(/\.$/, '');
    // RFC 6761 section 6.3: localhost and what is below it are loopback and never asked of a nameserver.
    const addresses = this.#hosts.get(name) ?? (/(?:^|\.)localhost$/.test(name) ? ['127.0.0.1', '::1'] : null);
    if (!addresses) return null;
    const usable = dialable(addresses, this.#families());
    return { kind: 'found', name, addresses: usable, ttlMs: Number.POSITIVE_INFINITY, unknownFamily: null };
  }

  async #fromDns(host: string): Promise<LookupResult> {
    // One configuration for the whole lookup, whatever happens to the file meanwhile.
    const conf = this.#conf;
    const started = this.#clock.now();
    const candidates = searchCandidates(host, conf);
    if (candidates.length === 0) return { kind: 'absent', error: unusableName(host, 'is too long for a DNS name') };
    const asked: Asked[] = [];
    let failed = false;
    for (const name of candidates) {
      if (this.#clock.now() - started > MAX_LOOKUP_MS) return { kind: 'failed', error: lookupTimedOut(host, asked) };
      const both = new BothFamilies(name, {
        servers: this.#order.next(conf),
        attempts: conf.attempts,
        timeoutMs: this.#timeoutMs ?? conf.timeoutMs,
        graceMs: this.#graceMs,
        ipv6: !conf.noAaaa,
        clock: this.#clock,
        order: this.#order,
      });
      this.#running.add(both);
      if (this.#closed) both.cancel();
      const outcome = await both.outcome;
      this.#running.delete(both);
      if (outcome.kind === 'found') {
        const addresses = dialable(outcome.addresses, this.#families());
        return { ...outcome, name, addresses };
      }
      asked.push(outcome.asked);
      // As glibc does: silence ends the search. Going on would let a lost packet turn `orders.shop` of the cluster
      // into the `orders.shop` of the internet, and would wait as long again for each domain that is left.
      if (outcome.kind === 'timeout') return { kind: 'failed', error: lookupTimedOut(host, asked) };
      // As glibc and Go do: an error of a nameserver lets the search go on, for it may concern that domain alone, but
      // the name is not called absent unless all candidates were.
      if (outcome.kind === 'failed') failed = true;
    }
    return failed
      ? { kind: 'failed', error: nameserverFailed(host, asked) }
      : { kind: 'absent', error: noSuchName(host, asked) };
  }
}
