import { isJsonObject, type JsonObject } from '../discovery/kubernetes/json-value.ts';
import { RECORD_ANNOTATION } from './names.ts';
import type { InjectionMode } from './settings.ts';

/**
 * What injection has done to a pod, kept in its annotation: enough to take it all out again, and to know what a second pass
 * has to do.
 */
export type InjectionRecord = {
  /** Of the program that injected. */
  readonly version: string;
  readonly mode: InjectionMode;
  /** Where the variables lead. */
  readonly port: number;
  /** By container: the variables that were added to it. A container that was looked at and got none has an empty list. */
  readonly variables: Readonly<Record<string, readonly string[]>>;
  /** By container: the variables whose values were replaced, as they were. */
  readonly adopted: Readonly<Record<string, readonly JsonObject[]>>;
  /** Annotations that were added beside the record. */
  readonly annotations: readonly string[];
  /** Labels that had another value. */
  readonly labels: Readonly<Record<string, unknown>>;
  /** What did not exist before: `labels`, `annotations`, `metadata`, `volumes`, `initContainers`, `env/<container>`. */
  readonly made: readonly string[];
  /** The same for what was there and null. */
  readonly nulls: readonly string[];
};

/** The record that a pod carries: null where it has none, `broken` where nobody can read it. */
export function readRecord(annotations: JsonObject): InjectionRecord | null | 'broken' {
  const text = annotations[RECORD_ANNOTATION];
  if (text === undefined) return null;
  const parsed = typeof text === 'string' ? parse(text) : null;
  if (parsed === null) return 'broken';
  const {
    version,
    mode,
    port,
    variables,
    adopted = {},
    annotations: added = [],
    labels = {},
    made = [],
    nulls = [],
  } = parsed;
  if (typeof version !== 'string' || (mode !== 'native' && mode !== 'legacy') || typeof port !== 'number')
    return 'broken';
  if (!isListMap(variables, isText) || !isListMap(adopted, isJsonObject) || !isJsonObject(labels)) return 'broken';
  if (!isList(added, isText) || !isList(made, isText) || !isList(nulls, isText)) return 'broken';
  return { version, mode, port, variables, adopted, annotations: added, labels, made, nulls };
}

/** The text of a record: keys in alphabetical order, and nothing that is empty, so that the same record is the same text everywhere. */
export function writeRecord(record: InjectionRecord): string {
  const { adopted, annotations, labels, made, nulls, ...always } = record;
  const some = Object.entries({ adopted, annotations, labels, made, nulls }).filter(
    ([, value]) => Object.keys(value).length > 0,
  );
  return JSON.stringify(sorted({ ...always, ...Object.fromEntries(some) }));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

function parse(text: string): JsonObject | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return isJsonObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

const isText = (value: unknown): value is string => typeof value === 'string';

function isList<T>(value: unknown, is: (entry: unknown) => entry is T): value is readonly T[] {
  return Array.isArray(value) && value.every(is);
}

function isListMap<T>(
  value: unknown,
  is: (entry: unknown) => entry is T,
): value is Readonly<Record<string, readonly T[]>> {
  return isJsonObject(value) && Object.values(value).every((entry) => isList(entry, is));
}

/** What a record says about a container; a container may be called `constructor`. */
export function ownEntry<T>(map: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}
