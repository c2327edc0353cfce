/** The kinds of values; formats.ts has a row for each. */
export type FormatName =
  | 'duration'
  | 'size'
  | 'count'
  | 'ratio'
  | 'boolean'
  | 'autoBoolean'
  | 'choice'
  | 'choices'
  | 'countOrWord'
  | 'statuses'
  | 'fieldName'
  | 'fieldNames'
  | 'headerSet'
  | 'targets'
  | 'redisUrl'
  | 'proxyUrl'
  | 'noProxy'
  | 'port'
  | 'host'
  | 'path'
  | 'basePath'
  | 'label'
  | 'name'
  | 'hostPattern'
  | 'ports'
  | 'addressRanges'
  | 'tokens'
  | 'namespaces'
  | 'httpsUrl'
  | 'collectorUrl'
  | 'serverName'
  | 'endpoints'
  | 'destinations';

/** When a changed value is used: for everything from now on, for connections opened from now on, or after a restart. */
export type Applies = 'at once' | 'new connections' | 'restart';

/** A variable of another name that is read too. */
export type EnvAlias = {
  readonly name: string;
  /** A bare number is seconds. */
  readonly seconds?: boolean;
  /** 0 means the opposite here; what to set instead. */
  readonly zeroRefused?: string;
};

/** One leaf of the schema: convict's attributes (`default`, `doc`, `format`, `env`, `nullable`, `sensitive`) and our own. */
export type SettingSpec = {
  /** As it would be written in YAML. */
  readonly default: unknown;
  readonly doc: string;
  readonly format: FormatName;
  readonly applies: Applies;
  readonly env?: string;
  readonly alias?: EnvAlias;
  readonly nullable?: boolean;
  /** What null (or leaving it out) means, in words. */
  readonly absent?: string;
  readonly sensitive?: boolean;
  /** What 0 means, where it is more than a small number; a duration without it refuses 0. */
  readonly zero?: string;
  /** Bounds of numbers; of durations in milliseconds, of sizes in bytes, of text in bytes. */
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  /** A word beside the format's own values, e.g. `auto`. */
  readonly word?: string;
};

/** A group of settings in the schema tree. */
export type SettingGroup = { readonly [name: string]: SettingSpec | SettingGroup };

/** A leaf with its place. */
export type Setting = { readonly path: string; readonly spec: SettingSpec };

/** A leaf is what has a default; convict decides the same way. */
export function isSpec(node: SettingSpec | SettingGroup): node is SettingSpec {
  return Object.hasOwn(node, 'default');
}

/** The same of anything: a leaf that convict hands back is one of ours. */
export function isSettingSpec(node: object): node is SettingSpec {
  return 'default' in node && 'format' in node && 'applies' in node;
}

/** The entries of a group, with `undefined` for what is only inherited (`constructor`, `__proto__`). */
export function member(group: SettingGroup, name: string): SettingSpec | SettingGroup | undefined {
  return Object.hasOwn(group, name) ? group[name] : undefined;
}

/** Every leaf of a tree in the order of the schema. */
export function flatten(group: SettingGroup, prefix = ''): Setting[] {
  return Object.entries(group).flatMap(([name, node]) =>
    isSpec(node) ? [{ path: prefix + name, spec: node }] : flatten(node, `${prefix}${name}.`),
  );
}

/** The value at `a.b.c` of nested objects, or undefined. */
export function valueAt(tree: unknown, path: string): unknown {
  let value = tree;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
