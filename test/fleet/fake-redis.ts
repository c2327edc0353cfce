import type { RedisCoordinatorOptions } from '../../src/fleet/redis-coordinator.ts';
import { RedisFailure } from '../../src/fleet/redis-failure.ts';
import type { TestClock } from '../test-clock.ts';
import { LeaseTable } from './lease-table.ts';

type Call = { readonly key: string; readonly args: readonly string[] };
type Link = ReturnType<RedisCoordinatorOptions['link']>;
type Told = Parameters<RedisCoordinatorOptions['link']>[0];

/** What several sidecars call in turn, without sockets: the twin of the script, and ways in which it fails. */
export class FakeRedis {
  readonly clock: TestClock;
  readonly tables = new Map<string, LeaseTable>();
  /** Each call of the script, by what it asked. */
  calls = 0;
  /** Round trips. */
  trips = 0;
  /** What all calls come to, or null: they are answered. */
  failure: RedisFailure | null = null;
  /** What calls for this destination come to. */
  readonly broken = new Map<string, unknown>();
  readonly #links: { told: Told; closed: boolean }[] = [];
  isOpen = false;

  constructor(clock: TestClock) {
    this.clock = clock;
  }

  /** Connects one sidecar. */
  readonly link = (told: Told): Link => {
    const link = { told, closed: false };
    this.#links.push(link);
    const { clock } = this;
    const isOpen = (): boolean => this.isOpen && !link.closed;
    if (this.isOpen) clock.setTimer(() => told.onOpen(), 0);
    return {
      get isOpen() {
        return isOpen();
      },
      run: async (calls) => {
        this.trips++;
        const { failure } = this;
        if (failure !== null) {
          told.onFailure(failure);
          return calls.map(() => failure);
        }
        return calls.map((call) => this.#answer(call, told));
      },
      close: (calls) => {
        link.closed = true;
        for (const { key, args } of calls) this.tables.get(key)?.leave(args[1] ?? '');
      },
    };
  };

  open(): void {
    this.isOpen = true;
    for (const { told, closed } of this.#links) if (!closed) told.onOpen();
  }

  /** Every connection is gone, and none can be made. */
  lose(message: string): void {
    this.isOpen = false;
    for (const { told, closed } of this.#links) if (!closed) told.onFailure(new RedisFailure(message, true));
  }

  #answer({ key, args }: Call, told: Told): unknown {
    this.calls++;
    const broken = this.broken.get(key);
    if (broken !== undefined) {
      if (broken instanceof RedisFailure) told.onFailure(broken);
      return broken;
    }
    const [, id = '', ...rest] = args;
    const [
      seq = 0,
      ttl = 0,
      budget = 0,
      minShare = 0,
      limit = 0,
      held = 0,
      fast = 0,
      slow = 0,
      known = 0,
      silence = 0,
    ] = rest.map(Number);
    const table = this.tables.get(key) ?? new LeaseTable();
    this.tables.set(key, table);
    const beat = { id, seq, ttl, budget, minShare, limit, held, fast, slow, known, silence };
    const { share, peers, calm } = table.beat(beat, this.clock.now());
    return [share, peers, calm ? 1 : 0];
  }
}
