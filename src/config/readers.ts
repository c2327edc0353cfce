import { isIP, isIPv6 } from 'node:net';
import { parseAddressRange } from '../discovery/address-range.ts';
import { CarpoolError } from '../errors.ts';
import { parseEndpoint, parseHostPattern, parsePortRange, showEndpoint } from './addresses.ts';
import { parseDuration, showDuration } from './duration.ts';
import { describeRaw } from './problems.ts';
import type { SettingSpec } from './setting.ts';
import { parseSize, showSize } from './size.ts';
import type { HostPattern } from './types.ts';

/**
 * The kinds of values there are: a raw value is what stands in YAML, and each function makes the value that the code
 * works with out of it, or throws `NotAllowed` with the words that tell a person what is allowed.
 */

/** Thrown for a raw value that is not allowed; the message ends the sentence `x is "y", …`. */
export class NotAllowed extends Error {}

export function refuse(message: string): never {
  throw new NotAllowed(message);
}

const DAY = 86_400_000;

/** Milliseconds. */
export function readDuration(raw: unknown, spec: SettingSpec): number {
  if (raw === 0 || raw === '0') {
    if (spec.zero === undefined) return refuse(`must be longer than 0: ${durationRange(spec)}`);
    return 0;
  }
  if (typeof raw === 'number' || (typeof raw === 'string' && /^[0-9.]+$/.test(raw)))
    return refuse(`a duration needs its unit: write ${raw}s or ${raw}ms (units are ms, s, m, h)`);
  const ms = typeof raw === 'string' ? parseDuration(raw) : null;
  if (ms === null) return refuse(`must be a duration such as 250ms, 30s, 5m or 1m30s (units are ms, s, m, h)`);
  if (ms < (spec.min ?? 1) || ms > (spec.max ?? DAY)) return refuse(`must be a duration ${durationRange(spec)}`);
  return ms;
}

const durationRange = (spec: SettingSpec): string =>
  `from ${showDuration(spec.min ?? 1)} to ${showDuration(spec.max ?? DAY)}${spec.zero === undefined ? '' : ', or 0'}`;

/** Bytes; null for the setting's word (`auto`). */
export function readSizeOrWord(raw: unknown, spec: SettingSpec): number | null {
  if (spec.word !== undefined && raw === spec.word) return null;
  const bytes = typeof raw === 'number' ? raw : typeof raw === 'string' ? parseSize(raw) : null;
  if (bytes === null || !Number.isInteger(bytes)) return refuse(`must be ${sizeWords(spec)}`);
  if (bytes < (spec.min ?? 0) || bytes > (spec.max ?? Number.MAX_SAFE_INTEGER))
    return refuse(`must be a size from ${showSize(spec.min ?? 0)} to ${showSize(spec.max ?? Number.MAX_SAFE_INTEGER)}`);
  return bytes;
}

const sizeWords = (spec: SettingSpec): string =>
  `a size such as 64KiB, 1MiB or 65536 (bytes)${spec.word === undefined ? '' : `, or ${spec.word}`}`;

/** Bytes, for settings without a word. */
export function readSize(raw: unknown, spec: SettingSpec): number {
  return readSizeOrWord(raw, spec) ?? refuse(`must be ${sizeWords(spec)}`);
}

export function readCount(raw: unknown, spec: SettingSpec): number {
  if (typeof raw !== 'number' || !Number.isInteger(raw) || raw < (spec.min ?? 0) || raw > (spec.max ?? 1e9))
    return refuse(`must be a whole number from ${spec.min ?? 0} to ${spec.max ?? 1e9}`);
  return raw;
}

/** A count; null for the setting's word (`auto`). */
export function readCountOrWord(raw: unknown, spec: SettingSpec): number | null {
  if (raw === spec.word) return null;
  if (typeof raw === 'number') return readCount(raw, spec);
  return refuse(`must be a whole number from ${spec.min ?? 0} to ${spec.max ?? 1e9}, or ${spec.word}`);
}

