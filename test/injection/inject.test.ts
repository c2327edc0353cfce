import t from 'tap';
import { isJsonObject, type JsonObject } from '../../src/discovery/kubernetes/json-value.ts';
import { injectPod, type PodObject } from '../../src/injection/inject.ts';
import { removeInjection } from '../../src/injection/remove.ts';
import type { InjectionSettings } from '../../src/injection/settings.ts';
import { SETTINGS } from './pods.ts';

const keep = (pod: PodObject, settings: InjectionSettings = SETTINGS) =>
  injectPod(pod, settings, { version: '1', existing: 'keep' });
const replace = (pod: PodObject, settings: InjectionSettings = SETTINGS, version = '1') =>
  injectPod(pod, settings, { version, existing: 'replace' });

const app = { name: 'app', image: 'shop/app:1' };
const podOf = (annotations: JsonObject, ...containers: readonly JsonObject[]): PodObject => ({
  metadata: { annotations },
  spec: { containers: containers.length === 0 ? [app] : containers },
});

const objects = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : []);
const specOf = (pod: PodObject): JsonObject => (isJsonObject(pod.spec) ? pod.spec : {});
const containerOf = (pod: PodObject, name: string): JsonObject =>
  [...objects(specOf(pod).initContainers), ...objects(specOf(pod).containers)].find((each) => each.name === name) ?? {};
const envOf = (pod: PodObject, name: string): Record<string, unknown> =>
  Object.fromEntries(objects(containerOf(pod, name).env).map((each) => [String(each.name), each.value]));
const annotationsOf = (pod: PodObject): JsonObject =>
  isJsonObject(pod.metadata) && isJsonObject(pod.metadata.annotations) ? pod.metadata.annotations : {};

/** What another webhook does to a pod after ours. */
function withContainer(pod: PodObject, container: JsonObject): PodObject {
  const spec = specOf(pod);
  return { ...pod, spec: { ...spec, containers: [...objects(spec.containers), container] } };
}

t.test('a container that comes later gets its variables, and nothing else changes', (t) => {
  const first = keep(podOf({ 'carpool.dev/port': '15000' })).pod;
  const later = withContainer(first, { name: 'late', image: 'late:1' });
  const { outcome, pod } = keep(later, { ...SETTINGS, port: 16_000, image: 'carpool:2' });
  t.equal(outcome, 'injected');
  t.equal(envOf(pod, 'late').HTTP_PROXY, 'http://127.0.0.1:15000');
  t.strictSame(containerOf(pod, 'carpool'), containerOf(first, 'carpool'));
  t.strictSame(containerOf(pod, 'app'), containerOf(first, 'app'));
  t.strictSame(
    removeInjection(pod),
    withContainer(podOf({ 'carpool.dev/port': '15000' }), { name: 'late', image: 'late:1' }),
  );
  t.equal(keep(pod, SETTINGS).outcome, 'unchanged');
  t.end();
});

t.test('the sidecar of a mesh that comes later switches discovery off', (t) => {
  const first = keep(podOf({})).pod;
  t.notHas(envOf(first, 'carpool'), { CARPOOL_DISCOVERY_KUBERNETES_ENABLED: 'false' });
  const meshed = withContainer(first, { name: 'istio-proxy', image: 'istio:1' });
  const { outcome, pod } = keep(meshed);
  t.equal(outcome, 'injected');
  t.equal(envOf(pod, 'carpool').CARPOOL_DISCOVERY_KUBERNETES_ENABLED, 'false');
  t.equal(annotationsOf(pod)['carpool.dev/discovery'], 'off (istio-proxy)');
  t.notOk('env' in containerOf(pod, 'istio-proxy'));
  t.equal(keep(pod).outcome, 'unchanged');
  t.strictSame(removeInjection(pod), withContainer(podOf({}), { name: 'istio-proxy', image: 'istio:1' }));
  t.end();
});

t.test('a proxy that comes later is adopted as it would have been before', (t) => {
  const wish = { 'carpool.dev/adopt-proxy': 'true' };
  const late = { name: 'late', env: [{ name: 'HTTP_PROXY', value: 'http://proxy.corp:3128' }] };
  const { pod } = keep(withContainer(keep(podOf(wish)).pod, late));
  t.equal(envOf(pod, 'late').HTTP_PROXY, 'http://127.0.0.1:14140');
  t.equal(envOf(pod, 'carpool').CARPOOL_EGRESS_PARENT_PROXY_URL, 'http://proxy.corp:3128');
  t.strictSame(removeInjection(pod), withContainer(podOf(wish), late));
  t.end();
});

