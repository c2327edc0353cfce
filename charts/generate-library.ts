import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LOG_LEVELS } from '../src/config/choices.ts';
import { writeOrCheck } from '../src/config/written-files.ts';
import { type JsonObject, objectAt } from '../src/discovery/kubernetes/json-value.ts';
import { carpoolContainer, carpoolVolumes, NO_DISCOVERY } from '../src/injection/carpool-container.ts';
import {
  CONTAINER,
  DEFAULT_CONTAINER_ANNOTATION,
  DISCOVERY_ANNOTATION,
  INJECTED_LABEL,
  MESHES,
  PREFIX,
  RECORD_ANNOTATION,
  VOLUMES,
} from '../src/injection/names.ts';
import { NO_PROXY_ENTRY, noProxyNames } from '../src/injection/no-proxy-names.ts';
import { objectsAt } from '../src/injection/pod.ts';
import type { InjectionMode, InjectionSettings } from '../src/injection/settings.ts';
import { INJECTION_DEFAULTS, injectionJsonSchema } from '../src/injection/settings-schema.ts';
import { missingVariables, NO_PROXY_NAMES, PROXY_NAMES } from '../src/injection/variables.ts';

/**
 * Writes what the library chart has in common with `src/injection/`: the container, the volumes, the variables, the defaults
 * and their schema. Only the merging is written in template language. With --check it only says whether the file is up to
 * date (exit code 1 when not).
 */

export const LIBRARY_DATA = 'charts/carpool-lib/templates/_generated.tpl';

/** Stand where the template puts the values of a pod; numbers where the type is one. */
const MARKS = { image: '%{image}', pullPolicy: '%{imagePullPolicy}', configMap: '%{configMap}' } as const;
const PORT = 59_901;
const OPERATOR_PORT = 59_902;
const USER = 2_000_000_903;
const NO_PROXY = '%{noProxy}';
/** Half of it is for the sleep before the stop, and what is left is less than the sidecar would take by itself. */
const POD_GRACE = 58;
const PRE_STOP = POD_GRACE / 2;
const SHUTDOWN_GRACE = `${PRE_STOP - 1}s`;

/** With settings in which everything is there that may be. */
function settings(mode: InjectionMode): InjectionSettings {
  const resources = { requests: { cpu: '1m' }, limits: { memory: '1Mi' } };
  // A pull policy is one of three words, and a mark is none: it is put in below.
  const marked = { image: MARKS.image, configMap: MARKS.configMap, port: PORT, operatorPort: OPERATOR_PORT };
  return { ...INJECTION_DEFAULTS, ...marked, mode, runAsUser: USER, resources, preStopSeconds: PRE_STOP };
}

/** With everything that a sidecar may have. */
function sidecar(mode: InjectionMode): JsonObject {
  const pod = { spec: { terminationGracePeriodSeconds: POD_GRACE } };
  const wishes = { settings: settings(mode), runArguments: [], meshes: [...MESHES], parentProxy: [] };
  return { ...carpoolContainer(pod, wishes), imagePullPolicy: MARKS.pullPolicy, resources: {} };
}

/** The variables that every sidecar has. */
function always(mode: InjectionMode): readonly unknown[] {
  const least = { ...INJECTION_DEFAULTS, image: MARKS.image, mode, resources: { requests: {}, limits: {} } };
  const pod = { spec: { terminationGracePeriodSeconds: 3600 } };
  const container = carpoolContainer(pod, { settings: least, runArguments: [], meshes: [], parentProxy: [] });
  return objectsAt(container, 'env').map(({ name }) => name);
}

const variables = (httpsProxy: boolean, java: boolean) =>
  missingVariables({ name: 'app' }, { port: PORT, httpsProxy, java, noProxy: [NO_PROXY], envFrom: false }, false)
    .variables;
const javaOptions = (httpsProxy: boolean): string => {
  const last = variables(httpsProxy, true).at(-1);
  if (last === undefined || !last.value.startsWith('-D')) throw new Error('the last variable is not Java’s');
  return last.value;
};

function data(): JsonObject {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'),
  );
  return {
    version,
    names: {
      container: CONTAINER,
      volumes: VOLUMES,
      meshes: MESHES,
      prefix: PREFIX,
      label: INJECTED_LABEL,
      record: RECORD_ANNOTATION,
      discovery: DISCOVERY_ANNOTATION,
      defaultContainer: DEFAULT_CONTAINER_ANNOTATION,
      noDiscovery: NO_DISCOVERY.name,
    },
    defaults: { ...INJECTION_DEFAULTS, mode: 'auto', image: `carpool:${version}` },
    schema: schemaOfSettings(),
    logLevels: LOG_LEVELS,
    noProxy: { always: noProxyNames(), entry: NO_PROXY_ENTRY.source },
    proxyNames: PROXY_NAMES,
    noProxyNames: NO_PROXY_NAMES,
    variables: variables(true, true),
    java: { http: javaOptions(false), https: javaOptions(true) },
    always: { native: always('native'), legacy: always('legacy') },
    sidecar: { native: sidecar('native'), legacy: sidecar('legacy') },
    volumes: carpoolVolumes(settings('native')),
  };
}

/** As in the chart, `mode` may be left to the version of Kubernetes. */
function schemaOfSettings(): JsonObject {
  const properties = objectAt(injectionJsonSchema(), 'properties');
  const mode: JsonObject = { ...objectAt(properties, 'mode'), enum: ['native', 'legacy', 'auto'] };
  return Object.fromEntries(
    Object.keys(properties).map((name) => {
      const { type, enum: choices, minimum, maximum, pattern } = name === 'mode' ? mode : objectAt(properties, name);
      const spec: JsonObject = { type, enum: choices, minimum, maximum, pattern: withoutLookahead(pattern) };
      return [name, Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined))];
    }),
  );
}

/** Go's regular expressions look neither ahead nor back; the length of a name is checked by the API server. */
const withoutLookahead = (pattern: unknown): unknown =>
  typeof pattern === 'string' ? pattern.replace(/\(\?=[^)]*\)/, '') : pattern;

/** Numbers that stand for others, as text. */
const MARKED: JsonObject = {
  port: String(PORT),
  operatorPort: String(OPERATOR_PORT),
  user: String(USER),
  preStop: JSON.stringify(String(PRE_STOP)),
  shutdownGrace: SHUTDOWN_GRACE,
};

export function libraryData(): string {
  const text = JSON.stringify({ ...data(), marks: MARKED }, null, 2);
  return `{{- /* Made by charts/generate-library.ts from src/injection: change that. */ -}}
{{- define "carpool-lib.data" -}}
${text}
{{- end -}}
`;
}

if (import.meta.main) writeOrCheck('charts/generate-library.ts', new Map([[LIBRARY_DATA, libraryData()]]));
