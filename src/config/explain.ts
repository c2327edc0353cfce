import { showHostPattern } from './addresses.ts';
import { showValue } from './formats.ts';
import { DESTINATION_SETTINGS, POLICY_SETTINGS, SETTINGS } from './schema.ts';
import { type Applies, type Setting, valueAt } from './setting.ts';
import type { Config, DestinationConfig } from './types.ts';

/** What a reload does, as lines of the form `path: old → new`. */
export type Explanation = {
  /** In force from the next request on. */
  readonly applied: readonly string[];
  /** In force for connections that are opened from now on. */
  readonly newConnections: readonly string[];
  /** Read, but not in force before a restart. */
  readonly restart: readonly string[];
};

type Lines = Record<Applies, string[]>;

/** Where the value of a setting is in a `Config`: durations have their unit in the name. */
export function configPath({ path, spec }: Setting): string {
  return spec.format === 'duration' ? `${path}Ms` : path;
}

const POLICY_PATHS = new Set(POLICY_SETTINGS.map(({ path }) => path));

/** Where the value of a destination's setting is in a `DestinationConfig`. */
function destinationPath(setting: Setting): string {
  return POLICY_PATHS.has(setting.path) ? `policy.${configPath(setting)}` : configPath(setting);
}

const modeChanges = (before: DestinationConfig, after: DestinationConfig): boolean =>
  before.policy.mode !== after.policy.mode;

/** A preset is not in a `Config`: what it changes is. */
const isPreset = ({ path }: Setting): boolean => path === 'preset' || path === 'defaults.preset';

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Every setting whose value differs, sorted by when the new value is used. */
export function explain(before: Config, after: Config): Explanation {
  const lines: Lines = { 'at once': [], 'new connections': [], restart: [] };
  const inherited = new Map<string, string>();
  for (const setting of SETTINGS) {
    if (setting.path === 'destinations' || isPreset(setting)) continue;
    const change = changeOf(setting, valueAt(before, configPath(setting)), valueAt(after, configPath(setting)));
    if (change === null || (setting.path === 'defaults.pool.enabled' && before.mode !== after.mode)) continue;
    lines[setting.spec.applies].push(`${setting.path}: ${change}`);
    if (setting.path.startsWith('defaults.')) inherited.set(setting.path.slice('defaults.'.length), change);
  }
  explainDestinations(before.destinations, after.destinations, inherited, lines);
  return { applied: lines['at once'], newConnections: lines['new connections'], restart: lines.restart };
}

function changeOf({ spec }: Setting, before: unknown, after: unknown): string | null {
  return same(before, after) ? null : `${showValue(before, spec)} → ${showValue(after, spec)}`;
}

/** Destinations are the same when the app calls them the same, wherever they stand in the list. */
function explainDestinations(
  before: readonly DestinationConfig[],
  after: readonly DestinationConfig[],
  inherited: ReadonlyMap<string, string>,
  lines: Lines,
): void {
  const byMatch = (list: readonly DestinationConfig[]): Map<string, DestinationConfig> =>
    new Map(list.map((destination) => [showHostPattern(destination.match), destination]));
  const old = byMatch(before);
  const now = byMatch(after);
  for (const [match, destination] of old) {
    if (now.has(match)) continue;
    lines['at once'].push(`destinations[${match}]: removed`);
    if (destination.localPort !== null)
      lines.restart.push(`destinations[${match}].localPort: ${destination.localPort} → none`);
  }
  for (const [match, destination] of now) {
    const previous = old.get(match);
    if (!previous) {
      lines['at once'].push(`destinations[${match}]: added`);
      if (destination.localPort !== null)
        lines.restart.push(`destinations[${match}].localPort: none → ${destination.localPort}`);
      continue;
    }
    for (const setting of DESTINATION_SETTINGS) {
      // What only observes pools nothing: the mode's line says it.
      if (isPreset(setting) || (setting.path === 'pool.enabled' && modeChanges(previous, destination))) continue;
      const at = destinationPath(setting);
      const change = changeOf(setting, valueAt(previous, at), valueAt(destination, at));
      // What a destination takes from `defaults`, or from the top, was told there.
      if (change !== null && inherited.get(setting.path) !== change)
        lines[setting.spec.applies].push(`destinations[${match}].${setting.path}: ${change}`);
    }
  }
}

/** The explanation for a log or a terminal, one change a line. */
export function explanationLines(explanation: Explanation): string[] {
  return [
    ...explanation.applied.map((line) => `applies at once: ${line}`),
    ...explanation.newConnections.map((line) => `applies to new connections: ${line}`),
    ...explanation.restart.map((line) => `needs a restart: ${line}`),
  ];
}
