import type { Keys } from './config-file.ts';
import { checkRaw } from './formats.ts';
import { describeRaw, isFull, type Problem, reportProblem } from './problems.ts';
import { NotAllowed } from './readers.ts';
import { isSpec, member, type SettingGroup, type SettingSpec } from './setting.ts';
import { unknownName } from './unknown-name.ts';

/** Takes problems and says where a value was written. */
export type Report = {
  readonly problems: Problem[];
  readonly where: (keys: Keys) => string;
};

/** A group written as one value: `via: both` is `via: { mode: both }`. */
const SHORT_FORMS: Readonly<Record<string, string>> = { via: 'mode' };

/** How a list is written in a flag or a variable, where `given` has it as a file does; empty where it does not. */
function bareList(given: string, raw: unknown): string {
  if (!Array.isArray(raw) || !/^\[.*\]$/s.test(given)) return '';
  const entries = given.slice(1, -1).split(',');
  const bare = entries.map((entry) => entry.trim().replace(/^(["'])(.*)\1$/s, '$2')).join(',');
  return `; here a list is written bare, with commas: ${bare === '' ? 'none' : bare}`;
}

/**
 * Checks one value; what is wrong is reported. Returns whether it is right.
 * @param given as it was written in a flag or a variable; empty: in a file
 */
export function checkValue(
  raw: unknown,
  spec: SettingSpec,
  path: string,
  where: string,
  problems: Problem[],
  given = '',
): boolean {
  try {
    checkRaw(raw, spec);
    return true;
  } catch (error) {
    if (!(error instanceof NotAllowed)) throw error;
    const bare = spec.sensitive ? '' : bareList(given, raw);
    const message = `${describeRaw(raw, spec.sensitive ?? false)}: ${error.message}${bare}`;
    reportProblem(problems, { where, path, message });
    return false;
  }
}

const isTree = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Checks nested values of a file against a group of the schema and returns the right ones, by path relative to it.
 * A value that is wrong is reported and left out, so that the others can still be checked against each other.
 */
export function checkTree(
  tree: unknown,
  group: SettingGroup,
  path: string,
  keys: Keys,
  report: Report,
): Map<string, unknown> {
  const values = new Map<string, unknown>();
  // `listener:` with everything under it commented out.
  if (tree === null) return values;
  if (!isTree(tree)) {
    reportProblem(report.problems, {
      where: report.where(keys),
      path,
      message: `${describeRaw(tree, false)}: must be a group of settings (${Object.keys(group).slice(0, 6).join(', ')} …)`,
    });
    return values;
  }
  for (const [name, raw] of Object.entries(tree)) {
    if (isFull(report.problems)) break;
    const node = member(group, name);
    const place = path === '' ? name : `${path}.${name}`;
    const at = [...keys, name];
    if (node === undefined) {
      const message = unknownName(place, name, group);
      reportProblem(report.problems, { where: report.where(at), path: place, message });
    } else if (isSpec(node)) {
      if (checkValue(raw, node, place, report.where(at), report.problems)) values.set(name, raw);
    } else {
      const short = SHORT_FORMS[place];
      const inner: unknown = short !== undefined && typeof raw === 'string' ? { [short]: raw } : raw;
      for (const [rest, value] of checkTree(inner, node, place, at, report)) values.set(`${name}.${rest}`, value);
    }
  }
  return values;
}
