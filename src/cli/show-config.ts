import { nearest } from '../config/nearest.ts';
import { CliError } from './deps.ts';
import { showTarget } from './http-call.ts';
import { type JsonObject, listAt, textAt } from './json-reader.ts';
import { type Shown, tableText } from './show.ts';
import { type Asking, ask } from './status-reading.ts';
import { left, type Row } from './table.ts';

const COLUMNS = [left('PATH'), left('VALUE'), left('ORIGIN', 2), left('WHERE', 1)];

/** Which settings are meant. */
export type ConfigFilter = {
  /** A part of the path, in capitals or not, or null. */
  readonly part: string | null;
  /** Only what is not the default. */
  readonly changed: boolean;
};

/** `carpool config`: the settings of the running sidecar, and where each value comes from. */
export async function lookAtConfig(asking: Asking, { part, changed }: ConfigFilter): Promise<Shown> {
  const path = asking.target.kind === 'socket' ? '/config' : '/debug/config?sources';
  const answer = await ask(asking, path, null);
  if (!Array.isArray(answer.get('settings')))
    throw new CliError(
      `the sidecar at ${showTarget(asking.target)} is older than this program: it does not say where its values come from\nIts configuration as JSON: ${showTarget(asking.target)}/debug/config`,
    );
  const settings = listAt(answer, 'settings');
  const wanted = settings.filter(
    (setting) =>
      (part === null || textAt(setting, 'path').toLowerCase().includes(part.toLowerCase())) &&
      (!changed || textAt(setting, 'origin') !== 'default'),
  );
  return {
    json: wanted.map(Object.fromEntries),
    text: tableText(COLUMNS, wanted.map(settingRow)),
    empty: nothing(settings, part),
    findings: [],
  };
}

function settingRow(setting: JsonObject): Row {
  const origin = textAt(setting, 'origin');
  const style = origin === 'default' ? 'dim' : null;
  return [
    textAt(setting, 'path'),
    showRaw(setting.get('value')),
    { text: origin, style },
    { text: textAt(setting, 'where') || '-', style },
  ];
}

/** As one would write it in the file, on a line. */
function showRaw(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (typeof value === 'string') return value === '' ? '""' : value;
  return JSON.stringify(value);
}

function nothing(settings: readonly JsonObject[], part: string | null): string {
  if (part === null) return 'every setting has its default';
  const paths = settings.map((setting) => textAt(setting, 'path'));
  if (paths.some((path) => path.toLowerCase().includes(part.toLowerCase())))
    return `every setting with ${part} in its path has its default`;
  const names = new Set(paths.flatMap((path) => path.split('.')));
  const near = nearest(part, [...paths, ...names]);
  return `no setting has ${part} in its path${near === null ? '.' : `; did you mean ${near}?`} carpool config lists them all.`;
}
