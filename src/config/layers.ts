import convict from 'convict';
import { checkRaw } from './formats.ts';
import { SCHEMA, SETTINGS } from './schema.ts';
import { isSettingSpec, isSpec, type SettingGroup, type SettingSpec, valueAt } from './setting.ts';

/** Where a value comes from. */
export type Origin = {
  readonly kind: 'default' | 'profile' | 'preset' | 'file' | 'environment' | 'flag';
  /** Which one: the profile's name, the place in the file, the variable, the flag. */
  readonly name: string;
};

/** The values of one source. */
export type Layer = {
  readonly values: ReadonlyMap<string, unknown>;
  readonly origin: (path: string) => Origin;
};

// Convict looks formats up by name in one table of its own.
for (const name of new Set(SETTINGS.map(({ spec }) => spec.format)))
  convict.addFormat({
    name,
    // Convict hands the leaf of the schema back, with our attributes.
    validate: (raw: unknown, leaf: object) => {
      if (isSettingSpec(leaf)) checkRaw(unboxed(raw, leaf), leaf);
    },
  });

// Convict takes a value that is an object for a group of settings: it sees such values in a list of their own.
const boxed = (raw: unknown, spec: SettingSpec): unknown => (spec.format === 'headerSet' ? [raw] : raw);
const unboxed = (raw: unknown, spec: SettingSpec): unknown =>
  spec.format === 'headerSet' && Array.isArray(raw) ? raw[0] : raw;

/** `{ 'a.b': 1 }` → `{ a: { b: 1 } }`. */
function nest(values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const build = (group: SettingGroup, prefix: string): Record<string, unknown> => {
    const built: Record<string, unknown> = {};
    for (const [name, node] of Object.entries(group)) {
      const path = prefix + name;
      if (!isSpec(node)) built[name] = build(node, `${path}.`);
      else if (values.has(path)) built[name] = boxed(values.get(path), node);
    }
    return built;
  };
  return build(SCHEMA, '');
}

/** The defaults with every layer on top, later ones winning: raw values for every path, and where each is from. */
export function mergeLayers(layers: readonly Layer[]): {
  values: Map<string, unknown>;
  provenance: Map<string, Origin>;
} {
  // Without `env` and `args` convict would read this process's; they are layers here, checked before.
  const store = convict<Record<string, unknown>>(SCHEMA, { env: {}, args: [] });
  const provenance = new Map<string, Origin>();
  for (const { path } of SETTINGS) provenance.set(path, { kind: 'default', name: 'default' });
  for (const layer of layers) {
    store.load(nest(layer.values));
    for (const path of layer.values.keys()) provenance.set(path, layer.origin(path));
  }
  store.validate({ allowed: 'strict' });
  const merged = store.getProperties();
  return {
    values: new Map(SETTINGS.map(({ path, spec }) => [path, unboxed(valueAt(merged, path), spec)])),
    provenance,
  };
}
