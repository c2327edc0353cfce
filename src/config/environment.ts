import { checkValue } from './check-tree.ts';
import { parseDuration } from './duration.ts';
import { rawFromText } from './formats.ts';
import { nearest } from './nearest.ts';
import { describeRaw, type Problem } from './problems.ts';
import { SETTING_BY_PATH, SETTINGS } from './schema.ts';
import type { Setting } from './setting.ts';

/** Variables as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The path of the configuration file, where --config does not say it. */
export const CONFIG_FILE_VARIABLE = 'CARPOOL_CONFIG';
/** The same for a file that may be missing, and is read when it appears: an optional ConfigMap. */
export const OPTIONAL_FILE_VARIABLE = 'CARPOOL_CONFIG_IF_PRESENT';
/** Where the commands find a running sidecar. */
export const OPERATOR_URL_VARIABLE = 'CARPOOL_OPERATOR_URL';
/** Ours, and no settings. */
const NO_SETTINGS: readonly string[] = [CONFIG_FILE_VARIABLE, OPTIONAL_FILE_VARIABLE, OPERATOR_URL_VARIABLE];

/** What the environment sets: raw values by path, and the variable that each comes from. */
export type EnvironmentLayer = {
  readonly values: ReadonlyMap<string, unknown>;
  readonly variables: ReadonlyMap<string, string>;
};

const BY_VARIABLE = new Map(SETTINGS.flatMap((setting) => (setting.spec.env ? [[setting.spec.env, setting]] : [])));

const ALIASES = new Set(SETTINGS.flatMap(({ spec }) => (spec.alias ? [spec.alias.name] : [])));

/**
 * Kubernetes gives a container variables for every Service of its namespace; those of a Service called carpool, or
 * carpool-something, begin as ours do.
 */
function isServiceLink(name: string, value: string): boolean {
  if (/_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/.test(name))
    return true;
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value);
}

/** The text of an alias as one of our own variables would have it, or the problem with it. */
function aliasText(setting: Setting, given: string): { text: string } | { refused: string } {
  const alias = setting.spec.alias;
  if (alias?.zeroRefused !== undefined && Number(given) === 0) return { refused: alias.zeroRefused };
  if (!alias?.seconds || !/^[0-9]+(\.[0-9]+)?$/.test(given)) return { text: given };
  return { text: Number(given) === 0 ? '0' : `${Math.round(Number(given) * 1000)}ms` };
}

/** Reads every CARPOOL_ variable and every alias; empty ones count as not set. */
export function readEnvironment(environment: Environment, problems: Problem[], warnings: string[]): EnvironmentLayer {
  const values = new Map<string, unknown>();
  const variables = new Map<string, string>();

  const take = (setting: Setting, variable: string, given: string): void => {
    const raw = rawFromText(given, setting.spec);
    variables.set(setting.path, variable);
    if (checkValue(raw, setting.spec, setting.path, variable, problems, given)) values.set(setting.path, raw);
  };

  for (const [name, value] of Object.entries(environment)) {
    const given = value?.trim() ?? '';
    if (given === '' || !name.startsWith('CARPOOL_') || NO_SETTINGS.includes(name) || isServiceLink(name, given))
      continue;
    // CARPOOL_ZONE is an alias; they are read below.
    if (ALIASES.has(name)) continue;
    const setting = BY_VARIABLE.get(name);
    if (setting) take(setting, name, given);
    else {
      const right = nearest(
        name.slice('CARPOOL_'.length),
        [...BY_VARIABLE.keys()].map((known) => known.slice('CARPOOL_'.length)),
      );
      warnings.push(`${name}: no setting has this variable${right === null ? '' : `; did you mean CARPOOL_${right}?`}`);
    }
  }

  for (const setting of SETTINGS) {
    const alias = setting.spec.alias;
    const given = alias === undefined ? '' : (environment[alias.name]?.trim() ?? '');
    if (alias === undefined || given === '') continue;
    const ours = variables.get(setting.path);
    const read = aliasText(setting, given);
    if (ours !== undefined) {
      // A value that is wrong is no reason to refuse anything when it is not used.
      if (!('text' in read) || !sameRaw(setting, rawFromText(read.text, setting.spec), values.get(setting.path)))
        warnings.push(`${alias.name}: is not used, for ${ours} sets ${setting.path} to another value`);
    } else if ('text' in read) take(setting, alias.name, read.text);
    else {
      const message = `${describeRaw(given, false)}: ${read.refused}`;
      problems.push({ where: alias.name, path: setting.path, message });
    }
  }
  return { values, variables };
}

/** Whether two raw values mean the same (`30s`, `30000ms`). */
function sameRaw(setting: Setting, a: unknown, b: unknown): boolean {
  const meaning = (raw: unknown): unknown => {
    const isDuration = SETTING_BY_PATH.get(setting.path)?.format === 'duration';
    return isDuration && typeof raw === 'string' ? parseDuration(raw) : raw;
  };
  return meaning(a) === meaning(b);
}
