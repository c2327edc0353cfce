import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { INJECTED_LABEL, METRICS_PORT } from '../../src/injection/names.ts';
import { readInjectionSettings } from '../../src/injection/settings-schema.ts';
import { valuesIn } from '../../test/packaging/values-in-docs.ts';
import { at, listAt, textAt } from '../cluster/json.ts';
import {
  CHART,
  container,
  helm,
  injectionText,
  NAMESPACE,
  named,
  objects,
  parseObjects,
  refusal,
  title,
} from './helm.ts';
import { lacking } from './monitoring-tools.ts';
import { plainManifests } from './plain-manifests.ts';
import { WRONG_VALUES } from './wrong-values.ts';

const skip = lacking('helm');
const DEPLOYMENT = `Deployment ${NAMESPACE}/carpool-webhook`;

t.test('helm lint finds nothing, strictly', { skip }, async (t) => {
  const { code, stdout } = helm(['lint', '--strict', CHART]);
  t.equal(code, 0, stdout);
});

t.test('values that are wrong are refused, with the path and what is wrong', { skip }, async (t) => {
  for (const { what, values, says } of WRONG_VALUES) {
    const said = refusal(values);
    t.not(said, '', `${what} is refused`);
    for (const part of says) t.match(said, part, what);
  }
});

t.test('two wrong values are told at once', { skip }, async (t) => {
  const said = refusal({ webhook: { replicas: 0 }, config: { mode: 'fast' }, nonsense: true });
  t.equal(said.split('\n').filter((line) => line.startsWith('- at ')).length, 3);
});

t.test('without values all of these are made, and nothing else', { skip }, async (t) => {
  const inSystem = (kind: string, name: string) => `${kind} ${NAMESPACE}/${name}`;
  t.same(
    objects().map(title).toSorted(),
    [
      'ClusterRole carpool-webhook',
      'ClusterRoleBinding carpool-webhook',
      'MutatingWebhookConfiguration carpool-webhook',
      inSystem('ConfigMap', 'carpool'),
      inSystem('ConfigMap', 'carpool-webhook'),
      inSystem('Deployment', 'carpool-webhook'),
      inSystem('Pod', 'carpool-test'),
      inSystem('PodDisruptionBudget', 'carpool-webhook'),
      inSystem('Role', 'carpool'),
      inSystem('Role', 'carpool-webhook'),
      inSystem('RoleBinding', 'carpool'),
      inSystem('RoleBinding', 'carpool-webhook'),
      inSystem('Secret', 'carpool-webhook-certificate'),
      inSystem('Service', 'carpool-webhook'),
      inSystem('ServiceAccount', 'carpool-webhook'),
    ].toSorted(),
  );
});

t.test(
  'each namespace gets its ConfigMap, its Role and its RoleBinding, and the release’s none',
  { skip },
  async (t) => {
    const made = objects({ namespaces: ['shop', 'pay', 'shop'] });
    for (const namespace of ['shop', 'pay']) {
      named(made, `ConfigMap ${namespace}/carpool`);
      named(made, `Role ${namespace}/carpool`);
      const [subject, ...others] = listAt(named(made, `RoleBinding ${namespace}/carpool`), 'subjects');
      t.equal(textAt(subject, 'name'), `system:serviceaccounts:${namespace}`, 'its own ServiceAccounts');
      t.same(others, [], 'and no others');
    }
    t.notOk(made.some((each) => title(each) === `ConfigMap ${NAMESPACE}/carpool`));
    t.equal(
      made.filter((each) => title(each) === 'ConfigMap shop/carpool').length,
      1,
      'one that is named twice is made once',
    );
  },
);

t.test('the configuration arrives as it was given, big numbers and nulls too', { skip }, async (t) => {
  const config = {
    listener: { maxConnections: 1_000_000 },
    control: { socket: null },
    destinations: [{ match: 'legacy:9000', pool: { maxConnections: 4, maxAge: '30s' } }],
  };
  const text = textAt(named(objects({ config }), `ConfigMap ${NAMESPACE}/carpool`), 'data', 'carpool.yaml');
  t.same(parse(text), config);
});

