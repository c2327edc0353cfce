import { showEndpoint, showHostPattern, showPortRange } from './addresses.ts';
import { DURATION_PATTERN, showDuration } from './duration.ts';
import {
  readAddressRanges,
  readAutoBoolean,
  readBasePath,
  readBoolean,
  readChoice,
  readCollectorUrl,
  readCount,
  readCountOrWord,
  readDestinations,
  readDuration,
  readEndpoints,
  readHost,
  readHostPattern,
  readHttpsUrl,
  readLabel,
  readName,
  readNamespaces,
  readPath,
  readPort,
  readPortRanges,
  readRatio,
  readServerName,
  readSizeOrWord,
  readTokens,
  refuse,
} from './readers.ts';
import type { FormatName, SettingSpec } from './setting.ts';
import { SIZE_PATTERN, showSize } from './size.ts';
import {
  readChoices,
  readFieldName,
  readFieldNames,
  readHeaderSet,
  readNoProxy,
  readProxyUrl,
  readRedisUrl,
  readStatuses,
  readTargets,
} from './traffic-readers.ts';

/**
 * The formats that the schema names, one row each: how a raw value is read, how a text becomes a raw value, how a value
 * is shown, and what convict, the reference page and JSON Schema are told about it.
 */

type Format = {
  /** Throws `NotAllowed`, or gives the value that the code works with. */
  readonly read: (raw: unknown, spec: SettingSpec) => unknown;
  /** How the type is called on the reference page. */
  readonly type: string;
  readonly json: (spec: SettingSpec) => object;
  /** Text of an environment variable or a flag as a raw value; what makes no sense is left as it is, for `read` to refuse. */
  readonly fromText?: (text: string) => unknown;
  /** A value that `read` gave, for people. */
  readonly show?: (value: unknown) => string;
};

const numberFromText = (text: string): unknown => (/^-?[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : text);
const listFromText = (text: string): unknown => (text === 'none' ? [] : text.split(',').map((entry) => entry.trim()));
const jsonFromText = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};
const showNumber =
  (show: (value: number) => string) =>
  (value: unknown): string =>
    typeof value === 'number' ? show(value) : String(value);
const showList =
  (show: (entry: unknown) => string) =>
  (value: unknown): string =>
    Array.isArray(value) && value.length > 0 ? value.map(show).join(', ') : 'none';
const number = (value: unknown, key: string): number => {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return typeof found === 'number' ? found : 0;
};

const TRUE = /^(true|1|yes|on)$/i;
const FALSE = /^(false|0|no|off)$/i;
const text = { type: 'string' };
const port = { type: 'integer', minimum: 0, maximum: 65_535 };

