/** Looks at parsed JSON from the network, of which nothing is known yet. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** The longest name that Kubernetes allows (a DNS subdomain). */
const MAX_NAME_LENGTH = 253;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object at `key`, or an empty one. */
export function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isJsonObject(value) ? value : {};
}

/** The string at `key` where it is as long as a name may be and prints on one line, else null. */
export function nameAt(object: JsonObject, key: string): string | null {
  const value = object[key];
  if (typeof value !== 'string' || value.length > MAX_NAME_LENGTH) return null;
  return /^[\x21-\x7e]+$/.test(value) ? value : null;
}

/** `value` as a line of the log can carry it: a long text is cut, and of what is no text or number only the kind is told. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value === undefined) return 'nothing';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return String(value);
  return value.length > 60 ? `${JSON.stringify(value.slice(0, 60))}…` : JSON.stringify(value);
}