export function readRatio(raw: unknown): number {
  if (typeof raw !== 'number' || !(raw >= 0 && raw <= 1)) return refuse('must be a number from 0 to 1');
  return raw;
}

export function readBoolean(raw: unknown): boolean {
  return typeof raw === 'boolean' ? raw : refuse('must be true or false');
}

export function readAutoBoolean(raw: unknown): 'auto' | 'on' | 'off' {
  if (raw === 'auto') return 'auto';
  return typeof raw === 'boolean' ? (raw ? 'on' : 'off') : refuse('must be auto, true or false');
}

/** The origin of an https URL, without a path. */
export function readHttpsUrl(raw: unknown): string {
  const url = typeof raw === 'string' ? URL.parse(raw) : null;
  if (url?.protocol !== 'https:' || url.username !== '' || url.pathname !== '/' || url.search !== '')
    return refuse('must be an address such as https://10.96.0.1:443, without a path');
  return url.origin;
}

export function readCollectorUrl(raw: unknown): string {
  const url = typeof raw === 'string' ? URL.parse(raw) : null;
  const http = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === null || !http || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return refuse('must be an address such as http://otel-collector:4318, without credentials');
  return url.href;
}

export function readChoice(raw: unknown, spec: SettingSpec): string {
  const choices = spec.choices ?? [];
  if (typeof raw !== 'string' || !choices.includes(raw)) return refuse(`must be one of ${choices.join(', ')}`);
  return raw;
}

export function readPort(raw: unknown): number {
  if (typeof raw !== 'number' || !Number.isInteger(raw) || raw < 0 || raw > 65_535)
    return refuse('must be a port from 1 to 65535 (0 picks a free one)');
  return raw;
}

export function readHost(raw: unknown): string {
  if (typeof raw !== 'string' || !(raw === 'localhost' || isIP(raw)))
    return refuse('must be an IP address to listen on, such as 127.0.0.1 or "::" (without brackets), or localhost');
  return raw;
}

export function readPath(raw: unknown, spec: SettingSpec): string {
  if (typeof raw !== 'string' || !raw.startsWith('/') || raw.includes('\0'))
    return refuse('must be an absolute path of a file');
  if (Buffer.byteLength(raw) > (spec.max ?? 4095)) return refuse(`must be a path of at most ${spec.max ?? 4095} bytes`);
  return raw;
}

/** Empty, or a path prefix that starts with `/`; the slash at its end is dropped. */
export function readBasePath(raw: unknown): string {
  if (typeof raw !== 'string' || !/^(\/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*)?$/.test(raw) || raw.length > 1024)
    return refuse('must be a path prefix such as /v1 (no spaces, ? or #)');
  return raw.replace(/\/+$/, '');
}

/** A name that somebody else gave, such as that of a namespace or a node: any, `other` too. */
export function readName(raw: unknown, spec: SettingSpec): string {
  const max = spec.max ?? 128;
  if (typeof raw !== 'string' || raw.length > max || !/^[A-Za-z0-9_]([A-Za-z0-9_.:\-/]*[A-Za-z0-9_])?$/.test(raw))
    return refuse(`must be a name of letters, digits, and . _ - : / between them, at most ${max} long`);
  return raw;
}

/** The name of a destination in metrics and logs. */
export function readLabel(raw: unknown): string {
  if (typeof raw !== 'string' || !/^[A-Za-z0-9_]([A-Za-z0-9_.:\-/]{0,126}[A-Za-z0-9_])?$/.test(raw))
    return refuse('must be a name of letters, digits, and . _ - : / between them, at most 128 long');
  if (raw === 'other') return refuse('is the label of all destinations that have none of their own: choose another');
  return raw;
}

