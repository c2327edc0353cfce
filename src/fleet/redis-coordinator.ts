import type { FleetStats } from '../admin/inspector.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Config } from '../config/types.ts';
import type { EventSink } from '../observer.ts';
import { Appetite, type Wants } from './appetite.ts';
import type { Budgeted } from './budgets.ts';
import type { Coordinator } from './coordinator.ts';
import { type Fallback, Lease } from './lease.ts';
import type { Peers } from './peers.ts';
import type { RedisLink, RedisLinkOptions } from './redis-link.ts';
import type { ShareBook } from './share-book.ts';

/** How often demand is looked at, and the least time between two calls. */
const SAMPLE_MS = 100;
/** How often Redis is called; with many sidecars less often, for each call looks at all of them. */
const BEAT_MS = 500;
const BEAT_MS_PER_PEER = 5;
/** A table that nobody has called for so many beats belongs to a Redis that was away. */
const SILENT_BEATS = 4;

type Member = {
  readonly lease: Lease;
  readonly appetite: Appetite;
  told: Wants;
  /** It was told to have less, and has not told yet that it has come down. */
  lowered: boolean;
};

export type RedisCoordinatorOptions = {
  readonly book: ShareBook;
  readonly clock: Clock;
  readonly events: EventSink;
  readonly random: () => number;
  /** Different for each process. */
  readonly id: string;
  /** What the keys begin with. */
  readonly keys: string;
  readonly failoverTimeoutMs: number;
  readonly minShare: number;
  /** Where `fleet.service` is set: how many there are, should Redis not tell. */
  readonly peers: Pick<Peers, 'count' | 'close'> | null;
  readonly link: (
    events: Pick<RedisLinkOptions, 'onOpen' | 'onFailure'>,
  ) => Pick<RedisLink, 'run' | 'isOpen' | 'close'>;
};

/** Shares that follow demand: leases in Redis, and the even share while Redis does not answer. */
export class RedisCoordinator implements Coordinator {
  readonly #options: RedisCoordinatorOptions;
  readonly #link: ReturnType<RedisCoordinatorOptions['link']>;
  readonly #members = new Map<string, Member>();
  #minShare: number;
  #timer: Timer;
  /** A call is under way. */
  #calling = false;
  #seq = 0;
  #beatAt = Number.NEGATIVE_INFINITY;
  #nextBeatAt = 0;
  /** Some lease could not be renewed in time, and that was told. */
  #failedOver = false;
  #problem: string | null = null;
  #closed = false;

