import type { Clock } from '../clock.ts';
import { hasCredentials, openCredentials } from '../discovery/kubernetes/credentials.ts';
import { ApiError, type KubeApi } from '../discovery/kubernetes/kube-api.ts';
import type { DoctorContext } from './doctor-finding.ts';

/** For one call of the API. */
const API_TIMEOUT_MS = 3000;
/** No Service is called so: what is asked with it has an empty answer. */
const NO_SERVICE = 'carpool-doctor';

/** Where discovery takes a pod to be that does not say. */
export const DEFAULT_NAMESPACE = 'default';

/** A way to the API server, and who this process is there. */
export type OpenApi = {
  readonly api: KubeApi;
  /** Which credentials are used, in words. */
  readonly source: string;
  /** Where requests go. */
  readonly server: string;
  readonly token: string | null;
  /** The pod's own namespace, or null: discovery takes it for `default`. */
  readonly namespace: string | null;
  /** To whom a Role has to be bound, in words. */
  readonly subject: string;
};

/** What there is of Kubernetes, as the sidecar sees it. */
export type KubernetesUse =
  | { readonly kind: 'used'; readonly access: OpenApi }
  /** Switched off. */
  | { readonly kind: 'off' }
  /** `auto`, and nothing to use. */
  | { readonly kind: 'absent' }
  /** There are credentials, and they cannot be read. */
  | { readonly kind: 'refused'; readonly error: ApiError };

/**
 * Reads the credentials that the configuration names and makes a client with them; nothing is sent.
 * @param stopped closes the client
 */
export async function openApi(
  { config, clock, env, version }: DoctorContext,
  stopped: AbortSignal,
): Promise<KubernetesUse> {
  const { enabled, kubeconfig, apiServer, tokenDir, namespace } = config.discovery.kubernetes;
  if (enabled === 'off') return { kind: 'off' };
  const where = { env, kubeconfig, apiServer, tokenDir };
  if (enabled === 'auto' && !hasCredentials(where)) return { kind: 'absent' };
  try {
    const credentials = openCredentials({ ...where, clock });
    const { server, token } = credentials.read();
    const { ApiClient } = await import('../discovery/kubernetes/api-client.ts');
    const api = new ApiClient({ credentials, clock, userAgent: `carpool-doctor/${version}` });
    stopped.addEventListener('abort', () => api.close());
    const own = namespace ?? credentials.namespace;
    const subject =
      kubeconfig === null
        ? `the group system:serviceaccounts:${own ?? '<namespace of the app>'}`
        : 'the user of the kubeconfig';
    const source = credentials.describe();
    return { kind: 'used', access: { api, source, server: server.origin, token, namespace: own, subject } };
  } catch (error) {
    if (error instanceof ApiError) return { kind: 'refused', error };
    throw error;
  }
}

export const servicePath = (namespace: string, name: string): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/services/${encodeURIComponent(name)}`;

export const slicesPath = (namespace: string): string =>
  `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`;

/** Settles as `promise` does, or rejects as unreachable after a few seconds. */
export function inTime<T>(promise: Promise<T>, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(
      () =>
        reject(new ApiError('unreachable', `the API server did not answer within ${API_TIMEOUT_MS / 1000} s`, SLOW)),
      API_TIMEOUT_MS,
    );
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}

const SLOW = 'Look at network policies towards the API server, and at its load.';

/** Whether EndpointSlices may be watched there; rejects with the ApiError that says why not. */
export function tryWatch(api: KubeApi, namespace: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const labelSelector = `kubernetes.io/service-name=${NO_SERVICE}`;
    const handle = api.watch(
      slicesPath(namespace),
      { labelSelector, timeoutSeconds: 1 },
      {
        opened: () => {
          handle.abort();
          resolve();
        },
        event: () => {},
        ended: (error) => (error === null ? resolve() : reject(error)),
      },
    );
  });
}