export function readHostPattern(raw: unknown): HostPattern {
  const pattern = typeof raw === 'string' ? parseHostPattern(raw) : null;
  return (
    pattern ?? refuse('must be host[:port] such as orders.shop:8080, *.shop or [fd00::1]:80; * stands for one label')
  );
}

/** A host name or an address, alone, in lower case. */
export function readServerName(raw: unknown): string {
  // An IPv6 address has no brackets here: there is no port to keep it from.
  const pattern = typeof raw === 'string' ? parseHostPattern(isIPv6(raw) ? `[${raw}]` : raw) : null;
  if (pattern === null || pattern.port !== null || pattern.host.includes('*'))
    return refuse('must be a host name or an IP address, without a port and without *');
  return pattern.host;
}

/** Mistakes of one value that are told; who makes more has made one of another kind. */
const MOST_TOLD = 5;

/** Reads every entry, and refuses with what is wrong with all of those that are. */
export function readEach<T, R>(entries: readonly T[], read: (entry: T, index: number) => R): readonly R[] {
  const right: R[] = [];
  const wrong: string[] = [];
  for (const [index, entry] of entries.entries())
    try {
      right.push(read(entry, index));
    } catch (error) {
      if (!(error instanceof NotAllowed)) throw error;
      wrong.push(error.message);
    }
  if (wrong.length === 0) return right;
  const more = wrong.length > MOST_TOLD ? `; and ${wrong.length - MOST_TOLD} more` : '';
  return refuse(wrong.slice(0, MOST_TOLD).join('; ') + more);
}

type ReadonlyList<T> = readonly T[];

/** Reads a list; the message names the entries that are wrong. */
function readList<T>(raw: unknown, each: string, read: (entry: unknown) => T | null): ReadonlyList<T> {
  if (!Array.isArray(raw)) return refuse(`must be a list, each entry ${each}`);
  return readEach<unknown, T>(
    raw,
    (entry, index) => read(entry) ?? refuse(`its entry ${index + 1} ${describeRaw(entry, false)} and must be ${each}`),
  );
}

export const readPortRanges = (raw: unknown): ReadonlyList<{ from: number; to: number }> =>
  readList(raw, 'a port or a range such as 443 or "1024-65535"', parsePortRange);

export const readAddressRanges = (raw: unknown): ReadonlyList<string> =>
  readList(raw, 'an address or a range such as 127.0.0.0/8 or fd00::1', (entry) => {
    if (typeof entry !== 'string') return null;
    try {
      parseAddressRange(entry);
      return entry.toLowerCase();
    } catch (error) {
      return error instanceof CarpoolError ? refuse(error.message) : null;
    }
  });

export const readTokens = (raw: unknown): ReadonlyList<string> =>
  readList(raw, 'the name of a protocol such as websocket', (entry) =>
    typeof entry === 'string' && /^[A-Za-z0-9!#$%&'*+\-.^_`|~/]{1,64}$/.test(entry) ? entry.toLowerCase() : null,
  );

export const readNamespaces = (raw: unknown): ReadonlyList<string> =>
  readList(raw, 'the name of a namespace such as shop, or * for any', (entry) =>
    typeof entry === 'string' && /^(\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$/.test(entry) ? entry : null,
  );

const ENDPOINT = 'an address with a port such as 10.0.0.5:9000 or "[fd00::5]:9000"';

export function readEndpoints(raw: unknown): ReadonlyList<{ address: string; port: number }> {
  const endpoints = readList(raw, ENDPOINT, (entry) => (typeof entry === 'string' ? parseEndpoint(entry) : null));
  if (endpoints.length === 0) return refuse(`must have at least one entry, ${ENDPOINT}`);
  const twice = endpoints.map(showEndpoint).find((endpoint, index, all) => all.indexOf(endpoint) !== index);
  return twice === undefined ? endpoints : refuse(`has ${twice} twice`);
}

export function readDestinations(raw: unknown): ReadonlyList<unknown> {
  return Array.isArray(raw) ? raw : refuse('must be a list of destinations');
}
