import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CLUSTER_VARIABLE, Cluster } from '../cluster/cluster.ts';
import { at, listAt, textAt } from '../cluster/json.ts';
import { installCrds } from './crds.ts';
import { CHART, helm, NAMESPACE, objects, parseObjects, RELEASE, ROOT, title } from './helm.ts';
import { Kubectl } from './kubectl.ts';
import { EVERYTHING, VALUE_SETS } from './value-sets.ts';

/** The chart on a real API server, by a real helm. Pods are objects only here: nothing runs in them. */
const wanted = process.env[CLUSTER_VARIABLE] ?? 'skip: run it with `make e2e` or `node e2e/run.ts FILE`';
const skip = /^skip: (.*)/s.exec(wanted)?.[1] ?? false;
const APPS = ['shop', 'pay'];
const WEBHOOK = 'carpool-webhook';
const SECRET = 'carpool-webhook-certificate';

let cluster: Cluster;
let kubectl: Kubectl;

t.before(async () => {
  if (skip !== false) return;
  cluster = new Cluster(wanted);
  await cluster.api.close();
  kubectl = new Kubectl(cluster);
  for (const name of [NAMESPACE, ...APPS]) {
    kubectl.run(['create', 'namespace', name]);
    // Pods that break the strictest rules are refused in them, and workloads with such pods warned of.
    const rules = ['enforce', 'warn'].map((each) => `pod-security.kubernetes.io/${each}=restricted`);
    kubectl.run(['label', 'namespace', name, ...rules]);
  }
});

t.after(() => {
  if (skip === false) kubectl.run(['delete', 'namespace', NAMESPACE, ...APPS, '--ignore-not-found', '--wait']);
});

function install(t: Test, values: unknown): void {
  kubectl.helm(['install', RELEASE, CHART, '-n', NAMESPACE, '-f', '-'], values);
  t.teardown(() => kubectl.helm(['uninstall', RELEASE, '-n', NAMESPACE, '--ignore-not-found', '--wait']));
}

function upgrade(values: unknown): void {
  kubectl.helm(['upgrade', RELEASE, CHART, '-n', NAMESPACE, '-f', '-'], values);
}

/** As the webhook does it: its certificate into the Secret, its CA into the configuration. */
function certificateMade(): void {
  const text = Buffer.from('a certificate').toString('base64');
  kubectl.run(['patch', 'secret', SECRET, '-n', NAMESPACE, '-p', JSON.stringify({ data: { 'tls.crt': text } })]);
  const patch = [0, 1].map((nth) => ({ op: 'add', path: `/webhooks/${nth}/clientConfig/caBundle`, value: text }));
  kubectl.run(['patch', 'mutatingwebhookconfiguration', WEBHOOK, '--type=json', '-p', JSON.stringify(patch)]);
}

/** What `certificateMade` has written, as it stands now. */
function certificates(): readonly string[] {
  const configuration = kubectl.get('mutatingwebhookconfiguration', WEBHOOK);
  return [
    textAt(kubectl.get('secret', SECRET, NAMESPACE), 'data', 'tls.crt'),
    ...listAt(configuration, 'webhooks').map((each) => textAt(each, 'clientConfig', 'caBundle')),
  ].map((text) => Buffer.from(text, 'base64').toString());
}

t.test('what it installs is there, and nothing is left when it is taken out', { skip }, async (t) => {
  const before = kubectl.labelled(RELEASE);
  install(t, { namespaces: APPS, networkPolicy: { enabled: true, sidecars: { enabled: true } } });
  for (const object of parseObjects(kubectl.helm(['get', 'manifest', RELEASE, '-n', NAMESPACE]))) {
    const namespace = textAt(object, 'metadata', 'namespace') || 'default';
    kubectl.get(textAt(object, 'kind'), textAt(object, 'metadata', 'name'), namespace);
  }
  t.equal(kubectl.labelled(RELEASE).filter((each) => each.startsWith('pod/')).length, 2, 'two pods are made');
  certificateMade();
  kubectl.helm(['uninstall', RELEASE, '-n', NAMESPACE, '--wait']);
  kubectl.run([
    'wait',
    '--for=delete',
    'pod',
    '-l',
    `app.kubernetes.io/instance=${RELEASE}`,
    '-n',
    NAMESPACE,
    '--timeout=30s',
  ]);
  t.same(kubectl.labelled(RELEASE), before);
  t.equal(kubectl.run(['get', 'secret', '-n', NAMESPACE, '-o', 'name']), '', 'no Secret, Helm’s own included');
});