  constructor(options: RedisCoordinatorOptions) {
    this.#options = options;
    this.#minShare = options.minShare;
    this.#timer = options.clock.setTimer(() => this.#sample(), SAMPLE_MS);
    this.#link = options.link({
      onOpen: () => this.#beat(),
      onFailure: ({ message }) => {
        this.#problem = message;
      },
    });
    this.refresh();
  }

  refresh(): void {
    this.#apply(false);
    // A new destination: its first request waits for the answer.
    if (this.#nextBeatAt <= this.#options.clock.now()) this.#beat();
  }

  tick(): void {
    this.#options.book.tell();
  }

  reconfigure(config: Config): void {
    this.#minShare = config.fleet.minShare;
    this.refresh();
  }

  stats(): FleetStats {
    let peers = 0;
    let starting = this.#members.size > 0;
    for (const { lease } of this.#members.values()) {
      peers = Math.max(peers, lease.peers);
      if (lease.state !== 'starting') starting = false;
    }
    if (this.#members.size === 0) starting = !this.#link.isOpen;
    return {
      coordinator: 'redis',
      state: this.#failedOver ? 'failover' : starting ? 'starting' : 'connected',
      peers: peers > 0 ? peers : (this.#options.peers?.count?.peers ?? 0),
      problem: this.#problem,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    this.#options.peers?.close();
    this.#link.close(
      [...this.#members.keys()].map((name) => ({ key: this.#key(name), args: ['leave', this.#options.id] })),
    );
  }

  // --- what is used

  #sample(): void {
    this.#timer = this.#options.clock.setTimer(() => this.#sample(), SAMPLE_MS);
    const now = this.#options.clock.now();
    const urgent = this.#apply(true);
    if (now >= this.#nextBeatAt || (urgent && now - this.#beatAt >= SAMPLE_MS)) this.#beat();
  }

  /** Gives each destination what its lease says now. @returns whether Redis should be called soon */
  #apply(sampling: boolean): boolean {
    const { book, clock } = this.#options;
    const now = clock.now();
    const found = book.budgeted();
    let urgent = false;
    let failing = false;
    for (const each of found) {
      const member = this.#member(each.name, now);
      const { lease } = member;
      if (sampling) member.appetite.sample(each.pool, now);
      lease.advance(now);
      if (lease.state === 'yielding' || lease.state === 'even') failing = true;
      const share = lease.share(this.#fallback(each));
      book.give(each, share, lease.peers);
      if (sampling && this.#isUrgent(each, member, share)) urgent = true;
    }
    if (this.#members.size > found.length) this.#forget(found);
    this.#tellFailover(failing, found);
    return urgent;
  }

  /** It has come down to what it was told, which others wait for; or it could use more than it has asked for. */
  #isUrgent({ pool, elsewhere }: Budgeted, member: Member, share: number): boolean {
    if (member.lease.state === 'starting') return false;
    const { open, waiting } = pool.demand;
    if (member.lowered && open + elsewhere <= share) return true;
    return waiting > 0 && open + elsewhere >= share && member.appetite.wants(pool, member.told).fast > member.told.fast;
  }

  #member(name: string, now: number): Member {
    const known = this.#members.get(name);
    if (known !== undefined) return known;
    const lease = new Lease(this.#options.failoverTimeoutMs, now);
    const member: Member = { lease, appetite: new Appetite(), told: { fast: 0, slow: 0 }, lowered: false };
    this.#members.set(name, member);
    this.#nextBeatAt = now;
    return member;
  }

  /** What is not asked for any more ends by itself in Redis. */
  #forget(found: readonly Budgeted[]): void {
    const names = new Set(found.map(({ name }) => name));
    for (const name of this.#members.keys()) if (!names.has(name)) this.#members.delete(name);
  }

  #fallback({ budget }: Budgeted): Fallback {
    return { budget, minShare: this.#minShare, listed: this.#listed };
  }

  /** How many there are by what is known beside the destination's own lease. */
  get #listed(): number | null {
    let most = this.#options.peers?.count?.peers ?? 0;
    for (const { lease } of this.#members.values()) most = Math.max(most, lease.peers);
    return most === 0 ? null : most;
  }

  #tellFailover(failing: boolean, found: readonly Budgeted[]): void {
    const { events } = this.#options;
    if (failing === this.#failedOver) return;
    this.#failedOver = failing;
    if (!failing) {
      events.emit({ type: 'fleet_restored', coordinator: 'redis' });
      return;
    }
    const listed = this.#listed;
    const used =
      listed === null
        ? `each destination has ${this.#minShare} connections (fleet.minShare), for it is not known how many sidecars there are`
        : `each of ${listed} sidecars has the same share (${found
            .map((each) => `${each.name}: ${Math.floor(each.budget / listed)}`)
            .slice(0, 5)
            .join(', ')})`;
    events.emit({
      type: 'fleet_failover',
      coordinator: 'redis',
      message: `${this.#problem ?? 'no answer yet'}. Until it answers ${used}`,
    });
  }

  // --- Redis

  #key(name: string): string {
    return `${this.#options.keys}:${name}`;
  }

  #beat(): void {
    if (this.#closed || this.#calling || !this.#link.isOpen) return;
    const { clock, random, book } = this.#options;
    const found = book.budgeted();
    const sentAt = clock.now();
    const interval = this.#intervalMs();
    this.#beatAt = sentAt;
    this.#nextBeatAt = sentAt + interval * (0.9 + random() * 0.2);
    if (found.length === 0) {
      // It can be reached, and that is all that is known.
      this.#problem = null;
      return;
    }
    this.#calling = true;
    const calls = found.map((each) => ({ key: this.#key(each.name), args: this.#beatArgs(each, sentAt, interval) }));
    void this.#link.run(calls).then((answers) => {
      this.#calling = false;
      if (this.#closed) return;
      let failed = false;
      for (const [index, { name }] of found.entries()) if (!this.#answered(name, answers[index], sentAt)) failed = true;
      if (!failed) this.#problem = null;
      this.#apply(false);
    });
  }

  #beatArgs(each: Budgeted, now: number, interval: number): string[] {
    const { id, failoverTimeoutMs } = this.#options;
    const member = this.#member(each.name, now);
    const limit = member.lease.share(this.#fallback(each));
    member.told = member.appetite.wants(each.pool, member.told);
    const held = each.pool.demand.open + each.elsewhere;
    if (held <= limit) member.lowered = false;
    const fast = Math.ceil(member.told.fast + each.elsewhere);
    const slow = Math.ceil(member.told.slow + each.elsewhere);
    const silence = Math.ceil(SILENT_BEATS * interval);
    const numbers = [++this.#seq, failoverTimeoutMs, each.budget, this.#minShare, limit, held, fast, slow];
    return ['beat', id, ...[...numbers, member.lease.peers, silence].map(String)];
  }

  /** @returns whether it was an answer */
  #answered(name: string, answer: unknown, sentAt: number): boolean {
    const member = this.#members.get(name);
    if (member === undefined) return true;
    // What has failed was told by the link.
    if (answer instanceof Error) return false;
    const [share, peers] = Array.isArray(answer) ? answer.map(Number) : [];
    if (share === undefined || peers === undefined || !(share >= 0) || !(peers > 0)) {
      this.#problem = 'Redis answers what nobody understands: is its key used by something else?';
      return false;
    }
    const before = this.#options.book.share(name);
    member.lease.granted(share, peers, sentAt);
    if (share < before) member.lowered = true;
    return true;
  }

  #intervalMs(): number {
    let peers = 0;
    for (const { lease } of this.#members.values()) peers = Math.max(peers, lease.peers);
    return Math.min(Math.max(BEAT_MS, peers * BEAT_MS_PER_PEER), this.#options.failoverTimeoutMs / 4);
  }
}
