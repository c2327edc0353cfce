import { isJsonObject, type JsonObject } from '../../src/discovery/kubernetes/json-value.ts';
import type { PodObject } from '../../src/injection/inject.ts';

const objectIn = (object: JsonObject, key: string): JsonObject => {
  const value = object[key];
  return isJsonObject(value) ? value : {};
};
export const hasRecord = (pod: PodObject): boolean =>
  Object.hasOwn(objectIn(objectIn(pod, 'metadata'), 'annotations'), 'carpool.dev/injection');
/** A record without its sidecar: its annotation is not what the pod had before. */
export const stale = (pod: PodObject): boolean => hasRecord(pod) && !JSON.stringify(pod).includes('"name":"carpool"');

/** A pod without all that injection may touch, found in another way than `removeInjection` finds it. */
export function withoutOurs(pod: PodObject, original: PodObject): unknown {
  const spec = objectIn(pod, 'spec');
  const metadata = objectIn(pod, 'metadata');
  const names = (list: unknown): unknown[] => (Array.isArray(list) ? list.map((each) => objectOr(each).name) : []);
  const rest = (list: string, before: unknown): unknown =>
    (Array.isArray(spec[list]) ? spec[list] : [])
      .filter((each: unknown) => names(before).includes(objectOr(each).name))
      .map((each: unknown) => {
        const { env, ...container } = objectOr(each);
        return list === 'volumes' ? each : { ...container, others: others(env) };
      });
  const { labels, annotations, ...meta } = metadata;
  const originalSpec = objectIn(original, 'spec');
  const keep = (map: unknown, pattern: RegExp): unknown =>
    Object.entries(objectOr(map)).filter(([key]) => !pattern.test(key));
  const { initContainers: _i, containers: _c, volumes: _v, ...simple } = spec;
  return {
    simple,
    meta,
    labels: keep(labels, /^carpool\.dev\/injected$/),
    annotations: keep(annotations, /^carpool\.dev\/(injection|discovery)$|default-container$/),
    lists: ['initContainers', 'containers', 'volumes'].map((list) => rest(list, originalSpec[list])),
  };
}

const objectOr = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});

/** The variables that have nothing to do with a proxy. */
const others = (env: unknown): unknown[] =>
  (Array.isArray(env) ? env : []).filter(
    (each: unknown) => !/proxy|^JAVA_TOOL_OPTIONS$/i.test(String(objectOr(each).name)),
  );
