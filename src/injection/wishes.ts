import { LOG_LEVELS } from '../config/choices.ts';
import { flagsFrom, readFlags } from '../config/flags.ts';
import { nearest } from '../config/nearest.ts';
import { describeRaw, type Problem } from '../config/problems.ts';
import type { JsonObject } from '../discovery/kubernetes/json-value.ts';
import { DISCOVERY_ANNOTATION, INJECTED_LABEL, PREFIX, RECORD_ANNOTATION } from './names.ts';
import { NO_PROXY_ENTRY } from './no-proxy-names.ts';
import { parseQuantity } from './quantity.ts';
import type { InjectionMode, InjectionSettings, Resources } from './settings.ts';
import { isObjectName, overLimit } from './settings-schema.ts';

/** The settings of one pod: those of the installation with the pod's annotations over them. */
export type PodWishes = {
  readonly settings: InjectionSettings;
  /** False: not this pod. */
  readonly inject: boolean;
  /** Whether the pod names both ports itself, as it must with the host's network. */
  readonly ownPorts: boolean;
  /** Arguments of `carpool run`. */
  readonly runArguments: readonly string[];
  /** More of NO_PROXY than the installation's. */
  readonly noProxy: readonly string[];
  /** Only these containers get the variables; null: every app container. */
  readonly containers: readonly string[] | null;
  readonly envFrom: boolean;
  readonly adoptProxy: boolean;
};

type Read<T> = { readonly value: T } | { readonly refused: string };

const NOT_WISHES: readonly string[] = [RECORD_ANNOTATION, DISCOVERY_ANNOTATION, INJECTED_LABEL];

const asBoolean = (text: string): Read<boolean> =>
  text === 'true' || text === 'false' ? { value: text === 'true' } : { refused: 'must be "true" or "false"' };
const asPort = (text: string): Read<number> =>
  /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535
    ? { value: Number(text) }
    : { refused: 'must be a port from 1 to 65535' };
const asMode = (text: string): Read<InjectionMode> =>
  text === 'native' || text === 'legacy' ? { value: text } : { refused: 'must be native or legacy' };
const asQuantity = (text: string): Read<string> =>
  parseQuantity(text) === null ? { refused: 'must be a quantity such as 20m or 96Mi' } : { value: text };
const asObjectName = (text: string): Read<string> =>
  isObjectName(text) ? { value: text } : { refused: 'must be the name of a ConfigMap' };
const asLogLevel = (text: string): Read<string> =>
  LOG_LEVELS.some((level) => level === text) ? { value: text } : { refused: `must be one of ${LOG_LEVELS.join(', ')}` };

const entries = (text: string): string[] =>
  text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
const asNames = (text: string): Read<readonly string[]> => {
  const names = entries(text);
  if (names.length === 0) return { refused: 'must name at least one container' };
  const wrong = names.find((name) => !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name));
  return wrong === undefined ? { value: names } : { refused: 'must be names of containers, with commas between' };
};
const asNoProxy = (text: string): Read<readonly string[]> => {
  const names = entries(text);
  return names.every((name) => NO_PROXY_ENTRY.test(name))
    ? { value: names }
    : { refused: 'must be names and addresses, with commas between' };
};

/** Settings that injection itself needs to know: a pod whose sidecar listens elsewhere would never start, or never call. */
const SET_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['listener.port', `use ${PREFIX}port`],
  ['operator.port', `use ${PREFIX}operator-port`],
  ...['listener.host', 'operator.host', 'operator.enabled', 'control.socket'].map(
    (path) => [path, 'the pod needs it as it is'] as const,
  ),
]);

/** Lines of `path=value`, checked as the sidecar will check them: one that is wrong would keep the pod from starting. */
const asAssignments = (text: string): Read<readonly string[]> => {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const problems: Problem[] = [];
  const { flags } = flagsFrom({ set: lines }, {});
  for (const { path } of flags) {
    const instead = SET_ELSEWHERE.get(path);
    if (instead !== undefined) return { refused: `${path} cannot be set here: ${instead}` };
  }
  readFlags(flags, problems);
  const [problem] = problems;
  return problem === undefined ? { value: lines } : { refused: `${problem.path} ${problem.message}` };
};

/** What annotations may say, and how each is read. */
const WISHES = {
  inject: asBoolean,
  mode: asMode,
  'config-map': asObjectName,
  set: asAssignments,
  'log-level': asLogLevel,
  port: asPort,
  'operator-port': asPort,
  'https-proxy': asBoolean,
  'no-proxy': asNoProxy,
  java: asBoolean,
  containers: asNames,
  'env-from': asBoolean,
  'adopt-proxy': asBoolean,
  'cpu-request': asQuantity,
  'cpu-limit': asQuantity,
  'memory-request': asQuantity,
  'memory-limit': asQuantity,
} as const;

/** The names of the annotations without `carpool.dev/`. */
const WISH_NAMES: readonly string[] = Object.keys(WISHES);

