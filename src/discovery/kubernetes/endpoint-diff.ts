import type { EndpointSink, EndpointSpec } from '../discovery.ts';
import type { Condition, SelectedEndpoint } from './select-endpoints.ts';

/** What the sink knows of an endpoint. */
type Told = {
  spec: EndpointSpec;
  /** The id that the endpoint would have by its other address. */
  otherId: string | null;
  condition: Condition;
};

type Worse = Exclude<Condition, 'ready'>;

/** An endpoint of the new selection, and what was told of it before, if anything. */
type Pair = { readonly next: SelectedEndpoint; readonly told: Told | null };

/**
 * Turns whole selections into the calls that a sink understands, for one destination, and into no more of them than
 * needed. What gets better is told first, so that the sink never has worse endpoints than before and after. Those that
 * turn `serving` come last: were they told while a better one is still there that is about to go, they would lose
 * their idle connections although they are needed.
 *
 * An endpoint keeps the id (and with it the first address) by which it was told, also while only its address in the
 * other family is listed: the slices of the two families change one after the other.
 */
export class EndpointDiff {
  readonly #sink: EndpointSink;
  /** By the id that the sink knows. */
  readonly #told = new Map<string, Told>();

  constructor(sink: EndpointSink) {
    this.#sink = sink;
  }

  /**
   * Tells the sink about the next selection.
   * @returns whether an endpoint has left the rotation: it turned unready or terminating, or is gone
   */
  apply(selection: ReadonlyMap<string, SelectedEndpoint>): boolean {
    const pairs = this.#pair(selection);
    const kept = new Set(pairs.map(({ told }) => told));
    const gone = [...this.#told.values()].filter((told) => !kept.has(told));
    let left = false;
    const worse = (condition: Worse, from: (before: Condition) => boolean) => {
      for (const { next, told } of pairs)
        if (told !== null && next.condition === condition && from(told.condition) && this.#worse(next, told, condition))
          left = true;
    };
    for (const { next, told } of pairs) if (next.condition === 'ready') this.#ready(next, told);
    for (const { next, told } of pairs) if (next.condition === 'serving' && told === null) this.#onlyServing(next);
    worse('serving', (before) => before !== 'ready');
    worse('unready', () => true);
    worse('leaving', () => true);
    for (const told of gone) if (this.#remove(told)) left = true;
    worse('serving', () => true);
    return left;
  }

  /** Whether the sink has the endpoint from here. */
  has(id: string): boolean {
    return this.#told.has(id);
  }

  /**
   * Every endpoint that was told goes.
   * @param keep those that others tell under the same id by now: they are only forgotten here
   */
  clear(keep: (id: string) => boolean = () => false): void {
    for (const told of [...this.#told.values()]) {
      if (keep(told.spec.id)) this.#told.delete(told.spec.id);
      else this.#remove(told);
    }
  }

  /** Finds what was told of each endpoint: by its id, else by the id that it has in the other family. */
  #pair(selection: ReadonlyMap<string, SelectedEndpoint>): Pair[] {
    const free = new Map<string, Told>();
    for (const [id, told] of this.#told) if (!selection.has(id)) free.set(id, told);
    const byOtherId = new Map<string, Told>();
    for (const told of free.values()) if (told.otherId !== null) byOtherId.set(told.otherId, told);
    return [...selection].map(([id, next]) => {
      const same = byOtherId.get(id) ?? (next.otherId === null ? undefined : free.get(next.otherId));
      const told = this.#told.get(id) ?? (same !== undefined && free.delete(same.spec.id) ? same : null);
      return { next, told };
    });
  }

  #ready(next: SelectedEndpoint, told: Told | null): void {
    if (told === null) {
      this.#told.set(next.spec.id, { ...next });
      this.#sink.add(next.spec);
      return;
    }
    const changed = update(told, next);
    if (told.condition === 'ready' && !changed) return;
    told.condition = 'ready';
    this.#sink.add(told.spec);
  }

  /** Terminating when it is first heard of: it may be the only one that answers. */
  #onlyServing(next: SelectedEndpoint): void {
    this.#told.set(next.spec.id, { ...next });
    this.#sink.add(next.spec);
    this.#sink.terminating(next.spec.id, true);
  }

  /** An endpoint that was never told does not come here: it is of no interest while it takes no request. */
  #worse(next: SelectedEndpoint, told: Told, condition: Worse): boolean {
    update(told, next);
    const before = told.condition;
    if (before === condition) return false;
    told.condition = condition;
    if (condition === 'unready') this.#sink.unready(told.spec.id);
    else this.#sink.terminating(told.spec.id, condition === 'serving');
    return before !== 'leaving';
  }

  #remove(told: Told): boolean {
    this.#told.delete(told.spec.id);
    this.#sink.remove(told.spec.id);
    return told.condition !== 'leaving';
  }
}

/**
 * Takes over what is new about an endpoint; an address that is not listed at the moment is kept, as it is the same pod's.
 * @returns whether there is anything that the sink would want to know
 */
function update(told: Told, { spec, otherId }: SelectedEndpoint): boolean {
  const before = told.spec;
  const swapped = spec.id !== before.id;
  const otherAddress = swapped ? spec.address : (spec.otherAddress ?? before.otherAddress);
  told.otherId = swapped ? spec.id : (otherId ?? told.otherId);
  told.spec = {
    ...spec,
    id: before.id,
    address: before.address,
    ...(otherAddress === undefined ? {} : { otherAddress }),
  };
  return (
    before.otherAddress !== otherAddress ||
    before.zone !== spec.zone ||
    before.hostname !== spec.hostname ||
    before.pod !== spec.pod ||
    before.appProtocol !== spec.appProtocol
  );
}
