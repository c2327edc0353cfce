import t from 'tap';
import { collectorUrl, resourceAttributes, shownUrl } from '../../src/tracing/origins.ts';

t.test('where spans go: the setting, else the variable of traces, else the general one, else this machine', (t) => {
  const faults: string[] = [];
  const url = (endpoint: string | null, env: Record<string, string> = {}) =>
    collectorUrl(endpoint, env, (message) => faults.push(message));
  const general = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://general:4318/base/' };
  const traces = { ...general, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces:4318/as/it/is' };
  t.equal(url('http://mine:4318/', traces), 'http://mine:4318/v1/traces');
  t.equal(url('https://mine/custom', traces), 'https://mine/custom', 'a path of its own stays');
  t.equal(url(null, traces), 'https://traces:4318/as/it/is');
  t.equal(url(null, general), 'http://general:4318/base/v1/traces');
  t.equal(url(null), 'http://localhost:4318/v1/traces');
  t.same(faults, []);
  t.equal(url(null, { OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc' }), 'http://localhost:4318/v1/traces');
  t.match(faults, [/^OTEL_EXPORTER_OTLP_ENDPOINT is no address/]);
  t.end();
});

t.test('credentials in a variable are no part of what is told of the address', (t) => {
  t.equal(shownUrl('http://user:secret@otel:4318/v1/traces'), 'http://otel:4318/v1/traces');
  t.equal(shownUrl('https://otel/v1/traces?key=secret#x'), 'https://otel/v1/traces');
  t.end();
});

t.test('whose spans they are: the setting, else the variables, else the pod without what was generated', (t) => {
  const name = (setting: string | null, env: Record<string, string>) =>
    resourceAttributes(setting, '1.0', env, 'shop-6d4cf56db6-x2x4z')['service.name'];
  const list = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=listed,team=a%20b,=no,also no,bad=%' };
  t.equal(name('set', { OTEL_SERVICE_NAME: 'variable' }), 'set');
  t.equal(name(null, { OTEL_SERVICE_NAME: 'variable', ...list }), 'variable');
  t.equal(name(null, list), 'listed');
  t.equal(name(null, { POD_NAME: 'cart-7c9bf8d5f4-lm4kq' }), 'cart');
  t.equal(name(null, {}), 'shop');
  const all = resourceAttributes(null, '1.0', { ...list, POD_NAME: 'a-b', POD_NAMESPACE: 'n' }, 'host');
  t.match(all, { team: 'a b', 'k8s.pod.name': 'a-b', 'k8s.namespace.name': 'n', 'telemetry.distro.version': '1.0' });
  t.notOk('bad' in all);
  t.end();
});
