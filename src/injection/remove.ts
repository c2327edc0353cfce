import { isJsonObject, type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import {
  CONTAINER,
  DEFAULT_CONTAINER_ANNOTATION,
  DISCOVERY_ANNOTATION,
  INJECTED_LABEL,
  RECORD_ANNOTATION,
  VOLUMES,
} from './names.ts';
import { annotationsOf, labelsOf, listAt, type PodObject, specOf } from './pod.ts';
import { type InjectionRecord, ownEntry, readRecord } from './record.ts';
import { isInjected } from './variables.ts';

/** What injection may add beside the record; nothing else goes, whatever a record says. */
const ANNOTATIONS: readonly string[] = [DISCOVERY_ANNOTATION, DEFAULT_CONTAINER_ANNOTATION];

/**
 * Takes out what was injected, by the pod's record: what is left is what was there before, and what has come since. A variable
 * that has another value than injection gives is somebody's own by now, and stays. A pod without a record that can be read is
 * returned as it is.
 */
export function removeInjection(pod: PodObject): PodObject {
  const record = readRecord(annotationsOf(pod));
  if (record === null || record === 'broken') return pod;
  const spec: Record<string, unknown> = { ...specOf(pod) };
  for (const list of ['initContainers', 'containers'])
    if (Array.isArray(spec[list]))
      spec[list] = listAt(spec, list)
        .filter((container) => !isJsonObject(container) || container.name !== CONTAINER)
        .map((container) => (isJsonObject(container) ? withoutVariables(container, record) : container));
  if (Array.isArray(spec.volumes))
    spec.volumes = listAt(spec, 'volumes').filter(
      (volume) => !isJsonObject(volume) || !VOLUMES.includes(String(volume.name)),
    );
  for (const list of ['initContainers', 'volumes']) restore(spec, list, list, record);

  const labels = changed(labelsOf(pod), [INJECTED_LABEL], record.labels);
  const added = ANNOTATIONS.filter((name) => record.annotations.includes(name));
  const annotations = changed(annotationsOf(pod), [RECORD_ANNOTATION, ...added], {});
  const metadata: Record<string, unknown> = { ...objectAt(pod, 'metadata') };
  if (isJsonObject(metadata.labels)) metadata.labels = labels;
  if (isJsonObject(metadata.annotations)) metadata.annotations = annotations;
  for (const map of ['labels', 'annotations']) restore(metadata, map, map, record);
  const before: Record<string, unknown> = { ...pod, metadata, spec };
  restore(before, 'metadata', 'metadata', record);
  return before;
}

/** A container with its variables as they were. */
function withoutVariables(container: JsonObject, record: InjectionRecord): JsonObject {
  const { name } = container;
  if (typeof name !== 'string' || !Array.isArray(container.env)) return container;
  const added = ownEntry(record.variables, name) ?? [];
  const originals = [...(ownEntry(record.adopted, name) ?? [])];
  const env = listAt(container, 'env').flatMap((variable) => {
    if (!isJsonObject(variable) || !isInjected(variable, record.port)) return [variable];
    const index = originals.findIndex((original) => original.name === variable.name);
    // In order: a name may stand twice.
    if (index >= 0) return originals.splice(index, 1);
    return added.includes(String(variable.name)) ? [] : [variable];
  });
  const before: Record<string, unknown> = { ...container, env };
  restore(before, 'env', `env/${name}`, record);
  return before;
}

/** Takes out what injection made and nothing has been added to since. */
function restore(object: Record<string, unknown>, key: string, token: string, { made, nulls }: InjectionRecord): void {
  const value = object[key];
  if (typeof value !== 'object' || value === null || Object.keys(value).length > 0) return;
  if (made.includes(token)) delete object[key];
  else if (nulls.includes(token)) object[key] = null;
}

/** A map without some keys; those that had another value have it again, in their place. */
function changed(map: JsonObject, keys: readonly string[], originals: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(map).flatMap(([key, value]): [string, unknown][] => {
      if (!keys.includes(key)) return [[key, value]];
      return Object.hasOwn(originals, key) ? [[key, originals[key]]] : [];
    }),
  );
}
