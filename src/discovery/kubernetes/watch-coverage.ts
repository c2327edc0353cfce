import { SERVICE_NAME_LABEL } from './objects.ts';

/** Which Services a watch is about: these, or (null) all of its namespace. */
export type Coverage = ReadonlySet<string> | null;

/** More names, or a longer selector, and the whole namespace is watched … */
const MAX_NAMES = 100;
const MAX_SELECTOR_LENGTH = 4_000;
/** … until there are fewer than this. */
const FEW_NAMES = 50;

/** The label selector of a watch. Names are sorted, so that the same Services are the same request. */
export function selectorOf(coverage: Coverage): string {
  return coverage === null ? SERVICE_NAME_LABEL : `${SERVICE_NAME_LABEL} in (${[...coverage].sort().join(',')})`;
}

/** What is to be watched for `wanted`, where `before` is watched now. */
export function coverageFor(wanted: Iterable<string>, before: Coverage | undefined): Coverage {
  const names = new Set(wanted);
  if (before === null && names.size >= FEW_NAMES) return null;
  return names.size > MAX_NAMES || selectorOf(names).length > MAX_SELECTOR_LENGTH ? null : names;
}

export function covers(coverage: Coverage, service: string): boolean {
  return coverage === null || coverage.has(service);
}

export function coversAll(coverage: Coverage, services: Iterable<string>): boolean {
  if (coverage === null) return true;
  for (const service of services) if (!coverage.has(service)) return false;
  return true;
}
