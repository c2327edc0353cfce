import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import { findParentProxy, type ParentProxy, parentProxyVariables } from './adopt.ts';
import { carpoolContainer, carpoolVolumes, NO_DISCOVERY, podLevelResources } from './carpool-container.ts';
import { type Equipped, equip, mayAdopt } from './equip.ts';
import { losesGuarantee } from './guaranteed.ts';
import { probeToRestore } from './mesh-probe.ts';
import {
  CONTAINER,
  DEFAULT_CONTAINER_ANNOTATION,
  DISCOVERY_ANNOTATION,
  INJECTED_LABEL,
  MESHES,
  RECORD_ANNOTATION,
} from './names.ts';
import { noProxyNames } from './no-proxy-names.ts';
import {
  allContainers,
  annotationsOf,
  hasSidecar,
  labelsOf,
  listAt,
  meshesOf,
  objectsAt,
  type PodObject,
  specOf,
} from './pod.ts';
import { type InjectionRecord, readRecord, writeRecord } from './record.ts';
import { removeInjection } from './remove.ts';
import type { InjectionSettings } from './settings.ts';
import { refusedByPod, refusedByWish, type Skip, type SkipReason } from './skip.ts';
import type { ProxyValues } from './variables.ts';
import { type PodWishes, readWishes } from './wishes.ts';

export type { PodObject } from './pod.ts';
export type { SkipReason } from './skip.ts';

/** What came of a pod. */
export type Injection = {
  readonly outcome: 'injected' | 'unchanged' | 'skipped';
  /** As it is to be from now on; the very same object where nothing changes. */
  readonly pod: PodObject;
  /** Why it was skipped, else null. */
  readonly reason: SkipReason | null;
  /** For the person who made the pod, one line each. */
  readonly warnings: readonly string[];
};

export type InjectionOptions = {
  /** Of this program, for the record. */
  readonly version: string;
  /**
   * What becomes of a sidecar that was injected before. `keep`: it stays as it is, and the pod gets what it lacks, such as
   * the variables of a container that has come since. `replace`: it is taken out and injected anew.
   */
  readonly existing: 'keep' | 'replace';
};

/**
 * Injects the sidecar in a pod or a pod template, or says why not. The same for the same arguments; applied to its own result
 * it changes nothing. The argument is not changed.
 */
export function injectPod(pod: PodObject, settings: InjectionSettings, options: InjectionOptions): Injection {
  const found = readRecord(annotationsOf(pod));
  const record = found === 'broken' ? null : found;
  // A record without its sidecar was copied from another pod: what else of it was copied goes first.
  const kept = options.existing === 'keep' && record !== null && hasSidecar(pod);
  const before = kept ? pod : removeInjection(pod);

  const { wishes, problems, warnings } = readWishes(labelsOf(before), annotationsOf(before), settings);
  const broken =
    found === 'broken' ? [`${RECORD_ANNOTATION} cannot be read, and does not say what is injected here`] : [];
  const skip = refusedByWish(wishes, [...problems, ...broken]) ?? (kept ? null : refusedByPod(before, wishes));
  if (skip !== null) return skipped(options.existing === 'replace' ? before : pod, skip);
  if (objectsAt(specOf(before), 'containers').length === 0)
    return { outcome: 'unchanged', pod, reason: null, warnings: ['there is no container in it'] };

  const result = kept ? complete(pod, record, wishes) : fresh(before, wishes, options.version);
  if ('refused' in result)
    return skipped(before, {
      reason: 'invalid_annotation',
      warnings: [`carpool is not injected: carpool.dev/adopt-proxy: ${result.refused}`],
    });
  const same = isDeepStrictEqual(result.pod, pod);
  return {
    outcome: same ? 'unchanged' : 'injected',
    pod: same ? pod : result.pod,
    reason: null,
    warnings: [...warnings, ...result.warnings],
  };
}

type Result = { readonly pod: PodObject; readonly warnings: readonly string[] } | { readonly refused: string };

const skipped = (pod: PodObject, { reason, warnings }: Skip): Injection => ({
  outcome: 'skipped',
  pod,
  reason,
  warnings,
});

/** What the variables say, by the settings and the pod's annotations. */
const proxyValues = ({ settings, noProxy, envFrom }: PodWishes, port: number): ProxyValues => ({
  port,
  httpsProxy: settings.httpsProxy,
  java: settings.java,
  noProxy: noProxyNames(settings.noProxy, noProxy),
  envFrom,
});

