import type { Clock } from '../clock.ts';
import { wantedCredentials } from '../discovery/kubernetes/credentials.ts';
import { ApiError, type KubeApi, slicesPath } from '../discovery/kubernetes/kube-api.ts';
import { SERVICE_NAME_LABEL } from '../discovery/kubernetes/objects.ts';
import type { DoctorContext } from './doctor-finding.ts';

/** For one call of the API. */
const API_TIMEOUT_MS = 3000;
/** No Service is called so: what is asked with it has an empty answer. */
const NO_SERVICE = 'carpool-doctor';

/** A way to the API server, and who this process is there. */
export type OpenApi = {
  readonly api: KubeApi;
  /** Which credentials are used, in words. */
  readonly source: string;
  /** Where requests go. */
  readonly server: string;
  readonly token: string | null;
  /** The pod's own namespace, or null: not known, so that names are not looked for there. */
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
  const settings = config.discovery.kubernetes;
  const credentials = wantedCredentials(settings, { env, clock });
  if (credentials === 'off' || credentials === 'absent') return { kind: credentials };
  try {
    const { server, token } = credentials.read();
    const { ApiClient } = await import('../discovery/kubernetes/api-client.ts');
    const api = new ApiClient({ credentials, clock, userAgent: `carpool-doctor/${version}` });
    stopped.addEventListener('abort', () => api.close());
    const own = settings.namespace ?? credentials.namespace;
    const subject =
      settings.kubeconfig === null
        ? `the group system:serviceaccounts:${own ?? '<namespace of the app>'}`
        : 'the user of the kubeconfig';
    const source = credentials.describe();
    return { kind: 'used', access: { api, source, server: server.origin, token, namespace: own, subject } };
  } catch (error) {
    if (error instanceof ApiError) return { kind: 'refused', error };
    throw error;
  }
}

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
    const labelSelector = `${SERVICE_NAME_LABEL}=${NO_SERVICE}`;
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
