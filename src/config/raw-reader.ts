import {
  readAddressRanges,
  readAutoBoolean,
  readBasePath,
  readBoolean,
  readCollectorUrl,
  readCountOrWord,
  readDuration,
  readEndpoints,
  readHostPattern,
  readHttpsUrl,
  readNamespaces,
  readPortRanges,
  readServerName,
  readSize,
  readSizeOrWord,
  readTokens,
} from './readers.ts';
import type { Setting, SettingSpec } from './setting.ts';
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
import type { HeaderValue, HostPattern, WeightedTarget } from './types.ts';

/**
 * Typed access to raw values that were checked before. Throws an ordinary Error when a path is not in the schema or a
 * value is of another type than its reader: both are mistakes of this code, never of a configuration.
 */
export class RawReader {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #specs: ReadonlyMap<string, SettingSpec>;

  constructor(values: ReadonlyMap<string, unknown>, settings: readonly Setting[]) {
    this.#values = values;
    this.#specs = new Map(settings.map(({ path, spec }) => [path, spec]));
  }

  #spec(path: string): SettingSpec {
    const spec = this.#specs.get(path);
    if (!spec) throw new Error(`${path} is not in the schema`);
    return spec;
  }

  #raw(path: string): unknown {
    return this.#values.has(path) ? this.#values.get(path) : this.#spec(path).default;
  }

  // Arrow functions, so that they can be handed to `orNull`.
  readonly duration = (path: string): number => readDuration(this.#raw(path), this.#spec(path));
  readonly size = (path: string): number => readSize(this.#raw(path), this.#spec(path));
  readonly sizeOrWord = (path: string): number | null => readSizeOrWord(this.#raw(path), this.#spec(path));
  readonly boolean = (path: string): boolean => readBoolean(this.#raw(path));
  readonly autoBoolean = (path: string): 'auto' | 'on' | 'off' => readAutoBoolean(this.#raw(path));
  readonly namespaces = (path: string): readonly string[] => readNamespaces(this.#raw(path));
  readonly httpsUrl = (path: string): string => readHttpsUrl(this.#raw(path));
  readonly collectorUrl = (path: string): string => readCollectorUrl(this.#raw(path));
  readonly serverName = (path: string): string => readServerName(this.#raw(path));
  readonly hostPattern = (path: string): HostPattern => readHostPattern(this.#raw(path));
  readonly basePath = (path: string): string => readBasePath(this.#raw(path));
  readonly tokens = (path: string): readonly string[] => readTokens(this.#raw(path));
  readonly addressRanges = (path: string): readonly string[] => readAddressRanges(this.#raw(path));
  readonly ports = (path: string): readonly { from: number; to: number }[] => readPortRanges(this.#raw(path));
  readonly endpoints = (path: string): readonly { address: string; port: number }[] => readEndpoints(this.#raw(path));

  readonly statuses = (path: string): readonly number[] => readStatuses(this.#raw(path));
  readonly fieldName = (path: string): string => readFieldName(this.#raw(path));
  readonly fieldNames = (path: string): readonly string[] => readFieldNames(this.#raw(path));
  readonly headerSet = (path: string): readonly HeaderValue[] => readHeaderSet(this.#raw(path));
  readonly targets = (path: string): readonly WeightedTarget[] => readTargets(this.#raw(path));
  readonly redisUrl = (path: string): string => readRedisUrl(this.#raw(path));
  readonly proxyUrl = (path: string): string => readProxyUrl(this.#raw(path));
  readonly noProxy = (path: string): readonly string[] => readNoProxy(this.#raw(path));

  /** A count; null for the setting's word. */
  readonly countOrWord = (path: string): number | null => readCountOrWord(this.#raw(path), this.#spec(path));

  readonly choices = <T extends string>(path: string, choices: readonly T[]): readonly T[] => {
    const named = readChoices(this.#raw(path), this.#spec(path));
    return choices.filter((each) => named.includes(each));
  };

  /** Counts, ports and ratios: what is a number in YAML too. */
  readonly number = (path: string): number => {
    const raw = this.#raw(path);
    if (typeof raw !== 'number') throw new Error(`${path} is no number`);
    return raw;
  };

  readonly text = (path: string): string => {
    const raw = this.#raw(path);
    if (typeof raw !== 'string') throw new Error(`${path} is no text`);
    return raw;
  };

  readonly choice = <T extends string>(path: string, choices: readonly T[]): T => {
    const raw = this.#raw(path);
    const choice = choices.find((each) => each === raw);
    if (choice === undefined) throw new Error(`${path} is none of ${choices.join(', ')}`);
    return choice;
  };

  /** Null where the setting is null, else what `read` makes of it. */
  orNull<T>(path: string, read: (path: string) => T): T | null {
    return this.#raw(path) === null ? null : read(path);
  }
}
