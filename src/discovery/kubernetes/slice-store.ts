import { isDeepStrictEqual } from 'node:util';
import type { AddressRange } from '../address-range.ts';
import { shown } from './json-value.ts';
import type { SliceFacts } from './objects.ts';
import { objectMeta, readSlice } from './read-objects.ts';
import { olderVersion } from './resource-version.ts';

export type SliceStoreOptions = {
  /** Addresses that may be dialled although no pod has such. */
  readonly allow: () => readonly AddressRange[];
  /** What cannot be read, as a name for people: the first of them, or null when there is none any more. */
  readonly unreadable: (first: string | null) => void;
};

/** How a list stands to what is known. */
export type ListScope = {
  /** The list's own version: what is older and not in the list is no more; null: not known. */
  readonly version: string | null;
  /** The list's own version, where what is known may be newer than it; null: the list is the newest there is. */
  readonly newerThan: string | null;
  /** Services that the list does not cover and that are to be kept. */
  readonly keep: (service: string) => boolean;
};

type Held = { readonly facts: SliceFacts; version: string | null };

/** Deletions that are remembered, so that news from before them does not bring a slice back. */
const MAX_DELETED = 1_000;

const WHOLE: ListScope = { version: null, newerThan: null, keep: () => false };

/**
 * The EndpointSlices of one namespace, by Service and slice. Of each only what discovery uses is kept, and only a real
 * difference counts as a change: most updates of a slice touch nothing but its version.
 */
export class SliceStore {
  readonly #options: SliceStoreOptions;
  readonly #held = new Map<string, Held>();
  readonly #byService = new Map<string, Map<string, SliceFacts>>();
  readonly #deleted = new Map<string, string>();
  readonly #unreadable = new Set<string>();
  #lastList: ListScope = WHOLE;

  constructor(options: SliceStoreOptions) {
    this.#options = options;
  }

  /** The Service's slices by name. */
  slices(service: string): readonly SliceFacts[] {
    const slices = [...(this.#byService.get(service)?.values() ?? [])];
    return slices.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The slices of all Services, in no order. */
  all(): readonly SliceFacts[] {
    return [...this.#held.values()].map(({ facts }) => facts);
  }

  /**
   * Takes a complete list in place of what is known.
   * @returns the Services whose slices are others now
   */
  replace(items: readonly unknown[], scope: ListScope = WHOLE): Set<string> {
    const { newerThan, keep } = scope;
    const changed = new Set<string>();
    const listed = new Set<string>();
    if (newerThan === null) this.#deleted.clear();
    this.#unreadable.clear();
    for (const item of items) {
      const { name, resourceVersion } = objectMeta(item);
      if (name !== null) listed.add(name);
      this.#put(item, newerThan === null ? null : resourceVersion, resourceVersion, changed);
    }
    for (const [name, { facts, version }] of [...this.#held]) {
      if (listed.has(name) || keep(facts.service)) continue;
      const newer = newerThan !== null && version !== null && olderVersion(newerThan, version);
      if (!newer) this.#drop(name, changed);
    }
    this.#lastList = scope;
    this.#tellUnreadable();
    return changed;
  }

  /**
   * Takes one event of a watch.
   * @param type ADDED, MODIFIED or DELETED; others change nothing
   * @returns the Services whose slices are others now
   */
  apply(type: string, object: unknown): Set<string> {
    const changed = new Set<string>();
    const { name, resourceVersion } = objectMeta(object);
    if (type === 'DELETED') this.#delete(name, resourceVersion, changed);
    else if ((type === 'ADDED' || type === 'MODIFIED') && !this.#beforeList(object))
      this.#put(object, resourceVersion, resourceVersion, changed);
    this.#tellUnreadable();
    return changed;
  }

  clear(): void {
    this.#held.clear();
    this.#byService.clear();
    this.#deleted.clear();
    this.#unreadable.clear();
    this.#tellUnreadable();
  }

  /** Whether it is late news (of a watch that lags behind the list) of a slice that had gone when the list was made. */
  #beforeList(object: unknown): boolean {
    const { name, resourceVersion } = objectMeta(object);
    const { version, keep } = this.#lastList;
    if (name === null || resourceVersion === null || version === null || this.#held.has(name)) return false;
    if (!olderVersion(resourceVersion, version)) return false;
    const facts = readSlice(object, this.#options.allow());
    return facts !== null && !keep(facts.service);
  }

  /** @param at the version to compare with what is known, or null: it is taken whatever is known */
  #put(object: unknown, at: string | null, version: string | null, changed: Set<string>): void {
    const name = objectMeta(object).name ?? shown(object);
    const known = this.#held.get(name);
    const last = known?.version ?? this.#deleted.get(name) ?? null;
    if (at !== null && last !== null && olderVersion(at, last)) return;
    const facts = readSlice(object, this.#options.allow());
    if (facts === null) {
      // What was known of it before is the best guess; the next list or event settles it.
      this.#unreadable.add(name);
      return;
    }
    this.#unreadable.delete(name);
    this.#deleted.delete(name);
    if (known !== undefined && isDeepStrictEqual(known.facts, facts)) {
      known.version = version;
      return;
    }
    if (known !== undefined && known.facts.service !== facts.service) this.#drop(name, changed);
    this.#held.set(name, { facts, version });
    const ofService = this.#byService.get(facts.service) ?? new Map<string, SliceFacts>();
    this.#byService.set(facts.service, ofService.set(name, facts));
    changed.add(facts.service);
  }

  #delete(name: string | null, version: string | null, changed: Set<string>): void {
    if (name === null) return;
    const known = this.#held.get(name)?.version ?? null;
    if (version !== null && known !== null && olderVersion(version, known)) return;
    this.#unreadable.delete(name);
    this.#drop(name, changed);
    if (version === null) return;
    this.#deleted.delete(name);
    this.#deleted.set(name, version);
    for (const oldest of this.#deleted.keys()) {
      if (this.#deleted.size <= MAX_DELETED) break;
      this.#deleted.delete(oldest);
    }
  }

  #drop(name: string, changed: Set<string>): void {
    const known = this.#held.get(name);
    if (known === undefined) return;
    const { service } = known.facts;
    this.#held.delete(name);
    const ofService = this.#byService.get(service);
    ofService?.delete(name);
    if (ofService?.size === 0) this.#byService.delete(service);
    changed.add(service);
  }

  #tellUnreadable(): void {
    const [first = null] = this.#unreadable;
    this.#options.unreadable(first);
  }
}
