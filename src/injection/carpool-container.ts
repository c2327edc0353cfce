import { type JsonObject, objectAt } from '../discovery/kubernetes/json-value.ts';
import { API_VOLUME, CONFIG_VOLUME, CONTAINER, IMAGE_USER, METRICS_PORT, RUN_VOLUME } from './names.ts';
import { type PodObject, specOf } from './pod.ts';
import type { InjectionSettings } from './settings.ts';

/** What the sidecar is given beside the settings of the installation. */
export type SidecarWishes = {
  readonly settings: InjectionSettings;
  /** Further arguments of `carpool run`. */
  readonly runArguments: readonly string[];
  /** The names of the meshes in the pod: with one, Kubernetes discovery is off. */
  readonly meshes: readonly string[];
  /** The app's own proxy, which becomes the parent proxy. */
  readonly parentProxy: readonly JsonObject[];
};

/** Kubernetes gives a pod this many seconds to end where it does not say. */
const DEFAULT_GRACE = 30;
/** The default of `shutdown.grace`, in seconds. */
const SHUTDOWN_GRACE = 30;

const fromField = (name: string, fieldPath: string): JsonObject => ({ name, valueFrom: { fieldRef: { fieldPath } } });

/** The variable that switches Kubernetes discovery off. */
export const NO_DISCOVERY: JsonObject = { name: 'CARPOOL_DISCOVERY_KUBERNETES_ENABLED', value: 'false' };

/** The carpool container for a pod. */
export function carpoolContainer(pod: PodObject, wishes: SidecarWishes): JsonObject {
  const { settings } = wishes;
  const legacy = settings.mode === 'legacy';
  const stop = legacyStop(pod, settings);
  const user = userOf(pod, settings);
  // With limits for the pod as a whole, requests of one more container could be more than the pod's.
  const resources = podLevelResources(pod) ? {} : nonEmpty(settings.resources);
  return {
    name: CONTAINER,
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    args: ['run', ...wishes.runArguments],
    ...(legacy ? {} : { restartPolicy: 'Always' }),
    env: sidecarVariables(wishes, {
      heap: Object.hasOwn(resources, 'limits') && settings.resources.limits.memory !== undefined,
      graceSeconds: stop.graceSeconds,
    }),
    ports: [{ name: METRICS_PORT, containerPort: settings.operatorPort, protocol: 'TCP' }],
    startupProbe: {
      httpGet: { path: '/readyz', port: settings.operatorPort },
      periodSeconds: 1,
      failureThreshold: 30,
    },
    ...(legacy ? { lifecycle: lifecycle(stop.preStopSeconds) } : {}),
    ...(Object.keys(resources).length > 0 ? { resources } : {}),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      ...(user === null ? {} : { runAsUser: user, runAsGroup: user }),
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: CONFIG_VOLUME, mountPath: '/etc/carpool', readOnly: true },
      { name: RUN_VOLUME, mountPath: '/run/carpool' },
      ...(settings.apiAccess
        ? [{ name: API_VOLUME, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true }]
        : []),
    ],
  };
}

