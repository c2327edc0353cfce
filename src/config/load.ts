import { checkTree } from './check-tree.ts';
import { PROFILES } from './choices.ts';
import { type ConfigFile, parseConfigText, readConfigFile } from './config-file.ts';
import { crossCheck } from './cross-check.ts';
import { checkDestinations, type DestinationEntry, fillDestination, presetOf } from './destinations.ts';
import { type Environment, readEnvironment } from './environment.ts';
import { type Flag, readFlags } from './flags.ts';
import { type Layer, mergeLayers, type Origin } from './layers.ts';
import { memoryLimit } from './memory-limit.ts';
import { dropPresetStatuses } from './preset-retry.ts';
import { ConfigProblems, type Problem, reportProblem } from './problems.ts';
import { PRESET_VALUES, PROFILE_VALUES } from './profiles.ts';
import { type RawValues, resolveConfig } from './resolve.ts';
import { SCHEMA } from './schema.ts';
import { checkTlsFiles } from './tls-check.ts';
import type { Config } from './types.ts';

/** Where a configuration comes from; later ones win: defaults, profile, preset, file, environment, flags. */
export type ConfigSources = {
  /** Path of the YAML file, or null: none. */
  readonly file: string | null;
  /** A missing file counts as an empty one. */
  readonly fileMayBeMissing?: boolean;
  readonly env: Environment;
  readonly flags: readonly Flag[];
  /** Bytes of memory that `limits.bufferBytes: auto` goes by; the cgroup's limit where absent. */
  readonly memoryLimit?: number;
};

/** Raw values by path: of the whole, and of each destination with what it inherits. */
export type RawConfig = {
  readonly values: RawValues;
  /** `index`: its place in the file's list. */
  readonly destinations: readonly { readonly index: number; readonly values: RawValues }[];
};

/** A configuration that was accepted. */
export type LoadedConfig = {
  readonly config: Config;
  /** One line each, for the log. */
  readonly warnings: readonly string[];
  /** Where each setting's value is from, by path; a destination's inherited settings are not in it. */
  readonly provenance: ReadonlyMap<string, Origin>;
  /** The same values as one would write them. */
  readonly raw: RawConfig;
  /** What the file held, or null. */
  readonly text: string | null;
};

/**
 * Reads all sources and makes the configuration.
 * @throws ConfigProblems with every problem at once; nothing is used of a configuration that has one
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const file = sources.file === null ? null : readConfigFile(sources.file, sources.fileMayBeMissing);
  return build(file, sources);
}

/**
 * Reads the same sources again and again. A file that may be missing may not go once it was there: a ConfigMap that is deleted
 * would set everything back to the defaults, under load.
 */
export function configLoader(sources: ConfigSources): () => LoadedConfig {
  let fileMayBeMissing = sources.fileMayBeMissing ?? false;
  return () => {
    const loaded = loadConfig({ ...sources, fileMayBeMissing });
    if (loaded.text !== null) fileMayBeMissing = false;
    return loaded;
  };
}

/** The configuration of no file, no variable and no flag. */
export function defaultConfig(): Config {
  return build(null, { file: null, env: {}, flags: [] }).config;
}

function build(file: ConfigFile | null, sources: ConfigSources): LoadedConfig {
  const problems: Problem[] = [...(file?.problems ?? [])];
  const warnings: string[] = [];
  const { where } = file ?? parseConfigText('defaults', '');
  const report = { problems, where };

  const fileValues =
    file?.tree === undefined ? new Map<string, unknown>() : checkTree(file.tree, SCHEMA, '', [], report);
  if (file?.tree === null) warnings.push(`${file.name}: is empty, so every setting has its default`);
  const listed: unknown = fileValues.get('destinations');
  const entries = Array.isArray(listed) ? checkDestinations(listed, report) : [];
  const environment = readEnvironment(sources.env, problems, warnings);
  const flags = readFlags(sources.flags, problems);

  const fromFile: Layer = { values: fileValues, origin: (path) => ({ kind: 'file', name: where(path.split('.')) }) };
  const env: Layer = {
    values: environment.values,
    origin: (path) => ({ kind: 'environment', name: environment.variables.get(path) ?? '' }),
  };
  const flag: Layer = { values: flags.values, origin: (path) => ({ kind: 'flag', name: flags.names.get(path) ?? '' }) };
  const layers = [...baseLayers([fromFile, env, flag]), fromFile, env, flag];
  const { values, provenance } = mergeLayers(layers);

  const place = (path: string): string => {
    const origin = provenance.get(path);
    return origin === undefined || origin.kind === 'default' ? (file?.name ?? 'defaults') : origin.name;
  };
  const filled = entries.map((entry): DestinationEntry & { all: Map<string, unknown> } => ({
    ...entry,
    all: fillDestination(entry, values, where, provenance),
  }));
  // First the destinations: they inherit a preset's statuses, whatever else `defaults` says.
  const origins = new Map(provenance);
  for (const { index, all } of filled) {
    const place = `destinations[${index}].`;
    const origin = (path: string): Origin | undefined => origins.get(place + path) ?? origins.get(`defaults.${path}`);
    dropPresetStatuses(all, '', origin, (path, by) => provenance.set(place + path, by));
  }
  dropPresetStatuses(
    values,
    'defaults.',
    (path) => origins.get(`defaults.${path}`),
    (path, by) => provenance.set(`defaults.${path}`, by),
  );
  const config = resolveConfig(
    values,
    filled.map(({ all }) => all),
    sources.memoryLimit ?? memoryLimit(),
  );
  const places = filled.map(({ index }) => index);
  crossCheck(config, places, { problems, warnings, where: place, provenance });
  // A setting that was refused has its default here, so that its partner would be told of in vain.
  if (!problems.some(({ path }) => /(^|\.)tls\./.test(path)))
    checkTlsFiles(config, places, provenance, (path, message) =>
      reportProblem(problems, { where: place(path), path, message }),
    );
  if (problems.length > 0) throw new ConfigProblems(problems);
  const raw = { values, destinations: filled.map(({ index, all }) => ({ index, values: all })) };
  return { config, warnings, provenance, raw, text: file?.text ?? null };
}

/** The layers below the file: the profile, and the preset of `defaults`, whichever source names them. */
function baseLayers(sources: readonly Layer[]): Layer[] {
  const last = (path: string): unknown => sources.findLast((layer) => layer.values.has(path))?.values.get(path);
  const profile = PROFILES.find((each) => each === last('profile')) ?? 'production';
  const layers: Layer[] = [{ values: PROFILE_VALUES[profile], origin: () => ({ kind: 'profile', name: profile }) }];
  const preset = presetOf(last('defaults.preset'));
  if (preset !== null)
    layers.push({
      values: new Map([...PRESET_VALUES[preset]].map(([path, raw]) => [`defaults.${path}`, raw])),
      origin: () => ({ kind: 'preset', name: preset }),
    });
  return layers;
}
