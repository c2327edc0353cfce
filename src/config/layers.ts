import convict from 'convict';
import { checkRaw } from './formats.ts';
import { SCHEMA, SETTINGS } from './schema.ts';
import { isSettingSpec, isSpec, type SettingGroup, valueAt } from './setting.ts';

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
      if (isSettingSpec(leaf)) checkRaw(raw, leaf);
    },
  });

/** `{ 'a.b': 1 }` → `{ a: { b: 1 } }`. */
function nest(values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const build = (group: SettingGroup, prefix: string): Record<string, unknown> => {
    const built: Record<string, unknown> = {};
    for (const [name, node] of Object.entries(group)) {
      const path = prefix + name;
      if (!isSpec(node)) built[name] = build(node, `${path}.`);
      else if (values.has(path)) built[name] = values.get(path);
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
  return { values: new Map(SETTINGS.map(({ path }) => [path, valueAt(merged, path)])), provenance };
}