/** The volumes that the container mounts. */
export function carpoolVolumes(settings: InjectionSettings): readonly JsonObject[] {
  const token: JsonObject = {
    name: API_VOLUME,
    projected: {
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  };
  return [
    { name: CONFIG_VOLUME, configMap: { name: settings.configMap, optional: true } },
    // In memory: a volume on the node's disk would keep the cluster autoscaler from taking the node away.
    { name: RUN_VOLUME, emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    ...(settings.apiAccess ? [token] : []),
  ];
}

/** Null: the platform chooses. Where the pod has root for all, the kubelet would refuse a container that must not be root. */
function userOf(pod: PodObject, { runAsUser }: InjectionSettings): number | null {
  if (runAsUser !== null) return runAsUser;
  return objectAt(specOf(pod), 'securityContext').runAsUser === 0 ? IMAGE_USER : null;
}

/** Whether the pod has resources as a whole (Kubernetes ≥ 1.34). */
export function podLevelResources(pod: PodObject): boolean {
  const { resources } = specOf(pod);
  return typeof resources === 'object' && resources !== null && Object.keys(resources).length > 0;
}

function sidecarVariables(
  { settings, meshes, parentProxy }: SidecarWishes,
  { heap, graceSeconds }: { readonly heap: boolean; readonly graceSeconds: number },
): readonly JsonObject[] {
  const native = settings.mode === 'native';
  const variables: JsonObject[] = [
    fromField('POD_NAME', 'metadata.name'),
    fromField('POD_NAMESPACE', 'metadata.namespace'),
    fromField('POD_IP', 'status.podIP'),
    fromField('POD_UID', 'metadata.uid'),
    fromField('NODE_NAME', 'spec.nodeName'),
    fromField('CARPOOL_ZONE', "metadata.labels['topology.kubernetes.io/zone']"),
    // A share of the container's memory, which there must be a limit for.
    ...(heap ? [{ name: 'NODE_OPTIONS', value: '--max-old-space-size-percentage=40' }] : []),
    { name: 'CARPOOL_CONFIG_IF_PRESENT', value: '/etc/carpool/carpool.yaml' },
    // Variables win over the file: a ConfigMap cannot take the ports away from the app's variables and the probe.
    { name: 'CARPOOL_LISTENER_HOST', value: '127.0.0.1' },
    { name: 'CARPOOL_LISTENER_PORT', value: String(settings.port) },
    { name: 'CARPOOL_OPERATOR_ENABLED', value: 'true' },
    { name: 'CARPOOL_OPERATOR_HOST', value: '::' },
    { name: 'CARPOOL_OPERATOR_PORT', value: String(settings.operatorPort) },
    // Where the pod has a folder to write to, and where `kubectl exec … carpool reload` looks.
    { name: 'CARPOOL_CONTROL_SOCKET', value: '/run/carpool/control.sock' },
    // A client that ignores NO_PROXY, BusyBox's wget in a probe, sends here what worked without carpool.
    { name: 'CARPOOL_SECURITY_ALLOW_LOOPBACK', value: 'true' },
    // The app has ended before a native sidecar is told to.
    ...(native ? [{ name: 'CARPOOL_SHUTDOWN_QUIET', value: '200ms' }] : []),
    ...(!native && graceSeconds < SHUTDOWN_GRACE
      ? [{ name: 'CARPOOL_SHUTDOWN_GRACE', value: graceSeconds === 0 ? '0' : `${graceSeconds}s` }]
      : []),
    ...parentProxy,
    ...(meshes.length > 0 || !settings.apiAccess ? [NO_DISCOVERY] : []),
  ];
  const own = Object.keys(settings.env).sort();
  return [
    ...variables.filter(({ name }) => !own.includes(String(name))),
    ...own.map((name): JsonObject => ({ name, value: settings.env[name] })),
  ];
}

/** The pre-stop sleep takes at most half of the pod's grace period, and the stop ends within the rest. */
function legacyStop(
  pod: PodObject,
  settings: InjectionSettings,
): { readonly preStopSeconds: number; readonly graceSeconds: number } {
  const { terminationGracePeriodSeconds: given } = specOf(pod);
  const grace = typeof given === 'number' && given >= 0 ? Math.floor(given) : DEFAULT_GRACE;
  const preStopSeconds = Math.min(settings.preStopSeconds, Math.floor(grace / 2));
  return { preStopSeconds, graceSeconds: Math.max(0, grace - preStopSeconds - 1) };
}

/** Holds the app back until carpool takes requests, and keeps carpool serving while the app ends. */
function lifecycle(preStopSeconds: number): JsonObject {
  const postStart = { exec: { command: ['/usr/bin/node', '/app/carpool.js', 'wait', '--timeout', '20s'] } };
  const preStop = { exec: { command: ['/bin/sleep', String(preStopSeconds)] } };
  return preStopSeconds === 0 ? { postStart } : { postStart, preStop };
}

/** Groups that have something in them. */
function nonEmpty({ requests, limits }: InjectionSettings['resources']): JsonObject {
  return {
    ...(Object.keys(requests).length > 0 ? { requests } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  };
}
