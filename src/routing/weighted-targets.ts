import type { WeightedTarget } from '../config/types.ts';
import type {
  Discovery,
  DiscoveryState,
  EndpointSink,
  EndpointSpec,
  EndpointSubscription,
  SubscribeOptions,
} from '../discovery/discovery.ts';
import { addressPort, isIpLiteral } from '../discovery/ip-address.ts';
import type { CarpoolError } from '../errors.ts';
import type { EventSink } from '../observer.ts';

/** What the endpoints of a target are marked with. */
export const targetName = ({ host, port }: WeightedTarget): string => addressPort(host, port);

/** What discovery said of a target last: nothing yet, that it knows its endpoints, or why it does not. */
type Answer =
  | { readonly answer: 'none' }
  | { readonly answer: 'good' }
  | { readonly answer: 'bad'; error: CarpoolError };

/**
 * What discovery tells of one target, passed on with the target's name: as mark of its endpoints, and before their ids, for two targets may
 * lead to the same address.
 */
class TargetSink implements EndpointSink {
  answer: Answer = { answer: 'none' };
  affinityKey: string | null = null;
  subscription: EndpointSubscription | null = null;
  readonly name: string;
  /** Its address stands in the configuration. */
  readonly #written: boolean;
  readonly #sink: EndpointSink;
  readonly #onSettled: () => void;
  readonly #onAffinity: () => void;
  readonly #ids = new Set<string>();
  #closed = false;

  constructor(target: WeightedTarget, sink: EndpointSink, onSettled: () => void, onAffinity: () => void) {
    this.name = targetName(target);
    this.#written = isIpLiteral(target.host);
    this.#sink = sink;
    this.#onSettled = onSettled;
    this.#onAffinity = onAffinity;
  }

  /** That no request can go there was told. */
  missing = false;

  /** Why no request can go there, as far as discovery has answered; else null. */
  get problem(): { readonly message: string; readonly hint: string } | null {
    if (this.#ids.size > 0 || this.answer.answer === 'none') return null;
    if (this.answer.answer === 'good')
      return { message: 'it has no endpoint', hint: 'Look at its pods and their readiness.' };
    const { message, hint } = this.answer.error;
    return { message, hint };
  }

  /** Whether requests may go there, as far as discovery knows. */
  get known(): boolean {
    return this.answer.answer === 'good' || this.#ids.size > 0;
  }

  #id(id: string): string {
    return `${this.name}/${id}`;
  }

