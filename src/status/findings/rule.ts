import { showHostPattern } from '../../config/addresses.ts';
import { configuredLabel } from '../../telemetry/destination-labels.ts';
import type { ErrorSeen } from '../error-book.ts';
import type { Finding } from '../types.ts';
import type { DestinationSight, Sight } from './sight.ts';

/** Looks for one thing, at the sidecar as a whole. A null is a place where the work may be interrupted. */
export type Rule = (sight: Sight) => Iterable<Finding | null>;

/** Looks for one thing at one destination. */
export type DestinationRule = (destination: DestinationSight, sight: Sight) => Finding | null;

/** A rule that is asked for each destination. */
export function forEach(rule: DestinationRule): Rule {
  return function* (sight) {
    for (const destination of sight.destinations) yield rule(destination, sight);
  };
}

/** What the destinations of one metric label have to share its errors by. */
type Sharing = { rows: number; ended: number; failed: number };

/** Made once for a sight: there may be thousands of destinations under a label. */
const sharings = new WeakMap<Sight, ReadonlyMap<string, Sharing>>();

function sharingOf(sight: Sight, label: string): Sharing | undefined {
  let byLabel = sharings.get(sight);
  if (byLabel === undefined) {
    const made = new Map<string, Sharing>();
    for (const { row, ended } of sight.destinations) {
      const sharing = made.get(row.label) ?? { rows: 0, ended: 0, failed: 0 };
      sharing.rows++;
      sharing.ended += ended;
      sharing.failed += ended * row.failedShare;
      made.set(row.label, sharing);
    }
    sharings.set(sight, made);
    byLabel = made;
  }
  return byLabel.get(label);
}

/**
 * An error of a label as it is of one of its destinations. Errors are counted by label: where several have it (`*.shop:8080`,
 * `other`), each has of them what it has of their failed requests, and none of them where none of its own failed.
 */
function shareOf(sight: Sight, { row, ended }: DestinationSight, error: ErrorSeen): ErrorSeen | null {
  const all = sharingOf(sight, row.label);
  if (all === undefined || all.rows === 1) return error;
  const fails = isFailure(error);
  const whole = fails ? all.failed : all.ended;
  const share = whole === 0 ? 0 : (fails ? ended * row.failedShare : ended) / whole;
  const lastMinute = Math.round(error.lastMinute * share);
  return lastMinute === 0 ? null : { ...error, lastMinute };
}

/** Whether a request that was answered so counts as failed: 5xx, or no answer. */
export function isFailure({ status }: ErrorSeen): boolean {
  return status === 0 || status >= 500;
}

/** Errors of one code at a destination. */
export function errorOf(sight: Sight, destination: DestinationSight, code: string): ErrorSeen | null {
  const { label } = destination.row;
  const error = sight.errors.find((each) => each.code === code && each.destination === label);
  return error === undefined ? null : shareOf(sight, destination, error);
}

/** Errors of the last minute at a destination. */
export function recentErrors(sight: Sight, destination: DestinationSight): ErrorSeen[] {
  const { label } = destination.row;
  return sight.errors
    .filter((each) => each.destination === label && each.lastMinute > 0)
    .flatMap((error) => shareOf(sight, destination, error) ?? []);
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

/** Of two labels these make a name of the internet, and hardly ever a namespace. */
const OUTSIDE = /^(com|net|org|io|edu|gov)$/;

/** Name and namespace of the Service that a destination's name is of; null: it does not look like one. */
export function serviceOf(name: string): { readonly service: string; readonly namespace: string | null } | null {
  const host = hostOf(name).replace(/\.$/, '');
  if (host === '' || host === 'localhost' || /[^a-z0-9.-]/.test(host) || /^[0-9.]+$/.test(host)) return null;
  const [service = '', namespace, ...rest] = host.split('.');
  const inCluster = rest.length === 0 ? !OUTSIDE.test(namespace ?? '') : rest[0] === 'svc';
  return inCluster ? { service, namespace: namespace ?? null } : null;
}

/** The same for commands of `kubectl`: null also where neither the sidecar nor the destination has to do with Kubernetes. */
export function clusterServiceOf({ row }: DestinationSight, { sidecar }: Sight): ReturnType<typeof serviceOf> {
  return sidecar.kubernetes === null && row.discovery.source !== 'kubernetes' ? null : serviceOf(row.name);
}

/** What no shell takes for anything but itself. */
const PLAIN = /^[\w.:/-]+$/;

/**
 * A command of `carpool` about a destination, or a file, to be copied into a shell. Names come from whoever calls the app, and a
 * host may have `$(…)` or `;` in it: then it is quoted.
 */
export function carpool(command: string, name: string): string {
  return `carpool ${command} ${PLAIN.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`}`;
}

/** `kubectl` with the namespace of a Service. */
export function kubectl(namespace: string | null, words: string): string {
  return `kubectl ${namespace === null ? '' : `-n ${namespace} `}${words}`;
}