/** Whether a container gets the variables: the app's, or those that are named; never a mesh's, and never carpool. */
function receives(container: JsonObject, list: string, { containers, settings }: PodWishes): boolean {
  const { name } = container;
  if (typeof name !== 'string' || name === CONTAINER || MESHES.includes(name)) return false;
  // In legacy mode carpool does not run yet when init containers do.
  if (list === 'initContainers') return settings.mode === 'native' && (containers?.includes(name) ?? false);
  return containers?.includes(name) ?? true;
}

/** Names in `carpool.dev/containers` that lead to nothing. */
function unheard(pod: PodObject, wishes: PodWishes): string[] {
  const spec = specOf(pod);
  const heard = ['initContainers', 'containers'].flatMap((list) =>
    objectsAt(spec, list).filter((container) => receives(container, list, wishes)),
  );
  return (wishes.containers ?? [])
    .filter((name) => !heard.some((container) => container.name === name))
    .map((name) => `carpool.dev/containers: ${name} gets no variables: it is no container that may have them`);
}

/** Injects in a pod that has nothing of carpool. */
function fresh(pod: PodObject, wishes: PodWishes, version: string): Result {
  const { settings } = wishes;
  const spec = specOf(pod);
  const values = proxyValues(wishes, settings.port);
  const parent = wishes.adoptProxy ? parentOf(pod, wishes, settings.port) : null;
  if (parent !== null && 'refused' in parent) return parent;
  const equipped = equip(pod, (container, list) => receives(container, list, wishes), values, parent);

  const meshes = meshesOf(pod);
  const sidecar = carpoolContainer(pod, {
    settings,
    runArguments: wishes.runArguments,
    meshes,
    parentProxy: parent === null ? [] : parentProxyVariables(parent),
  });
  const first = settings.mode === 'native' ? 'initContainers' : 'containers';
  const lists = { ...equipped.lists, [first]: [sidecar, ...(equipped.lists[first] ?? [])] };
  const added = annotationsFor(pod, settings, meshes);
  const record: InjectionRecord = {
    version,
    mode: settings.mode,
    port: settings.port,
    variables: equipped.variables,
    adopted: equipped.adopted,
    annotations: Object.keys(added),
    labels: Object.hasOwn(labelsOf(pod), INJECTED_LABEL) ? { [INJECTED_LABEL]: labelsOf(pod)[INJECTED_LABEL] } : {},
    ...notThere(pod, settings, equipped),
  };
  const metadata = {
    ...objectAt(pod, 'metadata'),
    labels: { ...labelsOf(pod), [INJECTED_LABEL]: 'true' },
    annotations: { ...annotationsOf(pod), ...added, [RECORD_ANNOTATION]: writeRecord(record) },
  };
  const volumes = [...listAt(spec, 'volumes'), ...carpoolVolumes(settings)];
  const resources = aboutResources(pod, sidecar);
  return {
    pod: { ...pod, metadata, spec: { ...spec, ...lists, volumes } },
    warnings: [...unheard(pod, wishes), ...equipped.warnings, ...resources],
  };
}

/** What the sidecar's resources mean for the pod. */
function aboutResources(pod: PodObject, sidecar: JsonObject): string[] {
  if (podLevelResources(pod)) return ['the pod has resources as a whole: the carpool container has none of its own'];
  return losesGuarantee(pod, sidecar)
    ? [
        'the pod’s QoS class is Guaranteed no longer, for the limits of the carpool container are not its requests: carpool.dev/cpu-limit, cpu-request, memory-limit and memory-request can make them equal',
      ]
    : [];
}

