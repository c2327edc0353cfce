const MASK = '***';

/** Names whose value is a secret. A path to one (`tokenFile`, `caFile`) is not. */
const SECRET_NAME = /(token|password|passwd|secret|credential|authorization|cookie|api[-_]?key|private[-_]?key)s?$/i;

/** User information in a URL. */
const URL_CREDENTIALS = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i;

/** A copy of `value` for people to read: secrets replaced by `***`, in whatever depth, and so is whatever `headers.set` adds. */
export function maskSecrets(value: unknown, path: readonly string[] = []): unknown {
  const name = path.at(-1) ?? '';
  if (typeof value === 'string') {
    if (SECRET_NAME.test(name) || isHeaderValue(path)) return MASK;
    return value.replace(URL_CREDENTIALS, `$1${MASK}@`);
  }
  if (Array.isArray(value)) return value.map((item) => maskSecrets(item, path));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, maskSecrets(item, [...path, key])]));
}

/** Values that a destination adds to requests are API keys more often than not. Names, and paths to values, are none. */
function isHeaderValue(path: readonly string[]): boolean {
  return path.at(-2) === 'set' && path.at(-3) === 'headers' && path.at(-1) !== 'name' && path.at(-1) !== 'file';
}