/** Reads the labels and annotations of ours. What cannot be read is in `problems`; names that nobody knows, in `warnings`. */
export function readWishes(
  labels: JsonObject,
  annotations: JsonObject,
  settings: InjectionSettings,
): { wishes: PodWishes; problems: string[]; warnings: string[] } {
  const problems: string[] = [];
  const warnings = [...unknownNames(annotations, 'annotation'), ...unknownNames(labels, 'label')];
  const refuse = (name: string, raw: unknown, what: string): void => {
    problems.push(`${PREFIX}${name} ${describeRaw(raw, false)}: ${what}`);
  };
  function take<T>(
    name: keyof typeof WISHES,
    read: (text: string) => Read<T>,
    from: JsonObject = annotations,
  ): T | null {
    const raw = from[PREFIX + name];
    if (raw === undefined) return null;
    if (typeof raw !== 'string') refuse(name, raw, 'must be text: put it in quotes');
    else {
      const result = read(raw.trim());
      if ('value' in result) return result.value;
      refuse(name, raw, result.refused);
    }
    return null;
  }

  const byLabel = take('inject', WISHES.inject, labels);
  const byAnnotation = take('inject', WISHES.inject);
  const port = take('port', WISHES.port);
  const operatorPort = take('operator-port', WISHES['operator-port']);
  const logLevel = take('log-level', WISHES['log-level']);
  const set = take('set', WISHES.set) ?? [];
  const of = (name: keyof typeof WISHES) => take(name, asQuantity);
  const quantities = {
    requests: { cpu: of('cpu-request'), memory: of('memory-request') },
    limits: { cpu: of('cpu-limit'), memory: of('memory-limit') },
  };
  const resources: Resources = {
    requests: changed(settings.resources.requests, quantities.requests),
    limits: changed(settings.resources.limits, quantities.limits),
  };
  const all: InjectionSettings = {
    ...settings,
    port: port ?? settings.port,
    operatorPort: operatorPort ?? settings.operatorPort,
    mode: take('mode', WISHES.mode) ?? settings.mode,
    configMap: take('config-map', WISHES['config-map']) ?? settings.configMap,
    httpsProxy: take('https-proxy', WISHES['https-proxy']) ?? settings.httpsProxy,
    java: take('java', WISHES.java) ?? settings.java,
    resources,
  };
  if (all.port === all.operatorPort)
    refuse(port === null ? 'operator-port' : 'port', String(all.port), 'carpool’s two ports must differ');
  const over = overLimit(resources);
  if (over !== null) problems.push(aboutLimit(over, resources, quantities));
  return {
    wishes: {
      settings: all,
      inject: byLabel !== false && byAnnotation !== false,
      ownPorts: port !== null && operatorPort !== null,
      runArguments: [
        ...(logLevel === null ? [] : ['--log-level', logLevel]),
        ...set.flatMap((assignment) => ['--set', assignment]),
      ],
      noProxy: take('no-proxy', WISHES['no-proxy']) ?? [],
      containers: take('containers', WISHES.containers),
      envFrom: take('env-from', WISHES['env-from']) ?? false,
      adoptProxy: take('adopt-proxy', WISHES['adopt-proxy']) ?? false,
    },
    problems,
    warnings,
  };
}

/** Says which annotation asks for too much, or allows too little, and where the other quantity comes from. */
function aboutLimit(
  name: string,
  { requests, limits }: Resources,
  own: Readonly<Record<keyof Resources, Readonly<Record<string, string | null>>>>,
): string {
  const from = (by: string | null | undefined): string => (typeof by === 'string' ? '' : ', of the installation');
  const byRequest = typeof own.requests[name] === 'string';
  return byRequest
    ? `${PREFIX}${name}-request "${requests[name]}" is more than the limit (${limits[name]}${from(own.limits[name])})`
    : `${PREFIX}${name}-limit "${limits[name]}" is less than the request (${requests[name]}${from(own.requests[name])})`;
}

/** Quantities with those of the annotations over them; `0` leaves one out. */
function changed(
  quantities: Readonly<Record<string, string>>,
  by: Readonly<Record<string, string | null>>,
): Readonly<Record<string, string>> {
  const result: Record<string, string> = { ...quantities };
  for (const [name, quantity] of Object.entries(by)) {
    if (quantity === null) continue;
    if (parseQuantity(quantity) === 0) delete result[name];
    else result[name] = quantity;
  }
  return result;
}

/** A name of ours that nobody reads is a typing error, or stands in the wrong place. */
function unknownNames(map: JsonObject, kind: 'annotation' | 'label'): string[] {
  return Object.keys(map).flatMap((key) => {
    if (!key.startsWith(PREFIX) || NOT_WISHES.includes(key)) return [];
    const name = key.slice(PREFIX.length);
    if (name === 'inject') return [];
    if (WISH_NAMES.includes(name))
      return kind === 'annotation' ? [] : [`label ${key} has no effect: it must be an annotation`];
    const right = nearest(name, WISH_NAMES);
    return [`${kind} ${key} is not known${right === null ? '' : `; did you mean ${PREFIX}${right}?`}`];
  });
}