t.test('the settings of injection are as the webhook reads them', { skip }, async (t) => {
  const read = (values: unknown, ...args: readonly string[]) => {
    const result = readInjectionSettings(parse(injectionText(objects(values, ...args))));
    if ('problems' in result) throw new Error(result.problems.join('\n'));
    return result.settings;
  };
  t.equal(read({}).image, 'carpool:0.1.0', 'the image is that of the chart');
  t.equal(read({}, '--kube-version', '1.29.0').mode, 'native');
  t.equal(read({}, '--kube-version', '1.29.3-gke.100').mode, 'native', 'vendors put something behind the version');
  t.equal(read({}, '--kube-version', '1.28.9').mode, 'legacy');
  t.equal(read({ inject: { mode: 'legacy' } }, '--kube-version', '1.34.0').mode, 'legacy');
  t.equal(read({ image: { pullPolicy: 'Never' } }).imagePullPolicy, 'Never', 'one pull policy for one image');
  t.equal(read({ image: { pullPolicy: 'Never' }, inject: { imagePullPolicy: 'Always' } }).imagePullPolicy, 'Always');
  t.equal(read({ inject: { runAsUser: null } }).runAsUser, null, 'null is not the default');
  t.same(
    read({ inject: { resources: { limits: { memory: null } } } }).resources.limits,
    {},
    'a limit can be taken off',
  );
  t.same(read({ inject: { resources: { limits: null } } }).resources.limits, {});
  t.same(read({ inject: { env: { TZ: 'UTC' }, noProxy: ['intranet'] } }).env, { TZ: 'UTC' });
});

t.test('the image is named by tag, by digest, or by both', { skip }, async (t) => {
  const digest = `sha256:${'ab'.repeat(32)}`;
  const image = (values: object) => container(named(objects({ image: values }), DEPLOYMENT)).image;
  t.equal(image({ repository: 'r.example:5000/team/carpool' }), 'r.example:5000/team/carpool:0.1.0');
  t.equal(image({ tag: '1.2' }), 'carpool:1.2');
  t.equal(image({ digest }), `carpool@${digest}`);
  t.equal(image({ tag: '1.2', digest }), `carpool:1.2@${digest}`);
});

