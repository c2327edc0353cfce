import type { Json } from '../cluster/json.ts';
import type { Site } from './site.ts';

const IMAGE = { image: 'carpool.test/node:dev', imagePullPolicy: 'Never' };
const ORIGIN_PORT = 8080;
/** Less than this and a busy machine gives it nearly nothing. */
const RESOURCES = { requests: { cpu: '50m' } };

type AppOptions = {
  readonly replicas?: number;
  /** What app.ts reads: HOSTS, RATE, … */
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** A pod template with the app of app.ts, whose ledgers this machine sees. */
export function appTemplate(site: Site, name: string, options: AppOptions = {}): Json {
  const env = { LEDGERS: '/ledgers', HOSTS: site.host('web'), ...options.env };
  return {
    metadata: { labels: { app: name, ...options.labels }, annotations: options.annotations ?? {} },
    spec: {
      containers: [
        {
          name: 'app',
          ...IMAGE,
          resources: RESOURCES,
          command: ['node', '/e2e/node/app.ts'],
          env: [podName('NAME'), ...Object.entries(env).map(([key, value]) => ({ name: key, value }))],
          volumeMounts: MOUNTS,
        },
      ],
      volumes: volumes(site),
    },
  };
}

/** A Deployment of the app. */
export function appDeployment(site: Site, name: string, options: AppOptions = {}): Json {
  return deployment(site, name, options.replicas ?? 1, appTemplate(site, name, options));
}

/** Makes a Deployment of the app and waits until its pods are ready. */
export async function deployApp(site: Site, name: string, options: AppOptions = {}): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${site.namespace}/deployments`;
  await site.node.api.create(path, appDeployment(site, name, options));
  await site.node.untilPods(site.namespace, `app=${name}`, options.replicas ?? 1);
}

/** Makes the upstream: a Service `web`, port 80, of so many origins, which serve on for 5 s after SIGTERM. */
export async function deployWeb(site: Site, replicas: number): Promise<void> {
  const template = {
    // It calls nobody.
    metadata: { labels: { app: 'web', 'carpool.dev/inject': 'false' } },
    spec: {
      containers: [
        {
          name: 'origin',
          ...IMAGE,
          resources: RESOURCES,
          command: ['node', '/e2e/origins/origin.ts'],
          args: ['$(NAME)', '0.0.0.0', String(ORIGIN_PORT), '/ledgers/$(NAME).origin', '5000'],
          env: [podName('NAME')],
          readinessProbe: { tcpSocket: { port: ORIGIN_PORT }, periodSeconds: 1 },
          volumeMounts: MOUNTS,
        },
      ],
      volumes: volumes(site),
    },
  };
  const { api } = site.node;
  await api.create(`/api/v1/namespaces/${site.namespace}/services`, {
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: ORIGIN_PORT }] },
  });
  await api.create(
    `/apis/apps/v1/namespaces/${site.namespace}/deployments`,
    deployment(site, 'web', replicas, template),
  );
  await site.node.untilPods(site.namespace, 'app=web', replicas);
}

/** Changes how many pods a Deployment has. */
export async function scale(site: Site, name: string, replicas: number, namespace = site.namespace): Promise<void> {
  await site.node.api.patch(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`, { spec: { replicas } });
}

const MOUNTS = [
  { name: 'e2e', mountPath: '/e2e', readOnly: true },
  { name: 'ledgers', mountPath: '/ledgers' },
];

function volumes(site: Site): Json[] {
  return [
    { name: 'e2e', hostPath: { path: site.node.project('e2e') } },
    { name: 'ledgers', hostPath: { path: site.ledgers } },
  ];
}

function podName(variable: string): Json {
  return { name: variable, valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } };
}

/** All new pods at once, so that a rolling update takes seconds; no old one ends before a new one is ready. */
function deployment(site: Site, name: string, replicas: number, template: Json): Json {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: site.namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      strategy: { rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } },
      template,
    },
  };
}
