const APPS = ['shop', 'pay'];

/** Nearly everything that can be set. */
export const EVERYTHING = {
  namespaces: APPS,
  nameOverride: 'pool',
  image: {
    repository: 'r.example:5000/team/carpool',
    digest: `sha256:${'0'.repeat(64)}`,
    pullSecrets: [{ name: 'r' }],
  },
  config: { defaults: { pool: { maxConnections: 20 } }, destinations: [{ match: 'legacy:9000' }] },
  inject: { mode: 'legacy', env: { TZ: 'UTC' }, noProxy: ['intranet'], runAsUser: null },
  webhook: {
    replicas: 3,
    failurePolicy: 'Fail',
    namespaceSelector: { matchLabels: { env: 'prod' } },
    objectSelector: { matchExpressions: [{ key: 'tier', operator: 'Exists' }] },
    excludedNamespaces: [],
    nodeSelector: { 'kubernetes.io/arch': 'amd64' },
    tolerations: [{ key: 'infra', operator: 'Exists', effect: 'NoSchedule' }],
    affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
    priorityClassName: 'system-cluster-critical',
    podLabels: { team: 'net' },
    podAnnotations: { 'example.com/note': 'yes' },
    serviceAccount: { annotations: { a: 'b' } },
  },
  networkPolicy: {
    enabled: true,
    apiServer: { cidrs: ['10.0.0.0/8', 'fd00::/8'], ports: [6443] },
    metricsFrom: [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }],
    sidecars: { enabled: true, metricsFrom: [{ ipBlock: { cidr: '10.0.0.0/8' } }] },
  },
  podMonitor: { enabled: true, labels: { release: 'prometheus' }, interval: '30s', namespaces: APPS },
  prometheusRule: { enabled: true, labels: { release: 'prometheus' }, interval: '1m', disabled: [] },
  dashboards: { enabled: true, folder: 'carpool' },
};

/** Values that the chart must make good objects of, with a name each. */
export const VALUE_SETS: readonly (readonly [string, object])[] = [
  ['no values', {}],
  ['everything', EVERYTHING],
  ['the platform’s users', { webhook: { runAsUser: null }, inject: { runAsUser: null } }],
  ['cluster-wide rights', { namespaces: APPS, rbac: { scope: 'cluster' } }],
  ['own subjects', { rbac: { subjects: [{ kind: 'ServiceAccount', name: 'web', namespace: 'shop' }] } }],
  ['no webhook', { namespaces: APPS, webhook: { enabled: false } }],
  ['one replica', { webhook: { replicas: 1 } }],
  ['cert-manager', { webhook: { certificates: { source: 'cert-manager', lifetime: '36h' } } }],
  [
    'cert-manager with an issuer',
    { webhook: { certificates: { source: 'cert-manager', issuerRef: { kind: 'ClusterIssuer', name: 'ca' } } } },
  ],
  [
    'monitors and rules',
    { podMonitor: { enabled: true }, prometheusRule: { enabled: true }, dashboards: { enabled: true } },
  ],
  ['an account that is there', { webhook: { serviceAccount: { create: false, name: 'web' } } }],
  ['long names', { fullnameOverride: 'a-name-that-is-far-too-long-for-what-is-put-behind-it' }],
  ['a parent chart', { enabled: true, global: { region: 'eu' } }],
];