t.test('only the proxy that is the parent already is adopted from a container that comes later', (t) => {
  const wish = { 'carpool.dev/adopt-proxy': 'true' };
  const proxied = (name: string, value: string) => ({ name, env: [{ name: 'HTTP_PROXY', value }] });
  const first = keep(podOf(wish, proxied('app', 'http://a.corp:3128'))).pod;
  const { pod, warnings } = keep(withContainer(first, proxied('late', 'http://b.corp:3128')));
  t.equal(envOf(pod, 'late').HTTP_PROXY, 'http://b.corp:3128');
  t.match(warnings, [/container late: HTTP_PROXY is set, and stays.*this is another/]);
  t.equal(
    envOf(keep(withContainer(first, proxied('late', 'http://a.corp:3128'))).pod, 'late').HTTP_PROXY,
    'http://127.0.0.1:14140',
  );
  t.end();
});

t.test('a name that stands twice, for carpool and for another proxy, is not adopted', (t) => {
  const env = [
    { name: 'http_proxy', value: 'http://127.0.0.1:14140' },
    { name: 'http_proxy', valueFrom: { secretKeyRef: { name: 'proxy', key: 'url' } } },
  ];
  const pod = {
    metadata: { annotations: { 'carpool.dev/adopt-proxy': 'true' } },
    spec: { containers: [{ name: 'app', image: 'shop/app:1', env }] },
  };
  const { outcome, reason, warnings } = keep(pod);
  t.same([outcome, reason], ['skipped', 'invalid_annotation']);
  t.match(warnings[0], /http_proxy of container app stands twice/);
  t.end();
});

t.test('of a name that stands twice each is adopted by its own value, and both come back', (t) => {
  const env = [
    { name: 'HTTP_PROXY', value: 'http://a.corp:3128' },
    { name: 'HTTP_PROXY', value: 'http://b.corp:3128' },
  ];
  const wish = podOf({ 'carpool.dev/adopt-proxy': 'true' }, { ...app, env });
  const { pod } = keep(wish);
  t.strictSame(
    objects(containerOf(pod, 'app').env)
      .filter(({ name }) => name === 'HTTP_PROXY')
      .map(({ value }) => value),
    ['http://127.0.0.1:14140', 'http://b.corp:3128'],
  );
  t.strictSame(removeInjection(pod), wish);
  t.end();
});

t.test('injected anew a pod has the new version and the new settings, and nothing of the old', (t) => {
  const old = replace(podOf({}), { ...SETTINGS, httpsProxy: true, java: true }).pod;
  const { outcome, pod } = replace(old, { ...SETTINGS, image: 'carpool:2' }, '2');
  t.equal(outcome, 'injected');
  t.strictSame(pod, replace(podOf({}), { ...SETTINGS, image: 'carpool:2' }, '2').pod);
  t.equal(containerOf(pod, 'carpool').image, 'carpool:2');
  t.notOk('HTTPS_PROXY' in envOf(pod, 'app'));
  t.end();
});

t.test('a pod that has opted out since keeps its sidecar in the webhook, and loses it in the command', (t) => {
  const injected = keep(podOf({})).pod;
  const out = { ...injected, metadata: { annotations: { ...annotationsOf(injected), 'carpool.dev/inject': 'false' } } };
  t.equal(keep(out).pod, out);
  const { outcome, reason, pod } = replace(out);
  t.strictSame([outcome, reason], ['skipped', 'opted_out']);
  t.notOk(JSON.stringify(pod).includes('carpool:1'));
  t.end();
});

t.test('a record that was copied without its sidecar leads to an injection of its own', (t) => {
  const { metadata } = keep(podOf({})).pod;
  const copied = {
    metadata,
    spec: { containers: [{ ...app, env: [{ name: 'HTTP_PROXY', value: 'http://127.0.0.1:14140' }] }] },
  };
  t.strictSame(containerOf(keep(copied).pod, 'app'), containerOf(keep(podOf({})).pod, 'app'));
  t.end();
});

