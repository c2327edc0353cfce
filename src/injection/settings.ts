/** How the sidecar stands in the pod: a native sidecar (Kubernetes ≥ 1.29), or a container like any other. */
export type InjectionMode = 'native' | 'legacy';

/** CPU and memory as Kubernetes writes them (`20m`, `96Mi`). */
export type Resources = {
  readonly requests: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string>>;
};

/**
 * What an installation settles for all its pods: the `inject` part of the chart's values, and the file that the webhook and
 * `carpool inject --settings` read. Annotations of a pod win over it.
 */
export type InjectionSettings = {
  /** Image of the sidecar, with tag or digest. */
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly mode: InjectionMode;
  /** Where the app's calls go to, on loopback. */
  readonly port: number;
  readonly operatorPort: number;
  /** Adds HTTPS_PROXY and https_proxy. */
  readonly httpsProxy: boolean;
  /** More names for NO_PROXY. */
  readonly noProxy: readonly string[];
  /** Adds JAVA_TOOL_OPTIONS. */
  readonly java: boolean;
  /** The ConfigMap with the key `carpool.yaml` in the pod's namespace; optional in the pod. */
  readonly configMap: string;
  /** The token volume; off where pods may not talk to the API server. */
  readonly apiAccess: boolean;
  /** Null: the platform chooses (OpenShift). */
  readonly runAsUser: number | null;
  readonly resources: Resources;
  /** Legacy mode: seconds that carpool goes on before it is told to stop. */
  readonly preStopSeconds: number;
  /** More variables of the carpool container. */
  readonly env: Readonly<Record<string, string>>;
};
