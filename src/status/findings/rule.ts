import { showHostPattern } from '../../config/addresses.ts';
import { configuredLabel } from '../../telemetry/destination-labels.ts';
import type { ErrorSeen } from '../error-book.ts';
import type { Finding } from '../types.ts';
import type { DestinationSight, Sight } from './sight.ts';

/** Looks for one thing, at the sidecar as a whole. */
export type Rule = (sight: Sight) => readonly Finding[];

/** Looks for one thing at one destination. */
export type DestinationRule = (destination: DestinationSight, sight: Sight) => Finding | null;

/** A rule that is asked for each destination. */
export function forEach(rule: DestinationRule): Rule {
  return (sight) => sight.destinations.flatMap((destination) => rule(destination, sight) ?? []);
}

/** Errors of one code at a destination, by its metric label. */
export function errorOf(sight: Sight, { row }: DestinationSight, code: string): ErrorSeen | null {
  return sight.errors.find((error) => error.code === code && error.destination === row.label) ?? null;
}

/** How often a code came in the last minute, at a destination. */
export function lastMinute(sight: Sight, destination: DestinationSight, code: string): number {
  return errorOf(sight, destination, code)?.lastMinute ?? 0;
}

/** What the `destinations[]` entry of a destination matches, or would have to. */
function matchOf({ row }: DestinationSight, { config }: Sight): string {
  const entry = row.configured ? config.destinations.find((each) => configuredLabel(each) === row.label) : undefined;
  return entry === undefined ? row.name.replace(/^https:\/\//, '') : showHostPattern(entry.match);
}

/** A setting of one destination, as it stands in the configuration file. @param setting a line of YAML */
export function settingOf(destination: DestinationSight, sight: Sight, setting: string): string {
  return `destinations:\n  - match: ${JSON.stringify(matchOf(destination, sight))}\n    ${setting}`;
}

/** `host` of `host:port`, without brackets. */
export function hostOf(name: string): string {
  return name
    .replace(/^https:\/\//, '')
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '');
}

/** Name and namespace of the Service that a destination's name is of; null: it does not look like one. */
export function serviceOf(name: string): { readonly service: string; readonly namespace: string | null } | null {
  const host = hostOf(name).replace(/\.$/, '');
  if (host === '' || host === 'localhost' || /[^a-z0-9.-]/.test(host) || /^[0-9.]+$/.test(host)) return null;
  const [service = '', namespace, ...rest] = host.split('.');
  const inCluster = rest.length === 0 || rest[0] === 'svc';
  return inCluster ? { service, namespace: namespace ?? null } : null;
}

/** `kubectl` with the namespace of a Service. */
export function kubectl(namespace: string | null, words: string): string {
  return `kubectl ${namespace === null ? '' : `-n ${namespace} `}${words}`;
}
