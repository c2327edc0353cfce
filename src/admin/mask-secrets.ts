const MASK = '***';

/** Names whose value is a secret. A path to one (`tokenFile`, `caFile`) is not. */
const SECRET_NAME = /(token|password|passwd|secret|credential|authorization|cookie|api[-_]?key|private[-_]?key)s?$/i;

/** User information in a URL. */
const URL_CREDENTIALS = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i;

/** A copy of `value` for people to read: secrets replaced by `***`, in whatever depth, and so is whatever `headers.set` adds. */
export function maskSecrets(value: unknown, path: readonly string[] = []): unknown {
  const name = path.at(-1) ?? '';
  if (name === 'set' && path.at(-2) === 'headers') return maskFields(value);
  if (typeof value === 'string') return SECRET_NAME.test(name) ? MASK : value.replace(URL_CREDENTIALS, `$1${MASK}@`);
  if (Array.isArray(value)) return value.map((item) => maskSecrets(item, path));
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, maskSecrets(item, [...path, key])]));
}

const isTree = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Values that a destination adds to requests are API keys more often than not, whatever the field is called: names with values, or the list that is made of them. */
function maskFields(set: unknown): unknown {
  if (Array.isArray(set)) return set.map((field) => maskAllBut(field, ['name', 'file']));
  if (!isTree(set)) return set;
  return Object.fromEntries(Object.entries(set).map(([name, value]) => [name, maskAllBut(value, ['file'])]));
}

/** @param shown keys of `value` that are no secrets: names, and paths to values */
function maskAllBut(value: unknown, shown: readonly string[]): unknown {
  if (value === null) return null;
  if (!isTree(value)) return MASK;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, shown.includes(key) ? item : maskAllBut(item, [])]),
  );
}
