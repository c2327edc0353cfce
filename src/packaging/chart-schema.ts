import { jsonSchema } from '../config/json-schema.ts';
import { injectionJsonSchema } from '../injection/settings-schema.ts';
import { portable } from './portable-schema.ts';
import {
  affinity,
  amount,
  annotations,
  choice,
  flag,
  group,
  interval,
  type Json,
  labels,
  list,
  name,
  namespaces,
  peers,
  resources,
  selector,
  subjects,
  text,
  tolerations,
  whole,
} from './schema-parts.ts';

/** Makes charts/carpool/values.schema.json: Helm refuses values that it does not allow. */

const PORT = { type: 'integer', minimum: 1, maximum: 65_535 };
/** Ten minutes at least, ten years at most, as the webhook takes them. */
const LIFETIME =
  '^(([1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|36[0-4][0-9]|3650)d|[1-9][0-9]{0,3}h|[1-9][0-9]{1,4}m)$';
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const share = (description: string): Json => amount(description, { exclusiveMinimum: 0, maximum: 1 });
const above0 = (description: string): Json => amount(description, { exclusiveMinimum: 0 });

const image = group('The one image: the sidecars run it, and the webhook’s pods.', {
  repository: text('Its name, with the registry where that is not the runtime’s own.', {
    pattern: '^[^\\s:@]+(:[0-9]+/[^\\s:@]+)?$',
  }),
  tag: text('Empty: the chart’s appVersion.', { pattern: '^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$' }),
  digest: text('`sha256:…`; wins over the tag.', { pattern: '^(sha256:[a-f0-9]{64})?$' }),
  pullPolicy: choice('When the kubelet pulls it, for the sidecars and the webhook’s pods.', PULL_POLICIES),
  pullSecrets: list('Secrets for the registry, of the webhook’s pods only: a pod with a sidecar needs its own.', {
    type: 'object',
    properties: { name: { type: 'string', minLength: 1 } },
    required: ['name'],
    additionalProperties: false,
  }),
});

const certificates = group('The webhook’s certificate.', {
  source: choice('`self`: the webhook makes and renews it. `cert-manager`: a Certificate of cert-manager’s.', [
    'self',
    'cert-manager',
  ]),
  lifetime: text('How long a certificate is valid; renewed at two thirds of it.', {
    pattern: LIFETIME,
  }),
  issuerRef: group('cert-manager’s issuer; empty: an Issuer of its own, self-signed.', {
    kind: choice('Which kind.', ['Issuer', 'ClusterIssuer']),
    name: name('Its name.'),
    group: text('Its API group, where it is not cert-manager’s own.'),
  }),
});

