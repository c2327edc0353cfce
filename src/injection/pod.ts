import { isJsonObject, type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import { CONTAINER, MESHES } from './names.ts';

/** Looks at a pod, of which only the API server knows whether it is right: what is no object or no list counts as missing. */

/** A Pod, or a pod template: an object with `metadata` and `spec`. */
export type PodObject = JsonObject;

/** The list at `key`, or an empty one. */
export function listAt(object: JsonObject, key: string): readonly unknown[] {
  const value: unknown = object[key];
  return Array.isArray(value) ? value : [];
}

/** The objects of the list at `key`. */
export function objectsAt(object: JsonObject, key: string): readonly JsonObject[] {
  return listAt(object, key).filter(isJsonObject);
}

export const labelsOf = (pod: PodObject): JsonObject => objectAt(objectAt(pod, 'metadata'), 'labels');
export const annotationsOf = (pod: PodObject): JsonObject => objectAt(objectAt(pod, 'metadata'), 'annotations');
export const specOf = (pod: PodObject): JsonObject => objectAt(pod, 'spec');

/** The containers of both lists, those that start first first. */
export function allContainers(pod: PodObject): readonly JsonObject[] {
  const spec = specOf(pod);
  return [...objectsAt(spec, 'initContainers'), ...objectsAt(spec, 'containers')];
}

/** The names of the pod's containers that belong to a mesh. */
export function meshesOf(pod: PodObject): readonly string[] {
  const names = allContainers(pod).map(({ name }) => name);
  return MESHES.filter((mesh) => names.includes(mesh));
}

/** Whether a container of the pod is carpool's. */
export function hasSidecar(pod: PodObject): boolean {
  return allContainers(pod).some(({ name }) => name === CONTAINER);
}
