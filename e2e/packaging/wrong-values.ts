/** Values that Helm must refuse, and what it must name: the path as it writes it, and the culprit. */
export type WrongValues = {
  readonly what: string;
  readonly values: unknown;
  readonly says: readonly (string | RegExp)[];
};

const destination = (settings: unknown): unknown => ({ config: { destinations: [settings] } });

export const WRONG_VALUES: readonly WrongValues[] = [
  { what: 'an unknown key', values: { imgae: {} }, says: ["'imgae' not allowed"] },
  {
    what: 'an unknown key in a group',
    values: { webhook: { replica: 3 } },
    says: ["'/webhook'", "'replica' not allowed"],
  },
  {
    what: 'an unknown key two groups down',
    values: { webhook: { certificates: { issuer: 'x' } } },
    says: ["'/webhook/certificates'", "'issuer' not allowed"],
  },
  { what: 'an unknown setting', values: { config: { listner: {} } }, says: ["'/config'", "'listner' not allowed"] },
  {
    what: 'an unknown setting in a group',
    values: { config: { defaults: { pool: { maxConections: 5 } } } },
    says: ["'/config/defaults/pool'", "'maxConections' not allowed"],
  },
  {
    what: 'an unknown setting of a destination',
    values: destination({ match: 'orders', pool: { maxIdel: 5 } }),
    says: ["'/config/destinations/0/pool'", "'maxIdel' not allowed"],
  },
  {
    what: 'a destination without match',
    values: destination({ pool: {} }),
    says: ["'/config/destinations/0'", "'match'"],
  },
  {
    what: 'a duration without its unit',
    values: { config: { defaults: { pool: { maxAge: '30' } } } },
    says: ["'/config/defaults/pool/maxAge'", "'30'"],
  },
  {
    what: 'an empty duration',
    values: { config: { listener: { headTimeout: '' } } },
    says: ["'/config/listener/headTimeout'", 'minLength'],
  },
  {
    what: 'a duration of a destination that is a number',
    values: destination({ match: 'orders', timeouts: { connect: 30 } }),
    says: ["'/config/destinations/0/timeouts/connect'"],
  },
  {
    what: 'a number that is text',
    values: { config: { defaults: { pool: { maxConnections: 'many' } } } },
    says: ["'/config/defaults/pool/maxConnections'", 'got string'],
  },
  {
    what: 'a port that is none',
    values: { config: { operator: { port: 65_536 } } },
    says: ["'/config/operator/port'", '65,536', '65,535'],
  },
  { what: 'a list that is text', values: { namespaces: 'shop' }, says: ["'/namespaces'", 'got string'] },
  {
    what: 'a namespace that cannot be',
    values: { namespaces: ['shop', 'My_Shop'] },
    says: ["'/namespaces/1'", 'My_Shop'],
  },
  { what: 'a namespace with a dot', values: { namespaces: ['a.b'] }, says: ["'/namespaces/0'", 'a.b'] },
  { what: 'a port of injection that is none', values: { inject: { port: 0 } }, says: ["'/inject/port'", 'got 0'] },
  { what: 'a mode that is none', values: { inject: { mode: 'sidecar' } }, says: ["'/inject/mode'", "'native'"] },
  {
    what: 'the image in the wrong place',
    values: { inject: { image: 'x' } },
    says: ["'/inject'", "'image' not allowed"],
  },
  { what: 'root', values: { inject: { runAsUser: 0 } }, says: ["'/inject/runAsUser'", 'got 0'] },
  {
    what: 'a quantity that is none',
    values: { inject: { resources: { requests: { memory: '96 MB' } } } },
    says: ["'/inject/resources/requests/memory'", '96 MB'],
  },
  {
    what: 'a resource that is none',
    values: { inject: { resources: { limits: { ram: '1Gi' } } } },
    says: ["'/inject/resources/limits'", "'ram' not allowed"],
  },
  { what: 'a variable that cannot be', values: { inject: { env: { 'A-B': 'x' } } }, says: ["'/inject/env'", 'A-B'] },
  { what: 'a range in noProxy with a comma', values: { inject: { noProxy: ['a,b'] } }, says: ["'/inject/noProxy/0'"] },
  { what: 'fewer replicas than none', values: { webhook: { replicas: -1 } }, says: ["'/webhook/replicas'", 'got -1'] },
  { what: 'half a replica', values: { webhook: { replicas: 1.5 } }, says: ["'/webhook/replicas'", 'got number'] },
  {
    what: 'a failure policy that is none',
    values: { webhook: { failurePolicy: 'ignore' } },
    says: ["'/webhook/failurePolicy'", "'Ignore'"],
  },
  {
    what: 'more time than the API server gives',
    values: { webhook: { timeoutSeconds: 31 } },
    says: ["'/webhook/timeoutSeconds'"],
  },
  {
    what: 'a lifetime without its unit',
    values: { webhook: { certificates: { lifetime: '90' } } },
    says: ["'/webhook/certificates/lifetime'", "'90'"],
  },
  {
    what: 'a lifetime of a minute',
    values: { webhook: { certificates: { lifetime: '1m' } } },
    says: ["'/webhook/certificates/lifetime'", "'1m'"],
  },
  {
    what: 'a label that cannot be',
    values: { webhook: { podLabels: { team: 'a b' } } },
    says: ["'/webhook/podLabels/team'", 'a b'],
  },
  {
    what: 'an operator of a selector that is none',
    values: { webhook: { objectSelector: { matchExpressions: [{ key: 'a', operator: 'Is' }] } } },
    says: ["'/webhook/objectSelector/matchExpressions/0/operator'"],
  },
  { what: 'a digest that is a tag', values: { image: { digest: 'latest' } }, says: ["'/image/digest'", 'latest'] },
  {
    what: 'a tag in the repository',
    values: { image: { repository: 'r.example/carpool:1' } },
    says: ["'/image/repository'"],
  },
  { what: 'a scope that is none', values: { rbac: { scope: 'all' } }, says: ["'/rbac/scope'", "'cluster'"] },
  {
    what: 'a subject without a name',
    values: { rbac: { subjects: [{ kind: 'Group' }] } },
    says: ["'/rbac/subjects/0'", "'name'"],
  },
  {
    what: 'an address that is no range',
    values: { networkPolicy: { apiServer: { cidrs: ['10.0.0.1'] } } },
    says: ["'/networkPolicy/apiServer/cidrs/0'"],
  },
  {
    what: 'a share above 1',
    values: { prometheusRule: { thresholds: { reuse: 90 } } },
    says: ["'/prometheusRule/thresholds/reuse'", 'got 90'],
  },
  {
    what: 'two at once',
    values: { webhook: { replicas: 0 }, config: { mode: 'fast' } },
    says: ["'/webhook/replicas'", "'/config/mode'"],
  },
  // What the schema cannot see, the templates refuse.
  {
    what: 'a port of the configuration that is not the pod’s',
    values: { config: { listener: { port: 8000 } } },
    says: ['config.listener.port is 8000', 'inject.port (14140)'],
  },
  {
    what: 'an operator port of the configuration that is not the pod’s',
    values: { config: { operator: { port: 9000 } } },
    says: ['config.operator.port is 9000', 'inject.operatorPort (14191)'],
  },
  { what: 'one port for both', values: { inject: { operatorPort: 14_140 } }, says: ['both 14140'] },
  {
    what: 'no operator port',
    values: { config: { operator: { enabled: false } } },
    says: ['config.operator.enabled', 'start-up probe'],
  },
  {
    what: 'no account for the webhook',
    values: { webhook: { serviceAccount: { create: false } } },
    says: ['webhook.serviceAccount.name'],
  },
  {
    what: 'a name that no Service may have',
    values: { fullnameOverride: '1st' },
    says: ['1st-webhook', 'fullnameOverride'],
  },
  {
    what: 'one ConfigMap for the sidecars and the webhook',
    values: { inject: { configMap: 'carpool-webhook' } },
    says: ['inject.configMap', 'carpool-webhook'],
  },
  { what: 'one port for both of the webhook', values: { webhook: { port: 8081 } }, says: ['both 8081'] },
];
