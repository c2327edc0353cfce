import t, { type Test } from 'tap';
import { KubernetesDiscovery } from '../../src/discovery/kubernetes/kubernetes-discovery.ts';
import { DiscoveryObserver } from '../../src/observer.ts';
import { FakeDns } from '../discovery/kubernetes/discovery-fixture.ts';
import { FakeKubeApi, settled } from '../discovery/kubernetes/fake-kube-api.ts';
import { RecordingSink } from '../discovery/recording-sink.ts';
import { defaultConfig } from '../pool/pool-fixture.ts';
import { TestClock } from '../test-clock.ts';

/** Kubernetes discovery of a pod in namespace shop that may ask for any namespace, and behind it what leads outside. */
function start(t: Test, patient: boolean) {
  const clock = new TestClock();
  const outside = new FakeDns();
  const discovery = new KubernetesDiscovery({
    settings: { ...defaultConfig().discovery.kubernetes, firstLookupMs: 200, namespaces: ['*'] },
    identity: () => ({ namespace: 'shop', problem: null }),
    clusterDomain: () => 'cluster.local',
    dns: outside,
    patient,
    openApi: async () => new FakeKubeApi(),
    clock,
    random: () => 0.5,
    log: { info: () => {}, warn: () => {} },
    observer: new DiscoveryObserver(),
    preferFamily: 4,
    allow: () => [],
    affinityKey: '10.1.0.9',
  });
  t.teardown(() => discovery.close());
  return { clock, outside, discovery };
}

t.test(
  'a name that may be a Service or of the outside goes by the proxy only when the API server had its time',
  async (t) => {
    const { clock, outside, discovery } = start(t, true);
    discovery.subscribe('github.com', 443, new RecordingSink());
    await settled();
    clock.advance(199);
    t.same(outside.names, []);
    clock.advance(1);
    t.same(outside.names, ['github.com']);
    const hasty = start(t, false);
    hasty.discovery.subscribe('github.com', 443, new RecordingSink());
    t.same(hasty.outside.names, ['github.com'], 'DNS knows Services too, and is asked at once');
  },
);

t.test('what can only be a Service is known as such', async (t) => {
  const { discovery } = start(t, true);
  for (const name of ['orders', 'orders.shop', 'orders.other.svc', 'orders.other.svc.cluster.local'])
    t.equal(discovery.certain(name), true, name);
  for (const name of ['github.com', 'www.example.com', '203.0.113.7']) t.equal(discovery.certain(name), false, name);
});
