import { isIP } from 'node:net';
import { parseAddressRange } from '../discovery/address-range.ts';
import { parseHostPattern } from './addresses.ts';
import { describeRaw } from './problems.ts';
import { readEach, refuse } from './readers.ts';
import type { SettingSpec } from './setting.ts';
import type { HeaderValue, WeightedTarget } from './types.ts';

/** Readers of the values that say where requests go and what becomes of them (see readers.ts). */

const list = (raw: unknown, each: string): readonly unknown[] =>
  Array.isArray(raw) ? raw : refuse(`must be a list, each entry ${each}`);

const wrongEntry = (entry: unknown, index: number, each: string): never =>
  refuse(`its entry ${index + 1} ${describeRaw(entry, false)} and must be ${each}`);

/** Several of the setting's choices, each once. */
export function readChoices(raw: unknown, spec: SettingSpec): readonly string[] {
  const choices = spec.choices ?? [];
  const each = `one of ${choices.join(', ')}`;
  const read = readEach(list(raw, each), (entry, index) =>
    typeof entry === 'string' && choices.includes(entry) ? entry : wrongEntry(entry, index, each),
  );
  return [...new Set(read)];
}

/** Statuses that may lead to another try: of errors, for an answer that is none must reach the app. */
export function readStatuses(raw: unknown): readonly number[] {
  const each = 'an HTTP status from 400 to 599';
  const read = readEach(list(raw, each), (entry, index) =>
    typeof entry === 'number' && Number.isInteger(entry) && entry >= 400 && entry <= 599
      ? entry
      : wrongEntry(entry, index, each),
  );
  return [...new Set(read)];
}

const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,128}$/;

/** Fields that frame a message or concern one hop: whoever changes them breaks the message. */
const OURS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'max-forwards',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The name of a field, in lower case. */
export function readFieldName(raw: unknown): string {
  if (typeof raw !== 'string' || !TOKEN.test(raw)) return refuse('must be the name of a header field or a cookie');
  return raw;
}

function ownField(name: unknown): string {
  const lower = readFieldName(name).toLowerCase();
  return OURS.has(lower) ? refuse(`${lower} concerns the framing or one hop, and is carpool’s own`) : lower;
}

export const readFieldNames = (raw: unknown): readonly string[] => [
  ...new Set(readEach(list(raw, 'the name of a header field'), ownField)),
];

const isTree = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Bytes that a field's value may have: printable, with spaces and tabs inside (RFC 9110 section 5.5). */
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\t\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

function headerValue(name: string, raw: unknown): HeaderValue {
  if (typeof raw === 'string' || typeof raw === 'number' || typeof raw === 'boolean') {
    const value = String(raw);
    if (!VALUE.test(value) || value.length > 8192)
      return refuse(
        `the value of ${name} must be one line of at most 8192 printable characters, without spaces around it`,
      );
    return { name, value, file: null, prefix: '' };
  }
  if (!isTree(raw)) return refuse(`the value of ${name} must be a text, or { file: /path }`);
  for (const key of Object.keys(raw))
    if (key !== 'file' && key !== 'prefix') return refuse(`${name} has ${key}, but only file and prefix are known`);
  const { file, prefix = '' } = raw;
  if (typeof file !== 'string' || !file.startsWith('/') || file.includes('\0'))
    return refuse(`${name} needs file: with an absolute path`);
  if (typeof prefix !== 'string' || /^ |[^\x20-\x7e]/.test(prefix))
    return refuse(`the prefix of ${name} must be a text of printable characters that does not begin with a space`);
  return { name, value: null, file, prefix };
}

/** `{ name: text | { file, prefix } }` */
export function readHeaderSet(raw: unknown): readonly HeaderValue[] {
  if (!isTree(raw))
    return refuse('must be names with values, such as { x-team: shop, authorization: { file: /secrets/key } }');
  const values = readEach(Object.entries(raw), ([name, value]) => headerValue(ownField(name), value));
  const names = values.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? values : refuse(`has ${twice} twice`);
}