const webhook = group('The webhook that injects the sidecar into new pods.', {
  enabled: flag('Off: nothing injects by itself; there are `carpool inject` and the library chart.'),
  replicas: whole('Pods of the webhook.', 1, 100),
  failurePolicy: choice('While the webhook is away, pods start without a sidecar (`Ignore`) or not at all (`Fail`).', [
    'Ignore',
    'Fail',
  ]),
  timeoutSeconds: whole('How long the API server waits for the webhook.', 1, 30),
  port: { description: 'Port of its pods that the API server calls.', ...PORT },
  operatorPort: { description: 'Port of its pods for health and metrics.', ...PORT },
  hostNetwork: flag('Its pods are on their nodes’ network, for API servers that reach no pods; one pod a node then.'),
  logLevel: choice('Its log level.', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  certificates,
  namespaceSelector: selector('More conditions for the namespaces, beside the label `carpool.dev/inject`.'),
  objectSelector: selector('More conditions for the pods.'),
  excludedNamespaces: namespaces('Namespaces whose pods are never asked about.'),
  resources: resources('CPU and memory of its pods.'),
  runAsUser: {
    description: 'User and group of its pods; null: the platform chooses (OpenShift).',
    type: ['integer', 'null'],
    minimum: 1,
    maximum: 2_147_483_647,
  },
  nodeSelector: labels('Labels that its nodes must have.'),
  tolerations: tolerations('Taints that its pods bear.'),
  affinity: affinity('Empty: on different nodes and in different zones, where that can be.'),
  priorityClassName: name('Its PriorityClass.'),
  podLabels: labels('More labels of its pods.'),
  podAnnotations: annotations('Annotations of its pods.'),
  podDisruptionBudget: group('How many of its pods may be away at a drain.', {
    enabled: flag('Made from two replicas on.'),
    maxUnavailable: whole('So many.', 1, 100),
  }),
  serviceAccount: group('The account that its pods run under.', {
    create: flag('Off: `name` is there already.'),
    name: name('Empty: named after the release.'),
    annotations: annotations('Its annotations.'),
  }),
});

const rbac = group('The right to read Services and EndpointSlices, for Kubernetes discovery.', {
  create: flag('Off: somebody else grants it; without it carpool goes by DNS.'),
  scope: choice(
    '`namespaces`: a Role in each of `namespaces`. `cluster`: a ClusterRole, for calls into any namespace.',
    ['namespaces', 'cluster'],
  ),
  subjects: subjects('Who has it; empty: all ServiceAccounts of each of `namespaces`, in their own.'),
});

const networkPolicy = group('NetworkPolicies.', {
  enabled: flag('One for the webhook’s pods.'),
  apiServer: group('Where the API server is.', {
    cidrs: list('Its addresses; empty: any.', { type: 'string', pattern: '^[0-9a-fA-F.:]+/[0-9]{1,3}$' }),
    ports: list('Its ports, as pods see them after translation.', { ...PORT }),
  }),
  metricsFrom: peers('Who may read the webhook’s metrics; empty: anybody.'),
  sidecars: group('One for pods with a sidecar, in each of `namespaces`.', {
    enabled: flag(
      'Only where a policy isolates these pods already: one that no other selects would be isolated by this.',
    ),
    metricsFrom: peers('Who may read the sidecars’ metrics; empty: anybody.'),
  }),
});

const podMonitor = group('PodMonitors of the Prometheus operator: of all pods with a sidecar, and of the webhook’s.', {
  enabled: flag('Needs its CRDs.'),
  labels: labels('What the operator selects them by.'),
  interval: interval('How often; empty: Prometheus’ own.'),
  namespaces: namespaces('Namespaces whose pods are scraped; empty: any.'),
});

const prometheusRule = group('Alert and recording rules for the Prometheus operator (docs/alerts.md).', {
  enabled: flag('Needs its CRDs.'),
  labels: labels('What the operator selects it by.'),
  annotations: annotations('Its annotations.'),
  interval: interval('How often the rules are evaluated; empty: Prometheus’ own.'),
  alertLabels: labels('More labels of each alert.'),
  selector: text('More matchers of every series, such as `namespace!="dev"`.'),
  runbookUrl: text(
    'Where docs/runbooks is: `runbook_url` adds a slash, the alert’s name and `.md`, or puts the name in the place of `{alert}`. Empty: no such annotation.',
  ),
  disabled: list('Alerts to leave out, by name.', { type: 'string', minLength: 1 }),
  thresholds: group('Where the alerts begin.', {
    pending: above0('Requests that wait for a connection.'),
    connectErrors: share('Failed attempts for each connection opened.'),
    utilization: share('Connections in use, as a share of the limit.'),
    reuse: share('Requests on a connection that had served one before.'),
    reuseMinimumRate: above0('Requests a second below which a low reuse means nothing.'),
    errorBudget: share('Requests that may fail in 30 days.'),
    minimumRate: above0('Requests a second below which a share of failures means nothing.'),
    eventLoopLag: above0('Seconds that the event loop may be late.'),
    certificateDays: above0('Days that the webhook’s certificate must be valid for.'),
  }),
});

const dashboards = group('Grafana’s dashboards, as ConfigMaps for its sidecar.', {
  enabled: flag('Makes them.'),
  labels: labels('What Grafana’s sidecar selects them by.'),
  annotations: annotations('Their annotations.'),
  namespace: name('Empty: the release’s.'),
  folder: text('Grafana’s folder.'),
  statusPage: text(
    'Where links find the status page of a sidecar, with variables of the dashboards in it; empty: what the variable `status_page` says.',
  ),
});

/** The settings of injection, but the image, which is the chart's; `mode` may also be found out. */
function inject(): Json {
  const { properties, ...rest } = injectionJsonSchema();
  const { image: _, ...members } = { ...asGroup(properties) };
  const mode = asGroup(members.mode);
  return {
    ...rest,
    description: 'How a pod gets its sidecar. Annotations of a pod win over it (docs/injection.md).',
    properties: {
      ...members,
      imagePullPolicy: choice('`image.pullPolicy`, unless given here.', PULL_POLICIES),
      mode: {
        ...mode,
        description: `${String(mode.description)} \`auto\`: by the cluster’s version.`,
        enum: ['auto', 'native', 'legacy'],
        default: 'auto',
      },
    },
  };
}

function isGroup(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asGroup(value: unknown): Json {
  if (!isGroup(value)) throw new Error('a schema has members');
  return value;
}

/** The values' schema as an object. */
export function chartSchema(): Json {
  const parsed: unknown = JSON.parse(jsonSchema());
  const { $schema: _, title, $defs, ...config } = asGroup(parsed);
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart carpool',
    ...group('', {
      image,
      nameOverride: name('Instead of `carpool` in names and labels.'),
      fullnameOverride: name('Instead of the release’s name in the names of objects.'),
      config: { description: `The sidecars’ settings, as in docs/configuration.md (${String(title)}).`, ...config },
      namespaces: namespaces(
        'Namespaces with injected pods: where the ConfigMap, the Role and the RoleBinding are made. They must exist. Empty: the release’s own.',
      ),
      inject: inject(),
      webhook,
      rbac,
      networkPolicy,
      podMonitor,
      prometheusRule,
      dashboards,
      tests: group('`helm test`.', { enabled: flag('A pod that asks for a sidecar and sends requests through it.') }),
      global: { description: 'Values of a parent chart. Not read.', type: 'object' },
      enabled: flag('For the condition of a parent chart. Not read.'),
    }),
    definitions: $defs,
  };
  return asGroup(portable(schema));
}

/** The text of the file. */
export function chartSchemaText(): string {
  return `${JSON.stringify(chartSchema(), null, 2)}\n`;
}
