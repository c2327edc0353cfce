import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/types.ts';

/** What Kubernetes makes names of: no vowels, no 0, 1 and 3. */
const RANDOM = '[bcdfghjklmnpqrstvwxz2456789]';
/** Of a Deployment's pod, of a DaemonSet's or Job's, of a StatefulSet's. */
const GENERATED = [new RegExp(`-${RANDOM}{6,10}-${RANDOM}{5}$`), new RegExp(`-${RANDOM}{5}$`), /-\d+$/];

/** A pod's name without what Kubernetes has added to that of its workload. */
export function withoutGenerated(pod: string): string {
  const end = GENERATED.find((pattern) => pattern.test(pod));
  return end === undefined ? pod : pod.replace(end, '');
}

/** What the sidecars that share a budget have in common. */
export function workloadName(
  { fleet, discovery }: Config,
  env: Readonly<Record<string, string | undefined>>,
  host: string = hostname(),
): string {
  if (fleet.workload !== null) return fleet.workload;
  const namespace = discovery.kubernetes.namespace ?? mountedNamespace(discovery.kubernetes.tokenDir);
  const name = fleet.service ?? withoutGenerated(env.POD_NAME ?? host);
  // Services of the same name in two namespaces are two.
  return namespace === null || (fleet.service?.includes('.') ?? false) ? name : `${name}.${namespace}`;
}

function mountedNamespace(tokenDir: string): string | null {
  try {
    return readFileSync(join(tokenDir, 'namespace'), 'utf8').trim() || null;
  } catch {
    return null;
  }
}
