import { nearest } from '../config/nearest.ts';
import { describeRaw } from '../config/problems.ts';
import { isJsonObject, type JsonObject } from '../discovery/kubernetes/json-value.ts';
import { DEFAULT_OPERATOR_PORT, DEFAULT_PORT, IMAGE_USER } from './names.ts';
import { NO_PROXY_ENTRY } from './no-proxy-names.ts';
import { parseQuantity } from './quantity.ts';
import type { InjectionSettings, Resources } from './settings.ts';

/** What is used where the settings say nothing. The image has no default here: it has the version of who injects. */
export const INJECTION_DEFAULTS: Omit<InjectionSettings, 'image'> = {
  imagePullPolicy: 'IfNotPresent',
  mode: 'native',
  port: DEFAULT_PORT,
  operatorPort: DEFAULT_OPERATOR_PORT,
  httpsProxy: false,
  noProxy: [],
  java: false,
  configMap: 'carpool',
  apiAccess: true,
  runAsUser: IMAGE_USER,
  resources: { requests: { cpu: '20m', memory: '96Mi' }, limits: { memory: '256Mi' } },
  preStopSeconds: 5,
  env: {},
};

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'] as const;
const MODES = ['native', 'legacy'] as const;
const RESOURCES = ['cpu', 'memory', 'ephemeral-storage'] as const;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** A DNS subdomain, as names of objects are. */
const OBJECT_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const QUANTITY_PATTERN = '^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?$';

/** Whether an object of Kubernetes may be called so. */
export function isObjectName(text: string): boolean {
  return OBJECT_NAME.test(text);
}

/** Takes a problem; each begins with the path. */
type Refuse = (path: string, raw: unknown, allowed: string) => void;

type Field<T> = {
  readonly doc: string;
  readonly json: JsonObject;
  /** The value, or undefined after `refuse`. */
  readonly read: (raw: unknown, path: string, refuse: Refuse) => T | undefined;
};

const simple = <T>(doc: string, json: JsonObject, allowed: string, is: (raw: unknown) => raw is T): Field<T> => ({
  doc,
  json,
  read: (raw, path, refuse) => {
    if (is(raw)) return raw;
    refuse(path, raw, allowed);
    return undefined;
  },
});

const isText = (raw: unknown): raw is string => typeof raw === 'string';
const wholeFrom =
  (least: number, most: number) =>
  (raw: unknown): raw is number =>
    typeof raw === 'number' && Number.isInteger(raw) && raw >= least && raw <= most;

const choice = <T extends string>(doc: string, choices: readonly T[]): Field<T> =>
  simple(doc, { type: 'string', enum: choices }, `one of ${choices.join(', ')}`, (raw): raw is T =>
    choices.some((each) => each === raw),
  );
const port = (doc: string): Field<number> =>
  simple(doc, { type: 'integer', minimum: 1, maximum: 65_535 }, 'a port from 1 to 65535', wholeFrom(1, 65_535));
const flag = (doc: string): Field<boolean> =>
  simple(doc, { type: 'boolean' }, 'true or false', (raw): raw is boolean => typeof raw === 'boolean');