t.test('an upgrade leaves the certificate alone, and so does a rollback', { skip }, async (t) => {
  install(t, { namespaces: ['shop'] });
  certificateMade();
  const made = certificates();
  t.same(made, ['a certificate', 'a certificate', 'a certificate']);
  const uid = textAt(kubectl.get('configmap', 'carpool', 'shop'), 'metadata', 'uid');

  upgrade({ namespaces: ['shop'], config: { mode: 'observe' } });
  t.same(certificates(), made);
  const configMap = kubectl.get('configmap', 'carpool', 'shop');
  t.match(textAt(configMap, 'data', 'carpool.yaml'), 'mode: observe');
  t.equal(textAt(configMap, 'metadata', 'uid'), uid, 'changed in place, so that sidecars reload it');
  t.equal(at(kubectl.get('deployment', WEBHOOK, NAMESPACE), 'metadata', 'generation'), 1, 'the webhook’s pods go on');

  upgrade({ namespaces: ['pay'], webhook: { timeoutSeconds: 7, replicas: 3 }, inject: { httpsProxy: true } });
  t.same(certificates(), made, 'where the configuration itself changes too');
  const configuration = kubectl.get('mutatingwebhookconfiguration', WEBHOOK);
  t.same(
    listAt(configuration, 'webhooks').map((each) => at(each, 'timeoutSeconds')),
    [7, 7],
  );
  t.match(textAt(kubectl.get('configmap', WEBHOOK, NAMESPACE), 'data', 'injection.yaml'), 'httpsProxy: true');
  kubectl.get('rolebinding', 'carpool', 'pay');
  t.not(
    kubectl.try(['get', 'rolebinding', 'carpool', '-n', 'shop']).code,
    0,
    'a namespace that has left loses its right',
  );

  kubectl.helm(['rollback', RELEASE, '1', '-n', NAMESPACE]);
  t.same(certificates(), made);
  const back = listAt(kubectl.get('mutatingwebhookconfiguration', WEBHOOK), 'webhooks');
  t.same(
    back.map((each) => at(each, 'timeoutSeconds')),
    [5, 5],
  );
  kubectl.get('rolebinding', 'carpool', 'shop');
});

t.test('the sidecars and the webhook may do just what they need', { skip }, async (t) => {
  const anybody = new Set(kubectl.rights({ namespace: 'default', name: 'default' }, 'default'));
  const rights = (account: { namespace: string; name: string }, namespace: string) =>
    kubectl
      .rights(account, namespace)
      .filter((each) => !anybody.has(each))
      .toSorted();
  const app = { namespace: 'shop', name: 'default' };
  const webhook = { namespace: NAMESPACE, name: WEBHOOK };
  const reads = ['endpointslices.discovery.k8s.io [] [list watch]', 'services [] [get]'];
  const itsConfiguration = `mutatingwebhookconfigurations.admissionregistration.k8s.io [${WEBHOOK}] [get patch]`;
  t.ok(anybody.size > 5, 'what everybody may do');

  install(t, { namespaces: ['shop'] });
  t.same(rights(app, 'shop'), reads);
  t.same(rights(app, 'pay'), [], 'nothing elsewhere');
  t.same(rights(webhook, NAMESPACE), [itsConfiguration, `secrets [${SECRET}] [get patch]`]);
  t.same(rights(webhook, 'shop'), [itsConfiguration], 'no Secret elsewhere, and no pod at all');

  upgrade({ namespaces: ['shop'], rbac: { scope: 'cluster' } });
  t.same(rights(app, 'pay'), reads, 'with cluster-wide scope elsewhere too');
  t.same(rights({ namespace: 'pay', name: 'default' }, 'pay'), [], 'but only for the namespaces’ own');

  const subjects = [{ kind: 'ServiceAccount', name: 'web', namespace: 'pay' }];
  upgrade({ namespaces: ['shop'], rbac: { subjects } });
  t.same(rights(app, 'shop'), [], 'subjects take the place of the namespace’s ServiceAccounts');
  t.same(rights({ namespace: 'pay', name: 'web' }, 'shop'), reads);

  upgrade({ namespaces: ['shop'], rbac: { create: false } });
  t.same(rights(app, 'shop'), []);
});

