import type { KubeObject } from './kube-objects.ts';

/** Which objects a list or watch is about. */
export type Selection = {
  readonly resource: string;
  readonly namespace: string;
  readonly matches: (labels: Readonly<Record<string, string>>) => boolean;
};

type Change = {
  readonly resource: string;
  readonly version: number;
  readonly before: KubeObject | null;
  readonly after: KubeObject | null;
};

export type WatchEvent = { readonly type: string; readonly object: unknown };

/** A label selector of the API: `key`, `!key`, `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, by commas. */
export function parseSelector(text: string): Selection['matches'] {
  const terms = text.match(/[^,(]+(\([^)]*\))?/g) ?? [];
  const tests = terms.map((term) => {
    const set = /^\s*(\S+)\s+(in|notin)\s*\(([^)]*)\)\s*$/.exec(term);
    const equal = /^\s*([^=!\s]+)\s*(==?|!=)\s*(\S*)\s*$/.exec(term);
    const [, key = '', operator = '', values = ''] = set ?? equal ?? [];
    const wanted = values.split(',').map((value) => value.trim());
    const absent = /^\s*!(\S+)\s*$/.exec(term)?.[1];
    return (labels: Readonly<Record<string, string>>): boolean => {
      if (absent !== undefined) return labels[absent] === undefined;
      if (operator === '') return labels[term.trim()] !== undefined;
      const value = labels[key];
      const found = value !== undefined && wanted.includes(value);
      return operator === 'notin' || operator === '!=' ? !found : found;
    };
  });
  return (labels) => tests.every((test) => test(labels));
}

/** The objects of an API server and how they became what they are, with one growing resource version for all. */
export class ObjectStore {
  readonly #objects = new Map<string, KubeObject>();
  #history: Change[] = [];
  #version = 1_000;
  #oldest = 0;

  get version(): number {
    return this.#version;
  }

  get(resource: string, namespace: string, name: string): KubeObject | null {
    return this.#objects.get(`${resource} ${namespace} ${name}`) ?? null;
  }

  list({ resource, namespace, matches }: Selection): KubeObject[] {
    return [...this.#objects]
      .filter(([key, object]) => key.startsWith(`${resource} ${namespace} `) && matches(object.metadata.labels ?? {}))
      .map(([, object]) => object)
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  put(resource: string, object: KubeObject): Change {
    const key = `${resource} ${object.metadata.namespace} ${object.metadata.name}`;
    const before = this.#objects.get(key) ?? null;
    const after = this.#versioned(object);
    this.#objects.set(key, after);
    return this.#remember({ resource, version: this.#version, before, after });
  }

  /** null: there is none. */
  delete(resource: string, namespace: string, name: string): Change | null {
    const before = this.get(resource, namespace, name);
    if (!before) return null;
    this.#objects.delete(`${resource} ${namespace} ${name}`);
    const last = this.#versioned(before);
    return this.#remember({ resource, version: this.#version, before: last, after: null });
  }

  /** Forgets how it came to this: a watch from an earlier version is `too old`. */
  compact(): void {
    this.#history = [];
    this.#oldest = this.#version;
  }

  /** What a watch from `version` has missed; null: that is too long ago. */
  since(version: number, selection: Selection): WatchEvent[] | null {
    if (version < this.#oldest) return null;
    return this.#history
      .filter((change) => change.version > version)
      .map((change) => this.event(change, selection))
      .filter((event) => event !== null);
  }

  /** What a change is to a watch: an object that leaves the selection is DELETED. null: nothing. */
  event({ resource, version, before, after }: Change, selection: Selection): WatchEvent | null {
    const isIn = (object: KubeObject | null): object is KubeObject =>
      object !== null &&
      object.metadata.namespace === selection.namespace &&
      selection.matches(object.metadata.labels ?? {});
    if (resource !== selection.resource) return null;
    if (isIn(after)) return { type: isIn(before) ? 'MODIFIED' : 'ADDED', object: after };
    if (!isIn(before)) return null;
    return {
      type: 'DELETED',
      object: { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } },
    };
  }

  #versioned(object: KubeObject): KubeObject {
    this.#version++;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
  }

  #remember(change: Change): Change {
    this.#history.push(change);
    return change;
  }
}