/** Each value of a map that is right. */
function readMap(
  raw: unknown,
  path: string,
  refuse: Refuse,
  rule: { readonly name: (name: string) => boolean; readonly names: string; readonly value: Field<string> },
): Record<string, string> | undefined {
  if (!isJsonObject(raw)) {
    refuse(path, raw, 'names with values');
    return undefined;
  }
  const values: Record<string, string> = {};
  for (const [name, each] of Object.entries(raw)) {
    if (!rule.name(name)) refuse(`${path}.${name}`, name, rule.names);
    const value = rule.value.read(each, `${path}.${name}`, refuse);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

const quantity = simple(
  '',
  { type: 'string', pattern: QUANTITY_PATTERN },
  'a quantity such as 20m or 96Mi, in quotes where it is a number',
  (raw): raw is string => isText(raw) && parseQuantity(raw) !== null,
);
const ofResources = {
  name: (name: string) => RESOURCES.some((each) => each === name),
  names: `one of ${RESOURCES.join(', ')}`,
  value: quantity,
};

const resources: Field<Resources> = {
  doc: 'CPU and memory of the sidecar. `requests` and `limits` are each taken whole: what is not named there is not set.',
  json: {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(
      ['requests', 'limits'].map((group) => [
        group,
        {
          type: 'object',
          description: `The ${group} of the sidecar.`,
          additionalProperties: false,
          properties: Object.fromEntries(
            RESOURCES.map((name) => [name, { ...quantity.json, description: `A quantity of ${name}.` }]),
          ),
        },
      ]),
    ),
  },
  read: (raw, path, refuse) => {
    if (!isJsonObject(raw)) {
      refuse(path, raw, 'requests and limits');
      return undefined;
    }
    for (const name of Object.keys(raw))
      if (name !== 'requests' && name !== 'limits') refuse(`${path}.${name}`, name, 'requests or limits');
    const group = (name: 'requests' | 'limits') =>
      raw[name] === undefined
        ? INJECTION_DEFAULTS.resources[name]
        : (readMap(raw[name] ?? {}, `${path}.${name}`, refuse, ofResources) ?? {});
    const read = { requests: group('requests'), limits: group('limits') };
    const over = overLimit(read);
    if (over !== null)
      refuse(`${path}.requests.${over}`, read.requests[over], `at most its limit, ${read.limits[over]}`);
    return read;
  },
};

/** The resource of which more is requested than its limit allows, or null. The API server refuses such a pod. */
export function overLimit({ requests, limits }: Resources): string | null {
  for (const [name, limit] of Object.entries(limits)) {
    const most = parseQuantity(limit);
    const asked = parseQuantity(requests[name] ?? '');
    if (most !== null && asked !== null && asked > most) return name;
  }
  return null;
}

const FIELDS: { readonly [K in keyof InjectionSettings]: Field<InjectionSettings[K]> } = {
  image: simple(
    'Image of the sidecar, with its tag or digest.',
    { type: 'string', pattern: '^\\S+$' },
    'the reference of an image',
    (raw): raw is string => isText(raw) && /^\S+$/.test(raw),
  ),
  imagePullPolicy: choice('When the kubelet pulls the image.', PULL_POLICIES),
  mode: choice('`native`: a native sidecar, Kubernetes ≥ 1.29. `legacy`: a container like any other.', MODES),
  port: port('Where the app’s calls go to, on loopback.'),
  operatorPort: port('Metrics and health, on the pod’s address.'),
  httpsProxy: flag(
    'Adds HTTPS_PROXY and https_proxy: calls by TLS go through carpool as tunnels. gRPC in Go reads only these.',
  ),
  noProxy: {
    doc: 'More names for NO_PROXY: single names and addresses, for not all clients know ranges.',
    json: { type: 'array', items: { type: 'string', pattern: NO_PROXY_ENTRY.source } },
    read: (raw, path, refuse) => {
      const each = 'a list of names and addresses, without commas or spaces';
      if (!Array.isArray(raw)) {
        refuse(path, raw, each);
        return undefined;
      }
      const names: string[] = [];
      for (const [index, entry] of raw.entries())
        if (isText(entry) && NO_PROXY_ENTRY.test(entry)) names.push(entry);
        else refuse(`${path}[${index}]`, entry, 'a name or an address, without commas or spaces');
      return names;
    },
  },
  java: flag('Adds JAVA_TOOL_OPTIONS with the proxy properties, for Java ignores the environment.'),
  configMap: simple(
    'The ConfigMap with the key `carpool.yaml` in the pod’s namespace. It may be missing.',
    { type: 'string', pattern: OBJECT_NAME.source },
    'the name of a ConfigMap',
    (raw): raw is string => isText(raw) && isObjectName(raw),
  ),
  apiAccess: flag('Mounts a token for the API server in the sidecar. Without it Services are found by DNS.'),
  runAsUser: simple(
    'User and group of the sidecar; null: the platform chooses (OpenShift).',
    { type: ['integer', 'null'], minimum: 1, maximum: 2_147_483_647 },
    'the number of a user other than root, or null',
    (raw): raw is number | null => raw === null || wholeFrom(1, 2_147_483_647)(raw),
  ),
  resources,
  preStopSeconds: simple(
    'Legacy mode: seconds that carpool goes on before it is told to stop; at most half of the pod’s grace period is used.',
    { type: 'integer', minimum: 0, maximum: 3600 },
    'a whole number of seconds from 0 to 3600',
    wholeFrom(0, 3600),
  ),
  env: {
    doc: 'More variables of the sidecar; they win over those that injection sets.',
    json: {
      type: 'object',
      propertyNames: { pattern: VARIABLE.source },
      additionalProperties: { type: 'string' },
    },
    read: (raw, path, refuse) =>
      readMap(raw, path, refuse, {
        name: (name) => VARIABLE.test(name),
        names: 'the name of a variable',
        value: simple('', {}, 'text, in quotes where it is a number', isText),
      }),
  },
};

/** Every setting's name, in the order of the pages. */
export const SETTING_NAMES: readonly string[] = Object.keys(FIELDS);

/**
 * Reads the settings of an installation: parsed YAML or JSON, nothing of which is known yet. `mode: auto` is native: who knows
 * the version of the cluster has resolved it before.
 * @param image what is used where the settings name none
 */
export function readInjectionSettings(
  tree: unknown,
  image?: string,
): { settings: InjectionSettings } | { problems: string[] } {
  const problems: string[] = [];
  const refuse: Refuse = (path, raw, allowed) =>
    problems.push(`${path}: ${describeRaw(raw, false)}: must be ${allowed}`);
  const given = tree === null || tree === undefined ? {} : tree;
  if (!isJsonObject(given)) return { problems: [`inject: ${describeRaw(tree, false)}: must be a group of settings`] };
  for (const name of Object.keys(given))
    if (!Object.hasOwn(FIELDS, name)) {
      const right = nearest(name, SETTING_NAMES);
      problems.push(
        `${name}: is no setting${right === null ? `; there are ${SETTING_NAMES.join(', ')}` : `; did you mean ${right}?`}`,
      );
    }
  const raw = given.mode === 'auto' ? { ...given, mode: 'native' } : given;
  const defaults: Partial<InjectionSettings> = { ...INJECTION_DEFAULTS, ...(image === undefined ? {} : { image }) };
  const take = <K extends keyof InjectionSettings>(name: K): InjectionSettings[K] | undefined =>
    (raw[name] === undefined || (raw[name] === null && name !== 'runAsUser')) && defaults[name] !== undefined
      ? defaults[name]
      : FIELDS[name].read(raw[name], name, refuse);

  const settings = settingsOf(take);
  if (settings?.port === settings?.operatorPort && settings !== null)
    problems.push(`operatorPort: is ${settings.operatorPort}: must be another port than port`);
  return settings === null || problems.length > 0 ? { problems } : { settings };
}

/** Takes every setting, so that every problem is found; null where one is missing. */
function settingsOf(
  take: <K extends keyof InjectionSettings>(name: K) => InjectionSettings[K] | undefined,
): InjectionSettings | null {
  const all = {
    image: take('image'),
    imagePullPolicy: take('imagePullPolicy'),
    mode: take('mode'),
    port: take('port'),
    operatorPort: take('operatorPort'),
    httpsProxy: take('httpsProxy'),
    noProxy: take('noProxy'),
    java: take('java'),
    configMap: take('configMap'),
    apiAccess: take('apiAccess'),
    runAsUser: take('runAsUser'),
    resources: take('resources'),
    preStopSeconds: take('preStopSeconds'),
    env: take('env'),
  };
  return isComplete(all) ? all : null;
}

type Incomplete = { readonly [K in keyof InjectionSettings]: InjectionSettings[K] | undefined };
const isComplete = (all: Incomplete): all is InjectionSettings =>
  Object.values(all).every((value) => value !== undefined);

/** The JSON Schema of the settings: an object without `$schema`, to stand inside another. */
export function injectionJsonSchema(): JsonObject {
  const defaults: JsonObject = { ...INJECTION_DEFAULTS };
  return {
    type: 'object',
    description: 'What is injected in pods.',
    additionalProperties: false,
    properties: Object.fromEntries(
      Object.entries(FIELDS).map(([name, { doc, json }]) => [
        name,
        { description: doc, ...json, ...(defaults[name] === undefined ? {} : { default: defaults[name] }) },
      ]),
    ),
  };
}
