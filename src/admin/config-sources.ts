import { showHostPattern } from '../config/addresses.ts';
import type { Origin } from '../config/layers.ts';
import type { LoadedConfig } from '../config/load.ts';
import { DESTINATION_SETTINGS, SETTINGS } from '../config/schema.ts';
import { maskSecrets } from './mask-secrets.ts';

/** One setting of the configuration that was accepted last. */
export type SourcedSetting = {
  /** `defaults.pool.maxIdle`; what a destination has of its own: `destinations[orders.shop:8080].pool.maxIdle`. */
  readonly path: string;
  /** As it would be written in YAML, secrets masked. */
  readonly value: unknown;
  readonly origin: Origin['kind'];
  /** The place in the file, the variable, the flag, the name of the profile or preset; empty for a default. */
  readonly where: string;
};

/** `/debug/config?sources`: every setting, sorted by path. What a destination takes from `defaults` is not told again. */
export function configSources({ config, raw, provenance }: LoadedConfig): { readonly settings: SourcedSetting[] } {
  const settings: SourcedSetting[] = [];
  const add = (path: string, place: string, value: unknown): void => {
    const origin = provenance.get(place);
    if (origin === undefined) return;
    const where = origin.kind === 'default' ? '' : origin.name;
    settings.push({ path, value: maskSecrets(value, path.split('.')), origin: origin.kind, where });
  };
  // The list of destinations is told entry by entry.
  for (const { path } of SETTINGS) if (path !== 'destinations') add(path, path, raw.values.get(path));
  for (const [i, { index, values }] of raw.destinations.entries()) {
    const match = config.destinations[i]?.match;
    if (match === undefined) continue;
    for (const { path } of DESTINATION_SETTINGS)
      add(`destinations[${showHostPattern(match)}].${path}`, `destinations[${index}].${path}`, values.get(path));
  }
  return { settings: settings.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)) };
}