t.test('a record that says nothing sensible leaves the pod alone', (t) => {
  for (const text of ['', '[]', '{"version":1}', '{"version":"1","mode":"native","port":1,"variables":{"app":"x"}}']) {
    const pod = podOf({ 'carpool.dev/injection': text });
    const { pod: after, reason } = replace(pod);
    t.strictSame([after === pod, reason], [true, 'invalid_annotation'], text);
    t.equal(removeInjection(pod), pod);
  }
  t.end();
});

t.test('what would keep the sidecar from starting is refused before it does', (t) => {
  for (const [annotations, words] of [
    [{ 'carpool.dev/set': 'defaults.pool.maxIdel=3' }, /maxIdel is no setting; did you mean/],
    [{ 'carpool.dev/set': 'defaults.pool.maxIdle=lots' }, /must be a whole number/],
    [{ 'carpool.dev/set': 'listener.port=1' }, /use carpool.dev\/port/],
    [{ 'carpool.dev/set': 'operator.enabled=false' }, /the pod needs it as it is/],
    [{ 'carpool.dev/set': 'constructor=1' }, /is no setting/],
    [
      { 'carpool.dev/memory-request': '1Gi' },
      /memory-request "1Gi" is more than the limit \(256Mi, of the installation\)/,
    ],
    [
      { 'carpool.dev/memory-limit': '64Mi' },
      /memory-limit "64Mi" is less than the request \(96Mi, of the installation\)/,
    ],
    [{ 'carpool.dev/cpu-request': '2', 'carpool.dev/cpu-limit': '1' }, /cpu-request "2" is more than the limit \(1\)/],
    [{ 'carpool.dev/log-level': 'loud' }, /must be one of trace/],
    [{ 'carpool.dev/config-map': 'My Map' }, /must be the name of a ConfigMap/],
    [{ 'carpool.dev/no-proxy': 'a b' }, /must be names and addresses/],
    [{ 'carpool.dev/containers': ' , ' }, /at least one container/],
    [{ 'carpool.dev/containers': 'App' }, /must be names of containers/],
    [{ 'carpool.dev/operator-port': '14140' }, /must differ/],
    [{ 'carpool.dev/inject': 'enabled' }, /must be "true" or "false"/],
    [{ 'carpool.dev/port': 15_000 }, /put it in quotes/],
  ] as const) {
    const { reason, warnings } = keep(podOf(annotations));
    t.equal(reason, 'invalid_annotation', JSON.stringify(annotations));
    t.match(warnings.join('\n'), words);
  }
  t.end();
});

t.test('a limit of memory that an annotation takes away takes the heap’s share with it', (t) => {
  t.ok('NODE_OPTIONS' in envOf(keep(podOf({})).pod, 'carpool'));
  const { pod } = keep(podOf({ 'carpool.dev/memory-limit': '0' }));
  t.notOk('NODE_OPTIONS' in envOf(pod, 'carpool'));
  t.strictSame(containerOf(pod, 'carpool').resources, { requests: { cpu: '20m', memory: '96Mi' } });
  t.end();
});

t.test('the control socket stays in the folder that the pod has for it, whatever the ConfigMap or a pod says', (t) => {
  t.equal(envOf(keep(podOf({})).pod, 'carpool').CARPOOL_CONTROL_SOCKET, '/run/carpool/control.sock');
  const { outcome, warnings } = keep(podOf({ 'carpool.dev/set': 'control.socket=/tmp/x' }));
  t.equal(outcome, 'skipped');
  t.match(warnings.join(), /control\.socket.*the pod needs it as it is/);
  t.end();
});

t.test('a pod without containers is nobody’s business', (t) => {
  for (const pod of [{}, { spec: null }, { metadata: {}, spec: { containers: [] } }]) {
    t.equal(keep(pod).pod, pod);
    t.equal(keep(pod).outcome, 'unchanged');
  }
  t.end();
});

t.test('no warning shows a password', (t) => {
  for (const adopt of ['true', 'false']) {
    const env = [{ name: 'http_proxy', value: 'http://user:s3cret@proxy.corp:3128' }];
    const { warnings } = keep(podOf({ 'carpool.dev/adopt-proxy': adopt }, { ...app, env }));
    t.ok(warnings.length > 0);
    t.notMatch(warnings.join('\n'), /s3cret/);
  }
  t.end();
});