t.test('the webhook’s pods are as hardened as the sidecars, and are not injected themselves', { skip }, async (t) => {
  for (const source of ['self', 'cert-manager']) {
    const deployment = named(objects({ webhook: { certificates: { source } } }), DEPLOYMENT);
    const pod = at(deployment, 'spec', 'template', 'spec');
    t.equal(textAt(deployment, 'spec', 'template', 'metadata', 'labels', 'carpool.dev/inject'), 'false');
    t.has(pod, {
      securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
    });
    t.same(container(deployment).securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    t.equal(at(pod, 'automountServiceAccountToken'), source === 'self', 'a token only where it is used');
  }
  const free = named(objects({ webhook: { runAsUser: null } }), DEPLOYMENT);
  t.notOk(JSON.stringify(free).includes('runAsUser'), 'null leaves the user to the platform');
});

t.test('a namespace asks for all its pods, or a pod for itself, and never both webhooks', { skip }, async (t) => {
  const extra = { matchLabels: { env: 'prod' }, matchExpressions: [{ key: 'tier', operator: 'Exists' }] };
  const made = objects({ webhook: { namespaceSelector: extra, excludedNamespaces: ['kube-system', 'vault'] } });
  const [byNamespace, byPod] = listAt(named(made, 'MutatingWebhookConfiguration carpool-webhook'), 'webhooks');
  const expression = (operator: string, values: readonly string[]) => ({ key: 'carpool.dev/inject', operator, values });
  const excluded = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'vault'] };
  t.same(at(byNamespace, 'namespaceSelector'), {
    matchLabels: { env: 'prod' },
    matchExpressions: [expression('In', ['enabled']), excluded, { key: 'tier', operator: 'Exists' }],
  });
  t.same(at(byNamespace, 'objectSelector'), { matchExpressions: [expression('NotIn', ['false'])] });
  t.same(at(byPod, 'namespaceSelector'), {
    matchLabels: { env: 'prod' },
    matchExpressions: [expression('NotIn', ['enabled']), excluded, { key: 'tier', operator: 'Exists' }],
  });
  t.same(at(byPod, 'objectSelector'), { matchExpressions: [expression('In', ['true'])] });
  for (const each of [byNamespace, byPod])
    t.has(each, {
      failurePolicy: 'Ignore',
      sideEffects: 'None',
      reinvocationPolicy: 'IfNeeded',
      matchPolicy: 'Equivalent',
      admissionReviewVersions: ['v1'],
      timeoutSeconds: 5,
      rules: [{ operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' }],
    });
  t.notOk(JSON.stringify(made).includes('caBundle'), 'the certificate’s maker writes the caBundle');
});

t.test('with cert-manager there is a Certificate, and no right to anything', { skip }, async (t) => {
  const made = objects({ webhook: { certificates: { source: 'cert-manager', lifetime: '30d' } } });
  const titles = made.map(title);
  t.notOk(
    titles.some((each) => /^ClusterRole|^Secret|Role .*webhook/.test(each)),
    titles.join(', '),
  );
  const certificate = named(made, `Certificate ${NAMESPACE}/carpool-webhook`);
  t.has(at(certificate, 'spec'), {
    secretName: 'carpool-webhook-tls',
    duration: '720h',
    issuerRef: { kind: 'Issuer', name: 'carpool-webhook' },
  });
  // A renewal must not change what API servers trust: the kubelet brings the new certificate a minute after the bundle.
  const issuer = named(made, `Issuer ${NAMESPACE}/carpool-webhook`);
  const authority = named(made, `Certificate ${NAMESPACE}/carpool-webhook-ca`);
  t.same(at(issuer, 'spec'), { ca: { secretName: textAt(authority, 'spec', 'secretName') } }, 'a CA that stays');
  t.has(at(authority, 'spec'), { isCA: true, duration: '87600h', issuerRef: { name: 'carpool-webhook-self-signed' } });
  t.same(at(named(made, `Issuer ${NAMESPACE}/carpool-webhook-self-signed`), 'spec'), { selfSigned: {} });
  t.ok(listAt(certificate, 'spec', 'dnsNames').includes(`carpool-webhook.${NAMESPACE}.svc`));
  const configuration = named(made, 'MutatingWebhookConfiguration carpool-webhook');
  const from = textAt(configuration, 'metadata', 'annotations', 'cert-manager.io/inject-ca-from');
  t.equal(from, `${NAMESPACE}/carpool-webhook`);
  const issuerRef = { kind: 'ClusterIssuer', name: 'internal', group: 'issuers.example' };
  const own = objects({ webhook: { certificates: { source: 'cert-manager', issuerRef } } });
  t.notOk(
    own.some((each) => each.kind === 'Issuer' || at(each, 'spec', 'isCA') === true),
    'no Issuer and no CA where one is named',
  );
  t.same(at(named(own, `Certificate ${NAMESPACE}/carpool-webhook`), 'spec', 'issuerRef'), issuerRef);
});

t.test('cluster-wide rights are one ClusterRole, for the namespaces’ ServiceAccounts', { skip }, async (t) => {
  const made = objects({ namespaces: ['shop', 'pay'], rbac: { scope: 'cluster' } });
  t.notOk(made.some((each) => /^Role(Binding)? (shop|pay)/.test(title(each))));
  const names = listAt(named(made, 'ClusterRoleBinding carpool'), 'subjects').map((each) => textAt(each, 'name'));
  t.same(names, ['system:serviceaccounts:pay', 'system:serviceaccounts:shop']);
});

/** What Prometheus makes of a pod's labels by rules: joined by `;`, matched as a whole, left alone where nothing matches. */
function relabelled(
  rules: readonly unknown[],
  meta: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const rule of rules) {
    const text = listAt(rule, 'sourceLabels')
      .map((name) => meta[`${name}`] ?? '')
      .join(';');
    const found = new RegExp(`^(?:${textAt(rule, 'regex') || '(.*)'})$`).exec(text);
    if (found !== null) labels[textAt(rule, 'targetLabel')] = found[1] ?? '';
  }
  return labels;
}

