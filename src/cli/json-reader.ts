import { CliError } from './deps.ts';

/** Reading JSON from a sidecar that may be older or newer than this program: what is missing reads as empty. */
export type JsonObject = ReadonlyMap<string, unknown>;

export function parseObject(text: string, from: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return new Map(Object.entries(value));
  } catch {
    // Said below.
  }
  throw new CliError(`${from} answered, but not as a sidecar does: is this the operator port?`);
}

export function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object.get(key);
  return new Map(isObject(value) ? Object.entries(value) : []);
}

export function listAt(object: JsonObject, key: string): JsonObject[] {
  const value: unknown = object.get(key);
  return Array.isArray(value) ? value.filter(isObject).map((item) => new Map(Object.entries(item))) : [];
}

export function numberAt(object: JsonObject, key: string): number {
  const value = object.get(key);
  return typeof value === 'number' ? value : 0;
}

export function textAt(object: JsonObject, key: string): string {
  const value = object.get(key);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** The texts of a list. */
export function textsAt(object: JsonObject, key: string): string[] {
  const value = object.get(key);
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
