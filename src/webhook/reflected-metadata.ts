/**
 * What tsyringe, which @peculiar/x509 is built on, asks of `reflect-metadata`: functions of a proposal to the language that no
 * engine has. Imported before it, for its sake alone. Those that tsyringe does not call are what the package itself wants to
 * find where somebody has been there before it.
 */

type Property = string | symbol | undefined;

const kept = new WeakMap<object, Map<Property, Map<unknown, unknown>>>();

const entriesOf = (target: object, property: Property): Map<unknown, unknown> | undefined =>
  kept.get(target)?.get(property);

function defineMetadata(key: unknown, value: unknown, target: object, property?: Property): void {
  const properties = kept.get(target) ?? new Map<Property, Map<unknown, unknown>>();
  const entries = properties.get(property) ?? new Map<unknown, unknown>();
  entries.set(key, value);
  properties.set(property, entries);
  kept.set(target, properties);
}

const hasOwnMetadata = (key: unknown, target: object, property?: Property): boolean =>
  entriesOf(target, property)?.has(key) ?? false;

const getOwnMetadata = (key: unknown, target: object, property?: Property): unknown =>
  entriesOf(target, property)?.get(key);

const getOwnMetadataKeys = (target: object, property?: Property): unknown[] => [
  ...(entriesOf(target, property)?.keys() ?? []),
];

const deleteMetadata = (key: unknown, target: object, property?: Property): boolean =>
  entriesOf(target, property)?.delete(key) ?? false;

/** The target's own, or what it inherits. */
function getMetadata(key: unknown, target: object, property?: Property): unknown {
  for (let at: object | null = target; at !== null; at = Reflect.getPrototypeOf(at))
    if (hasOwnMetadata(key, at, property)) return getOwnMetadata(key, at, property);
  return undefined;
}

const functions = {
  defineMetadata,
  hasOwnMetadata,
  getOwnMetadata,
  getOwnMetadataKeys,
  deleteMetadata,
  getMetadata,
};

if (!('defineMetadata' in Reflect))
  for (const [name, value] of Object.entries(functions))
    Object.defineProperty(Reflect, name, { value, writable: true, configurable: true });
