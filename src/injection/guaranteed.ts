import { type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import { allContainers, type PodObject } from './pod.ts';
import { parseQuantity } from './quantity.ts';

/** CPU and memory as numbers, so that 1 and 1000m are the same. */
const amountOf = (group: JsonObject, name: string): number | null =>
  group[name] === undefined || group[name] === null ? null : parseQuantity(String(group[name]));

/** Whether a container has limits for both, and requests that are the same or not there. */
function isBounded(resources: JsonObject): boolean {
  const limits = objectAt(resources, 'limits');
  const requests = objectAt(resources, 'requests');
  return ['cpu', 'memory'].every((name) => {
    const limit = amountOf(limits, name);
    return limit !== null && limit > 0 && (amountOf(requests, name) ?? limit) === limit;
  });
}

/**
 * Whether the sidecar takes the QoS class Guaranteed from a pod: it would be evicted earlier, and lose CPUs of its own, for
 * each of a pod's containers has to be bounded so. Not for a pod with resources as a whole, which count alone.
 */
export function losesGuarantee(pod: PodObject, sidecar: JsonObject): boolean {
  const containers = allContainers(pod);
  return (
    containers.every((each) => isBounded(objectAt(each, 'resources'))) && !isBounded(objectAt(sidecar, 'resources'))
  );
}