t.test('with many values the API server takes every object, and warns of none', { skip }, async (t) => {
  installCrds(t, cluster);
  const taken = (name: string, values: object): string => {
    const all = objects(values).map((each) => JSON.stringify(each));
    const list = `{"apiVersion":"v1","kind":"List","items":[${all.join(',')}]}`;
    const { code, stderr } = kubectl.try(['apply', '--dry-run=server', '--validate=strict', '-f', '-'], list);
    t.equal(code, 0, `${name}: ${all.length} objects ${stderr}`);
    return stderr;
  };
  for (const [name, values] of VALUE_SETS) t.equal(taken(name, values), '', `${name}: no warning`);
  const onNodes = taken('the nodes’ network', { webhook: { hostNetwork: true, port: 10_250 } });
  t.match(
    onNodes,
    /^Warning: would violate PodSecurity[^\n]*host namespaces \(hostNetwork=true\)[^\n]*\n$/,
    'as expected',
  );
  const kinds = new Set(objects(EVERYTHING).map((each) => textAt(each, 'kind')));
  for (const kind of ['PodMonitor', 'PrometheusRule', 'NetworkPolicy']) t.ok(kinds.has(kind), `${kind} is among them`);
});

t.test('the notes say what to do next for just these values, and what to mind', { skip }, async (t) => {
  const notes = (values: unknown): string => {
    const all = kubectl.helm(['install', RELEASE, CHART, '-n', NAMESPACE, '--dry-run=client', '-f', '-'], values);
    return all.slice(all.indexOf('\nNOTES:'));
  };
  const usual = notes({ namespaces: ['shop', 'pay'] });
  t.match(usual, 'kubectl label namespace shop carpool.dev/inject=enabled');
  t.match(usual, 'kubectl label namespace pay carpool.dev/inject=enabled');
  t.match(usual, `helm test carpool -n ${NAMESPACE}`);
  t.match(usual, 'kubectl -n pay rollout restart deployment,statefulset,daemonset');
  t.match(usual, /gRPC in Go/);
  t.match(usual, /config is empty/);
  const careful = { failurePolicy: 'Fail', replicas: 1 };
  const other = notes({ inject: { httpsProxy: true }, config: { mode: 'observe' }, webhook: careful });
  t.notMatch(other, /gRPC in Go/);
  t.notMatch(other, /config is empty/);
  t.match(other, /namespaces is empty/);
  t.match(other, /no pod of the chosen namespaces starts/);
  t.match(other, /One replica/);
  const byHand = notes({ webhook: { enabled: false }, image: { repository: 'registry.example/carpool', tag: 'v7' } });
  t.match(byHand, 'carpool inject -f app.yaml --image registry.example/carpool:v7 |');
  const legacy = notes({ inject: { mode: 'legacy' } });
  t.match(legacy, /Legacy mode: Jobs/);
  t.notMatch(legacy, 'helm test', 'a pod that ends by itself is not injected then');
});

t.test('k8s/ installs the same without Helm, and its namespace part fits any namespace', { skip }, async (t) => {
  const cluster = join(ROOT, 'k8s');
  kubectl.run(['delete', 'namespace', NAMESPACE, '--wait']);
  t.teardown(() => kubectl.run(['delete', '-k', cluster, '--ignore-not-found', '--wait']));
  const { code, stderr } = kubectl.try(['apply', '-k', cluster]);
  t.equal(code, 0, stderr);
  t.equal(stderr, '', 'no warning');
  certificateMade();
  kubectl.run(['apply', '-k', cluster]);
  t.same(
    certificates(),
    ['a certificate', 'a certificate', 'a certificate'],
    'a second time leaves the certificate alone',
  );

  kubectl.run(['apply', '-k', join(ROOT, 'k8s/example')]);
  t.match(textAt(kubectl.get('configmap', 'carpool', 'shop'), 'data', 'carpool.yaml'), 'maxConnections: 200');
  const [subject] = listAt(kubectl.get('rolebinding', 'carpool', 'shop'), 'subjects');
  t.equal(textAt(subject, 'name'), 'system:serviceaccounts:shop');
  const titles = helm(['template', RELEASE, CHART, '-n', NAMESPACE, '--set', 'webhook.enabled=false']).stdout;
  t.equal(parseObjects(titles).map(title).length, 3, 'the namespace’s part is three objects');
});
