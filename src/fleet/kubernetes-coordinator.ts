import type { FleetStats } from '../admin/inspector.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Config } from '../config/types.ts';
import type { EventSink } from '../observer.ts';
import type { Coordinator } from './coordinator.ts';
import { evenShare } from './even-share.ts';
import { type PeerCount, Peers, type PeersOptions } from './peers.ts';
import type { ShareBook } from './share-book.ts';

/** How long requests wait for the first count; then `minShare` is used. */
const FIRST_COUNT_MS = 2000;
/** What a share grows by is used so long after the news: the others have to come down first. */
const GROW_AFTER_MS = 2000;

/**
 * `counting`: nobody knows how many there are, and nothing is opened. `guessing`: that took too long, and `minShare` is
 * used. `growing`: the count is another one, and what a share grows by is not used yet. `settled`: the even share.
 */
type State =
  | { readonly state: 'counting'; readonly deadline: Timer }
  | { readonly state: 'guessing' }
  | { readonly state: 'growing'; readonly count: PeerCount; readonly wait: Timer }
  | { readonly state: 'settled'; readonly count: PeerCount }
  | { readonly state: 'closed' };

export type KubernetesCoordinatorOptions = Omit<PeersOptions, 'changed'> & {
  readonly book: ShareBook;
  readonly clock: Clock;
  readonly events: EventSink;
  readonly minShare: number;
};

/** The same share for every pod of the workload, by the EndpointSlices of its Service. Nobody has to agree on anything. */
export class KubernetesCoordinator implements Coordinator {
  readonly #options: KubernetesCoordinatorOptions;
  readonly #peers: Peers;
  #minShare: number;
  #state: State;

  constructor(options: KubernetesCoordinatorOptions) {
    this.#options = options;
    this.#minShare = options.minShare;
    this.#state = {
      state: 'counting',
      deadline: options.clock.setTimer(() => this.#guess(), FIRST_COUNT_MS),
    };
    let ready = false;
    this.#peers = new Peers({ ...options, changed: () => ready && this.#counted() });
    ready = true;
    this.#counted();
  }

  #counted(): void {
    const { count } = this.#peers;
    const before = this.#state;
    if (count === null || before.state === 'closed') {
      this.refresh();
      return;
    }
    if (before.state === 'counting') before.deadline.cancel();
    if (before.state === 'growing') before.wait.cancel();
    if (before.state === 'guessing') this.#options.events.emit({ type: 'fleet_restored', coordinator: 'kubernetes' });
    const first = before.state === 'counting';
    this.#state = first
      ? { state: 'settled', count }
      : { state: 'growing', count, wait: this.#options.clock.setTimer(() => this.#settle(count), GROW_AFTER_MS) };
    this.refresh();
  }

  #settle(count: PeerCount): void {
    this.#state = { state: 'settled', count };
    this.refresh();
  }

  #guess(): void {
    this.#state = { state: 'guessing' };
    const words = `${this.#peers.problem ?? 'the number of peers is not known'}; each destination has ${this.#minShare} connections (fleet.minShare) until it is`;
    this.#options.events.emit({ type: 'fleet_failover', coordinator: 'kubernetes', message: words });
    this.refresh();
  }

  refresh(): void {
    const { book } = this.#options;
    const state = this.#state;
    if (state.state === 'closed') return;
    for (const each of book.budgeted()) {
      if (state.state === 'counting') book.give(each, 0, 0);
      else if (state.state === 'guessing') book.give(each, Math.min(this.#minShare, each.budget), 0);
      else {
        const { peers, rank } = state.count;
        const even = evenShare(each.budget, peers, rank);
        const known = state.state === 'settled' || !book.has(each.name);
        book.give(each, known ? even : Math.min(even, book.share(each.name)), peers);
      }
    }
    book.tell();
  }

  tick(): void {
    this.refresh();
  }

  reconfigure(config: Config): void {
    this.#minShare = config.fleet.minShare;
    this.refresh();
  }

  stats(): FleetStats {
    const state = this.#state;
    const { problem } = this.#peers;
    const counting = state.state === 'counting' || state.state === 'closed';
    const peers = counting || state.state === 'guessing' ? 0 : state.count.peers;
    return {
      coordinator: 'kubernetes',
      state: counting ? 'starting' : state.state === 'guessing' || problem !== null ? 'failover' : 'connected',
      peers,
      problem: counting ? null : problem,
    };
  }

  close(): void {
    if (this.#state.state === 'counting') this.#state.deadline.cancel();
    if (this.#state.state === 'growing') this.#state.wait.cancel();
    this.#state = { state: 'closed' };
    this.#peers.close();
  }
}