/** Gives a pod that has its sidecar what came too late for the first pass. */
function complete(pod: PodObject, record: InjectionRecord, wishes: PodWishes): Result {
  const kept: PodWishes = { ...wishes, settings: { ...wishes.settings, mode: record.mode, port: record.port } };
  const known = sidecarOf(pod);
  const isNew = (container: JsonObject, list: string): boolean =>
    receives(container, list, kept) && !Object.hasOwn(record.variables, String(container.name));
  const parent = wishes.adoptProxy ? (parentIn(known) ?? parentOf(pod, kept, record.port)) : null;
  if (parent !== null && 'refused' in parent) return parent;
  const equipped = equip(pod, isNew, proxyValues(wishes, record.port), parent);

  const meshes = meshesOf(pod);
  const env = objectsAt(known, 'env');
  const lacks = (variables: readonly JsonObject[]): JsonObject[] =>
    variables.filter(({ name }) => !env.some((each) => each.name === name));
  const adopts = Object.keys(equipped.adopted).length > 0 && parent !== null;
  const more = [
    ...lacks(adopts && parentIn(known) === null ? parentProxyVariables(parent) : []),
    ...lacks(meshes.length > 0 ? [NO_DISCOVERY] : []),
  ];
  const some = (entries: Readonly<Record<string, readonly unknown[]>>): boolean =>
    Object.values(entries).some((each) => each.length > 0);
  const probe = probeToRestore(pod, known);
  if (more.length === 0 && probe === null && !some(equipped.variables) && !some(equipped.adopted))
    return { pod, warnings: equipped.warnings };

  const added = more.includes(NO_DISCOVERY) ? annotationsFor(pod, kept.settings, meshes) : {};
  const next: InjectionRecord = {
    ...record,
    variables: { ...record.variables, ...equipped.variables },
    adopted: { ...record.adopted, ...equipped.adopted },
    annotations: [...record.annotations, ...Object.keys(added)],
    made: [...record.made, ...equipped.made],
    nulls: [...record.nulls, ...equipped.nulls],
  };
  const withMore = (sidecar: JsonObject): JsonObject => ({
    ...sidecar,
    env: [...listAt(sidecar, 'env'), ...more],
    ...(probe === null ? {} : { startupProbe: probe }),
  });
  const lists = Object.fromEntries(
    Object.entries(equipped.lists).map(([list, containers]) => [
      list,
      containers.map((each) => (isJsonObject(each) && each.name === CONTAINER ? withMore(each) : each)),
    ]),
  );
  const metadata = {
    ...objectAt(pod, 'metadata'),
    annotations: { ...annotationsOf(pod), ...added, [RECORD_ANNOTATION]: writeRecord(next) },
  };
  return { pod: { ...pod, metadata, spec: { ...specOf(pod), ...lists } }, warnings: equipped.warnings };
}

const sidecarOf = (pod: PodObject): JsonObject => allContainers(pod).find(({ name }) => name === CONTAINER) ?? {};

/** The parent proxy among the variables of the containers that get ours. */
function parentOf(pod: PodObject, wishes: PodWishes, port: number): ReturnType<typeof findParentProxy> {
  const spec = specOf(pod);
  const containers = ['containers', 'initContainers'].flatMap((list) =>
    objectsAt(spec, list).filter(
      (container) => receives(container, list, wishes) && mayAdopt(container, wishes.envFrom),
    ),
  );
  return findParentProxy(containers, port);
}

/** The parent proxy that a sidecar has been given already. */
function parentIn(sidecar: JsonObject): ParentProxy | null {
  const variable = objectsAt(sidecar, 'env').find(({ name }) => name === 'CARPOOL_EGRESS_PARENT_PROXY_URL');
  if (variable === undefined) return null;
  const { name: _, ...source } = variable;
  return { source, noProxy: null };
}

/** Annotations beside the record; one that is there stays. */
function annotationsFor(
  pod: PodObject,
  { mode }: InjectionSettings,
  meshes: readonly string[],
): Readonly<Record<string, string>> {
  const there = annotationsOf(pod);
  const added: Record<string, string> = {};
  if (meshes.length > 0) added[DISCOVERY_ANNOTATION] = `off (${meshes.join(', ')})`;
  const app = objectsAt(specOf(pod), 'containers').find(
    ({ name }) => name !== CONTAINER && !MESHES.includes(String(name)),
  );
  if (mode === 'legacy' && typeof app?.name === 'string') added[DEFAULT_CONTAINER_ANNOTATION] = app.name;
  return Object.fromEntries(Object.entries(added).filter(([name]) => !Object.hasOwn(there, name)));
}

/** What of that which injection adds to is missing or null. */
function notThere(
  pod: PodObject,
  { mode }: InjectionSettings,
  equipped: Equipped,
): Pick<InjectionRecord, 'made' | 'nulls'> {
  const metadata = objectAt(pod, 'metadata');
  const spec = specOf(pod);
  const places: readonly (readonly [string, unknown])[] = [
    ['metadata', pod.metadata],
    ['labels', metadata.labels],
    ['annotations', metadata.annotations],
    ...(mode === 'native' ? ([['initContainers', spec.initContainers]] as const) : []),
    ['volumes', spec.volumes],
  ];
  const which = (value: null | undefined): string[] =>
    places.flatMap(([token, there]) => (there === value ? [token] : []));
  return { made: [...which(undefined), ...equipped.made], nulls: [...which(null), ...equipped.nulls] };
}