t.test('series carry the workload that a pod belongs to', { skip }, async (t) => {
  const monitor = named(objects({ podMonitor: { enabled: true } }), `PodMonitor ${NAMESPACE}/carpool`);
  const [endpoint] = listAt(monitor, 'spec', 'podMetricsEndpoints');
  t.equal(textAt(endpoint, 'port'), METRICS_PORT);
  t.same(at(monitor, 'spec', 'selector', 'matchLabels'), { [INJECTED_LABEL]: 'true' });
  const workload = (pod: string, kind = '', controller = '', hash = '') =>
    relabelled(listAt(endpoint, 'relabelings'), {
      __meta_kubernetes_namespace: 'shop',
      __meta_kubernetes_pod_name: pod,
      __meta_kubernetes_pod_node_name: 'node-1',
      __meta_kubernetes_pod_controller_kind: kind,
      __meta_kubernetes_pod_controller_name: controller,
      __meta_kubernetes_pod_label_pod_template_hash: hash,
    });
  t.same(workload('alone'), { namespace: 'shop', pod: 'alone', node: 'node-1', workload: 'alone' });
  const name = (...pod: Parameters<typeof workload>) => workload(...pod).workload;
  t.equal(name('web-a-b4dbb7874-llcxq', 'ReplicaSet', 'web-a-b4dbb7874', 'b4dbb7874'), 'web-a', 'a Deployment');
  t.equal(name('web-a-xyz', 'ReplicaSet', 'web-a'), 'web-a', 'a ReplicaSet of nobody’s');
  t.equal(name('db-0', 'StatefulSet', 'db'), 'db');
  t.equal(name('backup-29412345-5wpqm', 'Job', 'backup-29412345'), 'backup', 'a CronJob');
  t.equal(name('once-7-abcde', 'Job', 'once-7'), 'once-7', 'a Job of nobody’s');
});

t.test('without the webhook only the namespaces’ part is left', { skip }, async (t) => {
  const made = objects({ namespaces: ['shop'], webhook: { enabled: false } }).map(title);
  t.same(made.toSorted(), ['ConfigMap shop/carpool', 'Role shop/carpool', 'RoleBinding shop/carpool']);
});

t.test('a release in a namespace that is never asked about has no test that would fail', { skip }, async (t) => {
  const made = objects({ webhook: { excludedNamespaces: ['kube-system', NAMESPACE] } }).map(title);
  t.notOk(made.some((each) => each.startsWith('Pod ')));
});

t.test('the name of a release with a dot becomes one that a Service may have', { skip }, async (t) => {
  const { stdout } = helm(['template', 'team.a', CHART, '-n', NAMESPACE]);
  t.doesNotThrow(() => named(parseObjects(stdout), `Service ${NAMESPACE}/team-a-carpool-webhook`));
});

t.test(
  'where API servers reach no pods the webhook is on its nodes’ network, on ports of its own',
  { skip },
  async (t) => {
    const made = objects({
      webhook: { hostNetwork: true, port: 10_250, operatorPort: 9_081 },
      networkPolicy: { enabled: true },
    });
    const deployment = named(made, DEPLOYMENT);
    t.has(at(deployment, 'spec', 'template', 'spec'), { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' });
    t.same(listAt(container(deployment), 'args').slice(1, 3), ['--port=10250', '--operator-port=9081']);
    t.same(
      listAt(container(deployment), 'ports').map((each) => at(each, 'containerPort')),
      [10_250, 9_081],
    );
    t.same(
      at(deployment, 'spec', 'strategy', 'rollingUpdate'),
      { maxSurge: 0, maxUnavailable: 1 },
      'a third pod would find no node with its ports free where there are two nodes',
    );
    const policy = named(made, `NetworkPolicy ${NAMESPACE}/carpool-webhook`);
    t.same(
      listAt(policy, 'spec', 'ingress').map((each) => at(listAt(each, 'ports')[0], 'port')),
      [10_250, 9_081],
    );
    t.notOk('hostNetwork' in Object(at(named(objects(), DEPLOYMENT), 'spec', 'template', 'spec')), 'off by default');
  },
);

t.test('one replica has no disruption budget, for it would stop every drain', { skip }, async (t) => {
  const made = objects({ webhook: { replicas: 1 } }).map(title);
  t.notOk(made.some((each) => each.startsWith('PodDisruptionBudget')));
});

t.test('examples of values in the pages are taken', { skip }, async (t) => {
  const pages = ['docs/installing.md', 'docs/alerts.md', 'docs/dashboards.md', 'README.md'];
  const examples = pages.flatMap(valuesIn);
  t.ok(examples.length >= 4);
  for (const { page, values } of examples) t.equal(refusal(values), '', `${page}: ${JSON.stringify(values)}`);
});

t.test('the manifests in k8s/ are what the chart makes', { skip }, async (t) => {
  for (const [path, text] of plainManifests())
    t.equal(
      readFileSync(join(CHART, '..', '..', path), 'utf8'),
      text,
      `${path}: node e2e/packaging/plain-manifests.ts`,
    );
});
