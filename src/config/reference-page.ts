import { formatOf } from './formats.ts';
import { PRESET_VALUES, PROFILE_VALUES } from './profiles.ts';
import { INTRODUCTION } from './reference-text.ts';
import { DESTINATION_SETTINGS, envName, POLICY_SETTINGS, SETTINGS } from './schema.ts';
import type { Setting, SettingSpec } from './setting.ts';

/** Makes docs/configuration.md: a written introduction, and tables that come from the schema. */

/** Headings and a sentence for each group, in the order of the page. */
const SECTIONS: readonly { readonly prefix: string; readonly title: string; readonly text: string }[] = [
  { prefix: 'profile', title: 'Profile', text: '' },
  { prefix: 'mode', title: 'Mode', text: '' },
  { prefix: 'listener.', title: 'listener', text: 'Where the app’s calls come in, and how large their heads may be.' },
  { prefix: 'operator.', title: 'operator', text: 'The read-only port for Prometheus, probes and people.' },
  { prefix: 'control.', title: 'control', text: 'Where commands come in. Never on an address of the pod.' },
  { prefix: 'security.', title: 'security', text: 'What may be called.' },
  { prefix: 'connect.', title: 'connect', text: 'How what comes inside a CONNECT is told apart.' },
  { prefix: 'http2.', title: 'http2', text: 'HTTP/2 on either side.' },
  { prefix: 'discovery.', title: 'discovery', text: 'How endpoints are found.' },
  { prefix: 'limits.', title: 'limits', text: 'Bounds for the whole process.' },
  { prefix: 'via.', title: 'via', text: 'The Via field of HTTP.' },
  {
    prefix: 'fleet.',
    title: 'fleet',
    text: 'A budget of connections for all sidecars of a workload together: see [fleet.md](fleet.md).',
  },
  {
    prefix: 'egress.',
    title: 'egress',
    text: 'How the outside is reached: see [egress.md](egress.md).',
  },
  {
    prefix: 'defaults.',
    title: 'defaults, and each destination',
    text: 'Everything here is set for all destinations under `defaults`, and for one under its entry of `destinations`, with the same names without `defaults.`. The variables set `defaults`.',
  },
  {
    prefix: 'destinations[].',
    title: 'destinations',
    text: 'A list. Each entry has `match`, any of these, and any setting of `defaults`.',
  },
  { prefix: 'telemetry.', title: 'telemetry', text: 'Logs and metrics.' },
  { prefix: 'shutdown.', title: 'shutdown', text: '' },
];

/** A cell of a Markdown table. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const code = (text: string): string => `\`${text}\``;

function raw(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return `[${value.map(String).join(', ')}]`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function typeOf(spec: SettingSpec): string {
  if (spec.format === 'choice') return (spec.choices ?? []).map(code).join(', ');
  if (spec.format === 'choices') return `list of ${(spec.choices ?? []).map(code).join(', ')}`;
  const name = formatOf(spec.format).type;
  const word = spec.word === undefined ? '' : `, or ${code(spec.word)}`;
  if (spec.format !== 'count') return name + word;
  return spec.max === undefined ? `${name} from ${spec.min ?? 0}` : `${name}, ${spec.min ?? 0} to ${spec.max}`;
}

function defaultOf(spec: SettingSpec): string {
  const none = spec.default === null || spec.default === undefined || spec.default === '';
  if (none && spec.absent !== undefined) return spec.absent;
  if (spec.default === '') return 'empty';
  const shown = code(raw(spec.default));
  return spec.default === 0 && spec.zero !== undefined ? `${shown} (${spec.zero})` : shown;
}

function meaningOf(spec: SettingSpec): string {
  const zero = spec.zero !== undefined && spec.default !== 0 ? ` 0: ${spec.zero}.` : '';
  const alias = spec.alias;
  return (
    spec.doc + zero + (alias === undefined ? '' : ` Alias ${code(alias.name)}${alias.seconds ? ', in seconds' : ''}.`)
  );
}

function table(settings: readonly Setting[], variables: boolean): string {
  const rows = settings.map(({ path, spec }) => {
    const variable = variables && spec.env !== undefined ? [code(spec.env)] : variables ? [''] : [];
    return [code(path), typeOf(spec), defaultOf(spec), ...variable, spec.applies, meaningOf(spec)];
  });
  const header = ['setting', 'type', 'default', ...(variables ? ['variable'] : []), 'a change applies', 'meaning'];
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
}

function settingsOf(prefix: string): { settings: Setting[]; variables: boolean } {
  if (prefix !== 'destinations[].') {
    const settings = SETTINGS.filter(({ path }) => (prefix.endsWith('.') ? path.startsWith(prefix) : path === prefix));
    return { settings, variables: true };
  }
  const policy = new Set(POLICY_SETTINGS.map(({ path }) => path));
  const settings = DESTINATION_SETTINGS.filter(({ path }) => !policy.has(path));
  return { settings: settings.map(({ path, spec }) => ({ path: prefix + path, spec })), variables: false };
}

function valueList(values: ReadonlyMap<string, unknown>): string {
  if (values.size === 0) return 'the defaults';
  return [...values].map(([path, value]) => code(`${path}: ${raw(value)}`)).join(', ');
}

/** The whole page. */
export function referencePage(): string {
  const named = (lists: Readonly<Record<string, ReadonlyMap<string, unknown>>>): string =>
    Object.entries(lists)
      .map(([name, values]) => `- ${code(name)}: ${valueList(values)}`)
      .join('\n');
  const introduction = INTRODUCTION.replace('{{profiles}}', named(PROFILE_VALUES))
    .replace('{{presets}}', named(PRESET_VALUES))
    .replace('{{variable}}', envName('defaults.pool.maxConnections'));
  const sections = SECTIONS.map(({ prefix, title, text }) => {
    const { settings, variables } = settingsOf(prefix);
    return `### ${title}\n\n${text === '' ? '' : `${text}\n\n`}${table(settings, variables)}\n`;
  });
  return `${introduction}\n${sections.join('\n')}`;
}
