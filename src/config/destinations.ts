import { checkTree, type Report } from './check-tree.ts';
import type { Preset } from './choices.ts';
import { PRESETS } from './choices.ts';
import type { Keys } from './config-file.ts';
import type { Origin } from './layers.ts';
import { reportProblem } from './problems.ts';
import { PRESET_VALUES } from './profiles.ts';
import { DESTINATION, DESTINATION_SETTINGS } from './schema.ts';

/** One entry of `destinations` after its check: its own raw values, by path relative to the entry. */
export type DestinationEntry = {
  /** Its place in the file's list. */
  readonly index: number;
  readonly own: ReadonlyMap<string, unknown>;
};

/** Checks the entries of `destinations`; one without a usable `match` is reported and left out. */
export function checkDestinations(entries: readonly unknown[], report: Report): DestinationEntry[] {
  const checked: DestinationEntry[] = [];
  for (const [index, entry] of entries.entries()) {
    const path = `destinations[${index}]`;
    const keys: Keys = ['destinations', index];
    const known = report.problems.length;
    const own = checkTree(entry, DESTINATION, path, keys, report);
    if (own.has('match')) checked.push({ index, own });
    // A match that is there but wrong has its own line already.
    else if (!report.problems.slice(known).some((problem) => problem.path === path || problem.path === `${path}.match`))
      reportProblem(report.problems, {
        where: report.where(keys),
        path,
        message: 'has no match: it needs match: host[:port], as the app calls the destination',
      });
  }
  return checked;
}

/** The preset that a raw value names, or null. */
export function presetOf(raw: unknown): Preset | null {
  return PRESETS.find((preset) => preset === raw) ?? null;
}

/**
 * All raw values of a destination: its own, then its preset's, then the effective `defaults`. `provenance` gets the
 * origin of what does not come from `defaults`.
 */
export function fillDestination(
  entry: DestinationEntry,
  defaults: ReadonlyMap<string, unknown>,
  where: (keys: Keys) => string,
  provenance: Map<string, Origin>,
): Map<string, unknown> {
  const preset = presetOf(entry.own.get('preset'));
  const presetValues: ReadonlyMap<string, unknown> = preset === null ? new Map() : PRESET_VALUES[preset];
  const filled = new Map<string, unknown>();
  for (const { path, spec } of DESTINATION_SETTINGS) {
    const place = `destinations[${entry.index}].${path}`;
    if (entry.own.has(path)) {
      filled.set(path, entry.own.get(path));
      const keys: Keys = ['destinations', entry.index, ...path.split('.')];
      provenance.set(place, { kind: 'file', name: where(keys) });
    } else if (presetValues.has(path)) {
      filled.set(path, presetValues.get(path));
      provenance.set(place, { kind: 'preset', name: preset ?? '' });
    } else {
      const inherited = `defaults.${path}`;
      filled.set(path, defaults.has(inherited) ? defaults.get(inherited) : spec.default);
    }
  }
  return filled;
}
