import t from 'tap';
import {
  mayBeOwnService,
  parseServiceName,
  type ServiceNames,
} from '../../../src/discovery/kubernetes/service-name.ts';

const HOME: ServiceNames = { ownNamespace: 'shop', namespaces: ['billing'], clusterDomain: 'cluster.local' };

/** `namespace/service`, behind it `#hostname` and `?` where it is not certain; null where the name is no Service. */
function read(host: string, names: Partial<ServiceNames> = {}): string | null {
  const found = parseServiceName(host, { ...HOME, ...names });
  if (found === null) return null;
  const hostname = found.hostname === null ? '' : `#${found.hostname}`;
  return `${found.namespace}/${found.service}${hostname}${found.certain ? '' : '?'}`;
}

t.test('a Service is found in each form that cluster DNS takes', async (t) => {
  t.equal(read('orders'), 'shop/orders');
  t.equal(read('orders.shop'), 'shop/orders');
  t.equal(read('orders.billing'), 'billing/orders');
  t.equal(read('orders.other.svc'), 'other/orders');
  t.equal(read('orders.other.svc.cluster.local'), 'other/orders');
  t.equal(read('kubernetes.default.svc'), 'default/kubernetes');
  t.equal(read('3scale.a1.svc'), 'a1/3scale');
});

t.test('a pod of a headless Service is found by its hostname', async (t) => {
  t.equal(read('db-0.db.shop'), 'shop/db#db-0');
  t.equal(read('db-0.db.billing'), 'billing/db#db-0');
  t.equal(read('db-0.db.other.svc'), 'other/db#db-0');
  t.equal(read('db-0.db.other.svc.cluster.local'), 'other/db#db-0');
});

t.test('a trailing dot leaves the full name only', async (t) => {
  t.equal(read('orders.other.svc.cluster.local.'), 'other/orders');
  t.equal(read('db-0.db.other.svc.cluster.local.'), 'other/db#db-0');
  for (const host of [
    'orders.',
    'orders.shop.',
    'orders.other.svc.',
    'db-0.db.shop.',
    'orders.shop.svc.cluster.local..',
  ])
    t.equal(read(host), null, host);
});

t.test('a namespace that is neither the own one nor listed makes no Service', async (t) => {
  for (const host of ['github.com', 'orders.other', 'www.example.com', 'db-0.db.other', 'a.b.c.shop'])
    t.equal(read(host), null, host);
});

t.test('with cluster-wide rights any name of two labels may be a Service, and is not certain', async (t) => {
  const namespaces = ['billing', '*'];
  t.equal(read('github.com', { namespaces }), 'com/github?');
  t.equal(read('orders.other', { namespaces }), 'other/orders?');
  t.equal(read('orders.shop', { namespaces }), 'shop/orders');
  t.equal(read('orders.billing', { namespaces }), 'billing/orders');
  t.equal(read('orders.other.svc', { namespaces }), 'other/orders');
  t.equal(read('www.example.com', { namespaces }), null);
  t.equal(read('db-0.db.billing', { namespaces }), 'billing/db#db-0');
  t.equal(read('orders.*', { namespaces }), null);
});

t.test('the cluster domain may be any, and need not be known', async (t) => {
  const clusterDomain = 'k8s.Example.org.';
  t.equal(read('orders.other.svc.k8s.example.org', { clusterDomain }), 'other/orders');
  t.equal(read('db-0.db.other.svc.k8s.example.org.', { clusterDomain }), 'other/db#db-0');
  t.equal(read('orders.other.svc.cluster.local', { clusterDomain }), null);
  t.equal(read('orders.other.svc', { clusterDomain: '' }), 'other/orders');
  t.equal(read('orders.other.svc.', { clusterDomain: '' }), null);
});

t.test('what ends like a Service and is none is null', async (t) => {
  const hosts = [
    ['svc.cluster.local', 'other.svc.cluster.local', 'a.b.c.other.svc', 'a.b.c.other.svc.cluster.local'],
    ['10-0-0-1.shop.pod.cluster.local', 'cluster.local', 'orders.svc', 'xsvc.cluster.local', '.svc.cluster.local'],
  ].flat();
  for (const host of hosts) t.equal(read(host), null, host);
  t.equal(read('orders.svc', { ownNamespace: 'svc' }), 'svc/orders');
  t.equal(read('orders.svc.svc'), 'svc/orders');
});

t.test('addresses, localhost and numbers are no Services', async (t) => {
  const hosts = ['10.0.0.1', '10.0.0.1.', '::1', 'fd00::1', '127.1', '8080', '0x7f000001', '1.2.3', 'orders.8'];
  for (const host of [...hosts, 'localhost', 'localhost.', 'app.localhost', 'app.localhost.'])
    t.equal(read(host, { namespaces: ['*', 'localhost', '1'] }), null, host);
});

t.test('labels that Kubernetes does not give are no Services', async (t) => {
  const long = 'a'.repeat(63);
  t.equal(read(long), `shop/${long}`);
  const hosts = ['', '.', 'a..shop', '.shop', '-a', 'a-', 'a_b', 'Orders', 'orders.shop.svc ', 'ö', 'a/b', `${long}a`];
  for (const host of [...hosts, 'a.-b.svc', 'a.b-.svc', '_http._tcp.orders.shop.svc', 'a%00b'])
    t.equal(read(host), null, host);
});

t.test('while the own namespace is not known, only names that say another are Services', async (t) => {
  const ownNamespace = null;
  for (const host of ['orders', 'orders.shop', 'db-0.db.shop']) t.equal(read(host, { ownNamespace }), null, host);
  t.equal(read('orders.billing', { ownNamespace }), 'billing/orders');
  t.equal(read('orders.other.svc', { ownNamespace }), 'other/orders');
  t.equal(read('orders.other.svc.cluster.local.', { ownNamespace }), 'other/orders');
  t.equal(read('null', { ownNamespace }), null);
});

t.test('a name that may be one of the own namespace is known by its form', async (t) => {
  const names: ServiceNames = { ...HOME, ownNamespace: null };
  for (const host of ['orders', 'orders.shop', 'db-0.db.shop', 'github.com']) t.ok(mayBeOwnService(host, names), host);
  for (const host of ['localhost', 'app.localhost', '10.0.0.1', '::1', '127.1', 'orders.', 'a.b.c.shop', 'a_b', ''])
    t.notOk(mayBeOwnService(host, names), host);
});
