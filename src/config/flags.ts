import { checkValue } from './check-tree.ts';
import { CONFIG_FILE_VARIABLE, type Environment, OPTIONAL_FILE_VARIABLE } from './environment.ts';
import { rawFromText } from './formats.ts';
import { type Problem, reportProblem } from './problems.ts';
import { SCHEMA, SETTING_BY_PATH, SETTINGS } from './schema.ts';
import { isSpec, member, type SettingGroup } from './setting.ts';
import { noneLike, rightPath } from './unknown-name.ts';

/** One setting of the command line. */
export type Flag = {
  /** As it was written, for messages: `--port`, `--set listener.port`. */
  readonly flag: string;
  readonly path: string;
  readonly text: string;
};

/** The flags of `carpool run` and `carpool check`, in the form that commander takes. */
export const CONFIG_FLAGS = [
  {
    flags: '--config <file>',
    description: 'the configuration file (YAML); else the variable CARPOOL_CONFIG',
    repeatable: false,
  },
  {
    flags: '--set <path=value>',
    description: 'sets any setting, e.g. --set defaults.pool.maxIdle=20',
    repeatable: true,
  },
  { flags: '--profile <name>', description: 'production or development', repeatable: false },
  { flags: '--port <port>', description: 'short for --set listener.port=…', repeatable: false },
  { flags: '--log-level <level>', description: 'short for --set telemetry.logLevel=…', repeatable: false },
] as const;

/** What commander made of `CONFIG_FLAGS`. */
export type FlagOptions = {
  readonly config?: string | undefined;
  readonly set?: readonly string[] | undefined;
  readonly profile?: string | undefined;
  readonly port?: string | undefined;
  readonly logLevel?: string | undefined;
};

/** What the command line says of the configuration. */
export type CommandLine = {
  readonly file: string | null;
  /** A missing file counts as an empty one. */
  readonly fileMayBeMissing: boolean;
  readonly flags: Flag[];
};

/** The file and the settings that the command line names; later flags win over earlier ones. */
export function flagsFrom(options: FlagOptions, environment: Environment): CommandLine {
  const flags: Flag[] = [];
  const short = (flag: string, path: string, text: string | undefined): void => {
    if (text !== undefined) flags.push({ flag, path, text });
  };
  short('--profile', 'profile', options.profile);
  short('--port', 'listener.port', options.port);
  short('--log-level', 'telemetry.logLevel', options.logLevel);
  for (const assignment of options.set ?? []) {
    const equals = assignment.indexOf('=');
    const path = equals < 0 ? assignment : assignment.slice(0, equals);
    flags.push({ flag: '--set', path: path.trim(), text: equals < 0 ? '' : assignment.slice(equals + 1).trim() });
  }
  const strict = options.config ?? environment[CONFIG_FILE_VARIABLE] ?? '';
  const file = strict === '' ? (environment[OPTIONAL_FILE_VARIABLE] ?? '') : strict;
  return { file: file === '' ? null : file, fileMayBeMissing: strict === '', flags };
}

/** `path: value`, as a file has it. */
const AS_IN_FILE = /^([\w.]+)\s*:\s*(\S.*)$/;

/** Why a path (or its lack of a value) cannot be taken, or null. */
function refusal(path: string, text: string): string | null {
  if (/^destinations([.[]|$)/.test(path)) return 'can be set in the file only';
  if (SETTING_BY_PATH.has(path)) return text === '' ? 'needs a value: --set path=value' : null;
  const moved = `defaults.${path}`;
  if (SETTING_BY_PATH.has(moved)) return `is no setting; did you mean ${moved}?`;
  const [, written, value] = AS_IN_FILE.exec(path) ?? [];
  if (text === '' && written !== undefined) {
    const right = [written, `defaults.${written}`].find((each) => SETTING_BY_PATH.has(each));
    return `has no =: write ${right === undefined ? 'path=value' : `${right}=${value}`}`;
  }
  const inside = firstInside(path);
  if (inside !== null) return `is a group of settings: name one of them, such as ${inside}`;
  const [top = ''] = path.split('.');
  // What stands below `defaults` is often looked for at the top, where it stands in a destination.
  if (member(SCHEMA, top) !== undefined || firstInside(`defaults.${top}`) === null) return unknownPath(path);
  const group = firstInside(moved);
  if (group !== null)
    return `is no setting; did you mean ${moved}? It is a group: name one of its settings, such as ${group}`;
  const { right } = findUnknown(moved);
  return `is no setting; did you mean ${right ?? `defaults.${top}`}?`;
}

/** The first setting of a group, or null: it is none. */
const firstInside = (path: string): string | null =>
  SETTINGS.find((setting) => setting.path.startsWith(`${path}.`))?.path ?? null;

/** Where a path leaves the schema, and the whole path that was probably meant; `group` null: inside of a value. */
function findUnknown(path: string): { around: string; group: SettingGroup | null; right: string | null } {
  let group: SettingGroup = SCHEMA;
  let around = '';
  for (const name of path.split('.')) {
    const node = member(group, name);
    around = around === '' ? name : `${around}.${name}`;
    if (node === undefined) {
      const right = rightPath(around, name, group);
      const whole = `${right}${path.slice(around.length)}`;
      return { around, group, right: SETTING_BY_PATH.has(whole) ? whole : right };
    }
    if (isSpec(node)) break;
    group = node;
  }
  return { around, group: null, right: null };
}

function unknownPath(path: string): string {
  const { around, group, right } = findUnknown(path);
  if (group === null) return `is no setting: ${around} has one value and nothing inside`;
  return right === null ? noneLike(group) : `is no setting; did you mean ${right}?`;
}

/** Raw values by path, and the flag that each comes from. */
export function readFlags(
  flags: readonly Flag[],
  problems: Problem[],
): { values: ReadonlyMap<string, unknown>; names: ReadonlyMap<string, string> } {
  const values = new Map<string, unknown>();
  const names = new Map<string, string>();
  for (const { flag, path, text } of flags) {
    const spec = SETTING_BY_PATH.get(path);
    const refused = refusal(path, text);
    if (refused !== null || spec === undefined) {
      reportProblem(problems, { where: flag, path, message: refused ?? 'is no setting' });
      continue;
    }
    names.set(path, flag);
    const raw = rawFromText(text, spec);
    if (checkValue(raw, spec, path, flag, problems, text)) values.set(path, raw);
  }
  return { values, names };
}
