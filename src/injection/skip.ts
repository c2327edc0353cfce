import { type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import { CONTAINER, PREFIX, VOLUMES } from './names.ts';
import { allContainers, annotationsOf, hasSidecar, objectsAt, type PodObject, specOf } from './pod.ts';
import type { PodWishes } from './wishes.ts';

/** Why a pod is not injected (docs/injection.md). */
export type SkipReason =
  | 'opted_out'
  | 'host_network'
  | 'port_taken'
  | 'own_sidecar'
  | 'windows'
  | 'static_pod'
  | 'never_ends'
  | 'invalid_annotation';

/** A reason, and the words that a person reads; none for what was asked for. */
export type Skip = { readonly reason: SkipReason; readonly warnings: readonly string[] };

const skip = (reason: SkipReason, ...warnings: readonly string[]): Skip => ({
  reason,
  warnings: warnings.map((warning) => `carpool is not injected: ${warning}`),
});

/** Whether the pod, or what is wrong with its annotations, keeps it from being looked at at all; null: it does not. */
export function refusedByWish(wishes: PodWishes, problems: readonly string[]): Skip | null {
  if (!wishes.inject) return skip('opted_out');
  return problems.length > 0 ? skip('invalid_annotation', ...problems) : null;
}

/** What in a pod without a sidecar keeps it from getting one; null: nothing. */
export function refusedByPod(pod: PodObject, { settings, ownPorts }: PodWishes): Skip | null {
  const spec = specOf(pod);
  if (isForWindows(spec)) return skip('windows', 'there is no image for Windows');
  if (annotationsOf(pod)['kubernetes.io/config.mirror'] !== undefined)
    return skip('static_pod', 'the kubelet runs a static pod as its file says');
  const taken = objectsAt(spec, 'volumes').find(({ name }) => VOLUMES.includes(String(name)));
  if (hasSidecar(pod)) return skip('own_sidecar', `the pod has a container ${CONTAINER} that was not injected`);
  if (taken !== undefined)
    return skip('own_sidecar', `the pod has a volume ${String(taken.name)} that was not injected`);
  if (spec.hostNetwork === true && !ownPorts)
    return skip(
      'host_network',
      `the pod has its host’s network, and needs ports of its own: ${PREFIX}port and ${PREFIX}operator-port`,
    );
  for (const port of [settings.port, settings.operatorPort]) {
    const owner = allContainers(pod).find((container) => declares(container, port));
    if (owner !== undefined)
      return skip(
        'port_taken',
        `container ${String(owner.name)} has port ${port}, which carpool needs; ${PREFIX}${port === settings.port ? 'port' : 'operator-port'} names another`,
      );
  }
  const { restartPolicy } = spec;
  if (settings.mode === 'legacy' && restartPolicy !== undefined && restartPolicy !== null && restartPolicy !== 'Always')
    return skip('never_ends', 'in legacy mode the sidecar would keep the pod from completing');
  return null;
}

function isForWindows(spec: JsonObject): boolean {
  const selector = objectAt(spec, 'nodeSelector');
  const os = objectAt(spec, 'os').name ?? selector['kubernetes.io/os'] ?? selector['beta.kubernetes.io/os'];
  const options = objectAt(objectAt(spec, 'securityContext'), 'windowsOptions');
  return os === 'windows' || Object.keys(options).length > 0;
}

function declares(container: JsonObject, port: number): boolean {
  return objectsAt(container, 'ports').some(
    ({ containerPort, protocol }) => containerPort === port && (protocol || 'TCP') === 'TCP',
  );
}