const TARGET = 'host:port such as canary.shop:8080';

function target(raw: unknown): { host: string; port: number } | null {
  const pattern = typeof raw === 'string' ? parseHostPattern(raw) : null;
  if (pattern === null || pattern.port === null || pattern.host.includes('*')) return null;
  return { host: pattern.host, port: pattern.port };
}

/** `host:port`, or a list of `{ host: host:port, weight: n }`. */
export function readTargets(raw: unknown): readonly WeightedTarget[] {
  if (typeof raw === 'string') {
    const one = target(raw);
    return one === null
      ? refuse(`must be ${TARGET}, or a list of { host: ${TARGET.split(' ')[0]}, weight: 1 }`)
      : [{ ...one, weight: 1 }];
  }
  const each = `{ host: ${TARGET}, weight: a whole number from 0 to 1000000 }`;
  const targets = readEach(list(raw, each), (entry, index): WeightedTarget => {
    if (!isTree(entry)) return wrongEntry(entry, index, each);
    const { host, weight = 1, ...rest } = entry;
    const where = target(host);
    const [unknown] = Object.keys(rest);
    const has = (name: string, value: unknown): string =>
      `its entry ${index + 1} has ${name} ${describeRaw(value, false).replace(/^is /, '')}`;
    if (unknown !== undefined)
      return refuse(`its entry ${index + 1} has ${unknown}, but only host and weight are known`);
    if (where === null) return refuse(`${has('host', host)}, which must be ${TARGET}`);
    if (typeof weight !== 'number' || !Number.isInteger(weight) || weight < 0 || weight > 1_000_000)
      return refuse(`${has('weight', weight)}, which must be a whole number from 0 to 1000000`);
    return { ...where, weight };
  });
  if (!targets.some(({ weight }) => weight > 0)) return refuse('must have an entry with a weight above 0');
  const names = targets.map(({ host, port }) => `${host}:${port}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? targets : refuse(`has ${twice} twice`);
}

function url(raw: unknown, schemes: readonly string[], words: string): string {
  const parsed = typeof raw === 'string' ? URL.parse(raw) : null;
  if (parsed === null || !schemes.includes(parsed.protocol) || parsed.hostname === '')
    return refuse(`must be ${words}`);
  if (parsed.username !== '' || parsed.password !== '')
    return refuse('must not hold a user or a password: they belong in a file');
  if (parsed.search !== '' || parsed.hash !== '') return refuse(`must be ${words}, and nothing behind it`);
  return parsed.href;
}

export const readRedisUrl = (raw: unknown): string => {
  const href = url(raw, ['redis:', 'rediss:'], 'redis://host:port, with /database if need be, or rediss://');
  return /^\/?\d*$/.test(new URL(href).pathname) ? href : refuse('must end in the number of a database, or in nothing');
};

export const readProxyUrl = (raw: unknown): string => {
  const href = url(raw, ['http:', 'https:'], 'http://host:port or https://host:port');
  return new URL(href).pathname === '/' ? href : refuse('must be the address of a proxy, without a path');
};

/** Names, `.suffixes`, addresses and ranges, each with `:port` if need be; in lower case. */
export const readNoProxy = (raw: unknown): readonly string[] => {
  const each = 'a name, a .suffix, an address or a range, such as db.shop, .example.com, 10.0.0.0/8 or *';
  return readEach(list(raw, each), (entry, index) => {
    if (typeof entry !== 'string') return wrongEntry(entry, index, each);
    const text = entry.trim().toLowerCase();
    if (text.includes('/')) {
      try {
        parseAddressRange(text);
        return text;
      } catch {
        return wrongEntry(entry, index, each);
      }
    }
    const known = text === '*' || isIP(text) > 0 || parseHostPattern(text.replace(/^\*?\./, '')) !== null;
    return known ? text : wrongEntry(entry, index, each);
  });
};