  add(endpoint: EndpointSpec): void {
    if (this.#closed) return;
    const id = this.#id(endpoint.id);
    this.#ids.add(id);
    this.#sink.add({ ...endpoint, id, target: this.name, ...(this.#written ? { written: true } : {}) });
  }

  suspend(id: string): void {
    if (!this.#closed) this.#sink.suspend(this.#id(id));
  }

  unready(id: string): void {
    if (!this.#closed) this.#sink.unready(this.#id(id));
  }

  terminating(id: string, serving: boolean): void {
    if (!this.#closed) this.#sink.terminating(this.#id(id), serving);
  }

  remove(id: string): void {
    if (this.#closed) return;
    this.#ids.delete(this.#id(id));
    this.#sink.remove(this.#id(id));
  }

  affinity(key: string | null): void {
    if (this.#closed) return;
    this.affinityKey = key;
    this.#onAffinity();
  }

  settled(error: CarpoolError | null): void {
    if (this.#closed) return;
    this.answer = error === null ? { answer: 'good' } : { answer: 'bad', error };
    this.#onSettled();
  }

  /** Nothing more is heard. @param remove its endpoints go too */
  close(remove: boolean): void {
    this.#closed = true;
    this.subscription?.close();
    if (remove) for (const id of this.#ids) this.#sink.remove(id);
    this.#ids.clear();
  }
}

/** Whose targets they are, and where it is told that one cannot be used. */
export type TargetsOwner = { readonly name: string; readonly events: EventSink };

/**
 * The targets of a destination that goes elsewhere (`to`): each is found by itself, and their endpoints are all the destination's. One of weight 0
 * is not there at all.
 */
export class WeightedTargets implements EndpointSubscription {
  /** By the target's name: what its share of the requests is. Read at each choice. */
  readonly weights = new Map<string, number>();
  #discovery: Discovery | null = null;
  readonly #sink: EndpointSink;
  readonly #options: SubscribeOptions;
  readonly #owner: TargetsOwner;
  readonly #targets = new Map<string, TargetSink>();
  #subscribing = false;
  #affinity: string | null = null;

  constructor(sink: EndpointSink, options: SubscribeOptions, owner: TargetsOwner) {
    this.#sink = sink;
    this.#options = options;
    this.#owner = owner;
  }

  /** Begins to look for them. Once. */
  start(discovery: Discovery, targets: readonly WeightedTarget[]): void {
    this.#discovery = discovery;
    this.set(targets);
  }

  /** These it is from now on: new ones are looked for, those that are gone are drained, the others keep their connections. */
  set(targets: readonly WeightedTarget[]): void {
    const wanted = targets.filter(({ weight }) => weight > 0);
    this.weights.clear();
    for (const target of wanted) this.weights.set(targetName(target), target.weight);
    const discovery = this.#discovery;
    if (discovery === null) return;
    // First what comes, so that requests need not wait where all of them are others.
    this.#subscribing = true;
    for (const target of wanted) if (!this.#targets.has(targetName(target))) this.#subscribe(discovery, target);
    this.#subscribing = false;
    for (const [name, gone] of [...this.#targets]) {
      if (this.weights.has(name)) continue;
      this.#targets.delete(name);
      gone.close(true);
    }
    this.#tellAffinity();
    this.#settle();
  }

  /** The session affinity of a Service that is the only target; among several it would send all requests to one of them. */
  #tellAffinity(): void {
    const [only, ...others] = this.#targets.values();
    const key = others.length > 0 ? null : (only?.affinityKey ?? null);
    if (this.#subscribing || key === this.#affinity) return;
    this.#affinity = key;
    this.#sink.affinity(key);
  }

  #subscribe(discovery: Discovery, target: WeightedTarget): void {
    const sink = new TargetSink(
      target,
      this.#sink,
      () => this.#settle(),
      () => this.#tellAffinity(),
    );
    this.#targets.set(sink.name, sink);
    sink.subscription = discovery.subscribe(target.host, target.port, sink, this.#options);
  }

  /** Requests go as soon as one target is known; that none is, is said when all have answered. */
  #settle(): void {
    if (this.#subscribing) return;
    for (const target of this.#targets.values()) this.#tell(target);
    let failed: CarpoolError | null = null;
    let waiting = false;
    for (const { answer, known } of this.#targets.values()) {
      if (known) {
        this.#sink.settled(null);
        return;
      }
      if (answer.answer === 'bad') failed ??= answer.error;
      else waiting = true;
    }
    if (!waiting) this.#sink.settled(failed);
  }

  /** Says once that no request can go to a target, for the others take its part in silence; and once that some can again. */
  #tell(target: TargetSink): void {
    const { problem, name } = target;
    // Nothing is known yet.
    if (target.answer.answer === 'none' || (problem !== null) === target.missing) return;
    const { name: destination, events } = this.#owner;
    target.missing = problem !== null;
    if (problem === null) {
      events.emit({ type: 'target_found', destination, target: name });
      return;
    }
    const others = [...this.#targets.values()].some((each) => each.known && each.problem === null);
    const where = others ? 'requests go to the other targets' : 'no other target is there either';
    const message = `${problem.message}; ${where}. ${problem.hint} Correct its name in \`to\`, or give it weight 0`;
    events.emit({ type: 'target_missing', destination, target: name, message });
  }

  describe(): DiscoveryState {
    const all = [...this.#targets.values()].flatMap(({ name, subscription }) =>
      subscription === null ? [] : [{ name, state: subscription.describe() }],
    );
    const best = all.find(({ state }) => state.state === 'ready') ?? all[0];
    if (best === undefined) return { source: 'dns', state: 'resolving', error: null, ageMs: null };
    const errors = all.flatMap(({ name, state: { error } }) => (error === null ? [] : `${name}: ${error}`));
    return { ...best.state, error: errors.length === 0 ? null : errors.join('; ') };
  }

  refresh(): void {
    for (const { subscription } of this.#targets.values()) subscription?.refresh();
  }

  close(): void {
    for (const target of this.#targets.values()) target.close(false);
  }
}
