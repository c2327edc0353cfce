import { isJsonObject, type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import type { PodObject } from './pod.ts';

/** The way to a value in a document. */
export type Path = readonly (string | number)[];

/** A pod template, or a pod, inside a document. */
export type Workload = {
  /** As kubectl calls it: `deployment/orders`. */
  readonly name: string;
  /** Where the template stands. */
  readonly path: Path;
  readonly template: PodObject;
  /** Metadata of the object that makes the pods; null for a pod, whose metadata are its own. */
  readonly owner: JsonObject | null;
};

type Place = { readonly group: RegExp; readonly path: Path };

const TEMPLATE: Path = ['spec', 'template'];
const CORE = /^v1$/;
const APPS: Place = { group: /^(apps|extensions)\//, path: TEMPLATE };

/** Where each kind has its pod template, by the group that it must be of. */
const KINDS: ReadonlyMap<string, Place> = new Map<string, Place>([
  ['Pod', { group: CORE, path: [] }],
  ['PodTemplate', { group: CORE, path: ['template'] }],
  ['ReplicationController', { group: CORE, path: TEMPLATE }],
  ['Deployment', APPS],
  ['StatefulSet', APPS],
  ['DaemonSet', APPS],
  ['ReplicaSet', APPS],
  ['Job', { group: /^batch\//, path: TEMPLATE }],
  ['CronJob', { group: /^batch\//, path: ['spec', 'jobTemplate', ...TEMPLATE] }],
]);

/** A list in a list is allowed, but nobody needs more of them. */
const DEEPEST = 4;

/** Every pod template of a document, those in lists (`List`, `DeploymentList` …) too. */
export function workloadsIn(document: unknown, depth = 0): readonly Workload[] {
  if (!isJsonObject(document) || depth > DEEPEST) return [];
  const { kind, items } = document;
  if (typeof kind !== 'string') return [];
  if (kind.endsWith('List') && Array.isArray(items)) {
    const each = kind.slice(0, -'List'.length);
    return items.flatMap((item: unknown, index) => {
      if (!isJsonObject(item)) return [];
      // The items of a typed list do not say what they are.
      const whole =
        each === '' || item.kind !== undefined ? item : { kind: each, apiVersion: document.apiVersion, ...item };
      return workloadsIn(whole, depth + 1).map((workload) => {
        const template = workload.path.length === 0 ? item : workload.template;
        return { ...workload, template, path: ['items', index, ...workload.path] };
      });
    });
  }
  const place = KINDS.get(kind);
  if (place === undefined || !place.group.test(String(document.apiVersion))) return [];
  let template: unknown = document;
  for (const key of place.path) template = isJsonObject(template) ? template[key] : undefined;
  if (!isJsonObject(template)) return [];
  const metadata = objectAt(document, 'metadata');
  const name = `${kind.toLowerCase()}/${String(metadata.name ?? metadata.generateName ?? '')}`;
  return [{ name, path: place.path, template, owner: place.path.length === 0 ? null : metadata }];
}

/** The document with another value at `path`; nothing else of it is copied or changed. */
export function replacedAt(document: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(document) && typeof key === 'number')
    return document.with(key, replacedAt(document[key], rest, value));
  if (!isJsonObject(document)) throw new Error(`there is nothing at ${String(key)}`);
  return { ...document, [key]: replacedAt(document[key], rest, value) };
}
