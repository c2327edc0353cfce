import { type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import { CONTAINER, MESHES, METRICS_PORT } from './names.ts';
import { objectsAt, type PodObject, specOf } from './pod.ts';

/** Where Istio's agent asks a container in the kubelet's place. */
const TAKEN_OVER = '/app-health/';

/**
 * The start-up probe that the sidecar must have again, or null where its probe is right. Istio has its agent answer the probes
 * of every container. Where that agent starts after carpool, carpool's probe would wait for it, and it for carpool: the pod
 * would never start. Where it starts before, its way is the only one through mutual TLS.
 */
export function probeToRestore(pod: PodObject, sidecar: JsonObject): JsonObject | null {
  const probe = objectAt(sidecar, 'startupProbe');
  const { path } = objectAt(probe, 'httpGet');
  const port = objectsAt(sidecar, 'ports').find(({ name }) => name === METRICS_PORT)?.containerPort;
  if (typeof path !== 'string' || !path.startsWith(TAKEN_OVER) || port === undefined) return null;
  const names = objectsAt(specOf(pod), 'initContainers').map(({ name }) => String(name));
  const before = names.slice(0, Math.max(0, names.indexOf(CONTAINER)));
  if (!names.includes(CONTAINER) || before.some((name) => MESHES.includes(name))) return null;
  return { ...probe, httpGet: { ...objectAt(probe, 'httpGet'), path: '/readyz', port } };
}