/** Every format by the name that it has in the schema. */
export const FORMATS = {
  duration: {
    read: readDuration,
    type: 'duration',
    json: (spec) => {
      const withUnit = { type: 'string', pattern: DURATION_PATTERN };
      return spec.zero === undefined ? withUnit : { anyOf: [withUnit, { const: 0 }] };
    },
    fromText: (given) => (given === '0' ? 0 : given),
    show: showNumber(showDuration),
  },
  size: {
    read: readSizeOrWord,
    type: 'size',
    json: (spec) => ({
      anyOf: [
        { type: 'integer', minimum: spec.min ?? 0 },
        { type: 'string', pattern: SIZE_PATTERN },
        ...(spec.word === undefined ? [] : [{ const: spec.word }]),
      ],
    }),
    fromText: numberFromText,
    show: showNumber(showSize),
  },
  count: {
    read: readCount,
    type: 'whole number',
    json: (spec) => ({ type: 'integer', minimum: spec.min ?? 0, maximum: spec.max ?? 1e9 }),
    fromText: numberFromText,
  },
  countOrWord: {
    read: readCountOrWord,
    type: 'whole number',
    json: (spec) => ({
      anyOf: [{ type: 'integer', minimum: spec.min ?? 0, maximum: spec.max ?? 1e9 }, { const: spec.word }],
    }),
    fromText: numberFromText,
  },
  choices: {
    read: readChoices,
    type: 'list of',
    json: (spec) => ({ type: 'array', items: { enum: spec.choices ?? [] } }),
    fromText: listFromText,
    show: showList(String),
  },
  statuses: {
    read: readStatuses,
    type: 'list of statuses',
    json: () => ({ type: 'array', items: { type: 'integer', minimum: 400, maximum: 599 } }),
    fromText: (given) => (given === 'none' ? [] : given.split(',').map((entry) => numberFromText(entry.trim()))),
    show: showList(String),
  },
  fieldName: { read: readFieldName, type: 'name of a field', json: () => ({ type: 'string', minLength: 1 }) },
  fieldNames: {
    read: readFieldNames,
    type: 'list of names of fields',
    json: () => ({ type: 'array', items: text }),
    fromText: listFromText,
    show: showList(String),
  },
  headerSet: {
    read: readHeaderSet,
    type: 'names with values',
    json: () => ({
      type: 'object',
      additionalProperties: {
        anyOf: [
          { type: ['string', 'number', 'boolean'] },
          {
            type: 'object',
            properties: { file: { type: 'string', pattern: '^/' }, prefix: text },
            required: ['file'],
            additionalProperties: false,
          },
        ],
      },
    }),
    fromText: (given) => (given === 'none' ? {} : jsonFromText(given)),
    // Names alone: the values may be secrets.
    show: showList((field) => String(typeof field === 'object' && field !== null ? Reflect.get(field, 'name') : '')),
  },
  targets: {
    read: readTargets,
    type: 'host:port, or a list of them with weights',
    json: () => ({
      anyOf: [
        { type: 'string', pattern: ':[0-9]{1,5}$' },
        {
          type: 'array',
          minItems: 1,
          items: {
            type: 'object',
            properties: {
              host: { type: 'string', pattern: ':[0-9]{1,5}$' },
              weight: { type: 'integer', minimum: 0, maximum: 1_000_000 },
            },
            required: ['host'],
            additionalProperties: false,
          },
        },
      ],
    }),
    show: showList((target) => {
      const host: unknown = typeof target === 'object' && target !== null ? Reflect.get(target, 'host') : '';
      return `${showHostPattern({ host: String(host), port: number(target, 'port') })} × ${number(target, 'weight')}`;
    }),
  },
  redisUrl: {
    read: readRedisUrl,
    type: 'redis:// address',
    json: () => ({ type: 'string', pattern: '^rediss?://' }),
  },
  proxyUrl: { read: readProxyUrl, type: 'http:// address', json: () => ({ type: 'string', pattern: '^https?://' }) },
  noProxy: {
    read: readNoProxy,
    type: 'list of names and addresses',
    json: () => ({ type: 'array', items: text }),
    fromText: listFromText,
    show: showList(String),
  },
  ratio: {
    read: readRatio,
    type: 'number from 0 to 1',
    json: () => ({ type: 'number', minimum: 0, maximum: 1 }),
    fromText: numberFromText,
  },
  boolean: {
    read: readBoolean,
    type: 'true or false',
    json: () => ({ type: 'boolean' }),
    fromText: (given) => (TRUE.test(given) ? true : FALSE.test(given) ? false : given),
  },
  autoBoolean: {
    read: readAutoBoolean,
    type: 'auto, true or false',
    json: () => ({ enum: ['auto', true, false] }),
    fromText: (given) => (TRUE.test(given) ? true : FALSE.test(given) ? false : given),
    show: (value) => (value === 'on' ? 'true' : value === 'off' ? 'false' : String(value)),
  },
  choice: { read: readChoice, type: 'one of', json: (spec) => ({ enum: spec.choices ?? [] }) },
  port: { read: readPort, type: 'port', json: () => port, fromText: numberFromText },
  host: { read: readHost, type: 'address', json: () => text },
  path: { read: readPath, type: 'path', json: () => ({ type: 'string', pattern: '^/' }) },
  basePath: { read: readBasePath, type: 'path prefix', json: () => ({ type: 'string', pattern: '^(/.*)?$' }) },
  name: {
    read: readName,
    type: 'name',
    json: (spec) => ({ type: 'string', minLength: 1, maxLength: spec.max ?? 128 }),
  },
  label: { read: readLabel, type: 'name', json: () => ({ type: 'string', minLength: 1, maxLength: 128 }) },
  hostPattern: {
    read: readHostPattern,
    type: 'host[:port]',
    json: () => ({ type: 'string', minLength: 1 }),
    show: (value) => {
      const host: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'host') : undefined;
      return showHostPattern({ host: String(host), port: number(value, 'port') || null });
    },
  },
  ports: {
    read: readPortRanges,
    type: 'list of ports',
    json: () => ({
      type: 'array',
      items: {
        anyOf: [
          { ...port, minimum: 1 },
          { type: 'string', pattern: '^[0-9]{1,5}(-[0-9]{1,5})?$' },
        ],
      },
    }),
    fromText: listFromText,
    show: showList((range) => showPortRange({ from: number(range, 'from'), to: number(range, 'to') })),
  },
  addressRanges: {
    read: readAddressRanges,
    type: 'list of address ranges',
    json: () => ({ type: 'array', items: text }),
    fromText: listFromText,
    show: showList(String),
  },
  tokens: {
    read: readTokens,
    type: 'list of names',
    json: () => ({ type: 'array', items: text }),
    fromText: listFromText,
    show: showList(String),
  },
  namespaces: {
    read: readNamespaces,
    type: 'list of namespaces',
    json: () => ({ type: 'array', items: text }),
    fromText: listFromText,
    show: showList(String),
  },
  httpsUrl: { read: readHttpsUrl, type: 'https:// address', json: () => ({ type: 'string', pattern: '^https://' }) },
  collectorUrl: {
    read: readCollectorUrl,
    type: 'http:// or https:// address',
    json: () => ({ type: 'string', pattern: '^https?://' }),
  },
  serverName: { read: readServerName, type: 'host name or address', json: () => ({ type: 'string', minLength: 1 }) },
  endpoints: {
    read: readEndpoints,
    type: 'list of address:port',
    json: () => ({ type: 'array', minItems: 1, items: { type: 'string', pattern: ':[0-9]{1,5}$' } }),
    show: showList((endpoint) =>
      showEndpoint({
        address: String(typeof endpoint === 'object' && endpoint !== null ? Reflect.get(endpoint, 'address') : ''),
        port: number(endpoint, 'port'),
      }),
    ),
  },
  destinations: { read: readDestinations, type: 'list of destinations', json: () => ({ type: 'array' }) },
} as const satisfies Record<FormatName, Format>;

/** The row of a format with its optional parts filled in. */
export function formatOf(name: FormatName): Required<Format> {
  const format: Format = FORMATS[name];
  return { fromText: (given) => given, show: String, ...format };
}

/** Throws `NotAllowed` where `raw` cannot be the value of a setting; null is a value only of nullable ones. */
export function checkRaw(raw: unknown, spec: SettingSpec): void {
  if (raw === null && spec.nullable) return;
  if (raw === null) refuse('give it a value, or leave the line out for the default');
  formatOf(spec.format).read(raw, spec);
}

/** A value (not raw) for people: `5m`, `64KiB`, `none`. */
export function showValue(value: unknown, spec: SettingSpec): string {
  if (value === null || value === undefined) return (spec.absent ?? 'not set').replaceAll('`', '');
  if (value === '') return '""';
  if (value === 0 && spec.zero !== undefined) return `0 (${spec.zero})`;
  return formatOf(spec.format).show(value);
}

/** An environment variable's or a flag's text as a raw value: `none` is null where null is allowed. */
export function rawFromText(given: string, spec: SettingSpec): unknown {
  return spec.nullable && given === 'none' ? null : formatOf(spec.format).fromText(given);
}
