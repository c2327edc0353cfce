/** The names that injection gives, and those that it looks for. */

export const CONTAINER = 'carpool';
/** Of the metrics, for a PodMonitor; 15 characters are the most that a port's name may have. */
export const METRICS_PORT = 'carpool-metrics';

export const CONFIG_VOLUME = 'carpool-config';
export const RUN_VOLUME = 'carpool-run';
export const API_VOLUME = 'carpool-api-access';
export const VOLUMES: readonly string[] = [CONFIG_VOLUME, RUN_VOLUME, API_VOLUME];

/** Every label and annotation of ours begins so. */
export const PREFIX = 'carpool.dev/';
export const INJECTED_LABEL = `${PREFIX}injected`;
export const RECORD_ANNOTATION = `${PREFIX}injection`;
export const DISCOVERY_ANNOTATION = `${PREFIX}discovery`;
/** Kubectl's choice among the containers where nobody says which. */
export const DEFAULT_CONTAINER_ANNOTATION = 'kubectl.kubernetes.io/default-container';

/** Sidecars of meshes: they balance themselves, and take no proxy variables. */
export const MESHES: readonly string[] = ['istio-proxy', 'linkerd-proxy'];

/** User and group of the image. */
export const IMAGE_USER = 65_532;

export const DEFAULT_PORT = 14_140;
export const DEFAULT_OPERATOR_PORT = 14_191;
