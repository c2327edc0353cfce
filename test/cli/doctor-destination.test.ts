import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { checkDestination, readDestination } from '../../src/cli/doctor-destination.ts';
import { portOf } from '../admin/port-of.ts';
import { KUBERNETES } from '../discovery/dns-fixture.ts';
import { DnsServer, zone } from '../discovery/dns-server.ts';
import { service, slice } from '../discovery/kubernetes/kube-objects.ts';
import { ScriptedApiServer } from '../discovery/kubernetes/scripted-api-server.ts';
import { silentPort } from '../pool/silent-port.ts';
import { TestClock } from '../test-clock.ts';
import { doctorContext, findingsOf, inShort, NOBODY, temporaryFile } from './doctor-fixture.ts';

/** An origin that takes connections; gone with the test. */
async function origin(t: Test, host = '127.0.0.1', at = 0): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {})).listen(at, host);
  await once(server, 'listening');
  t.teardown(() => server.close());
  return portOf(server);
}

type Setup = {
  /** Addresses by absolute name. */
  readonly names?: Record<string, string[]>;
  readonly settings?: Record<string, unknown>;
  readonly api?: ScriptedApiServer;
  readonly hosts?: string;
  /** Whether the pod's namespace is mounted beside its token. */
  readonly ownNamespace?: boolean;
};

/** The findings about one destination, with a nameserver and an API server of the test's own. */
async function look(
  t: Test,
  text: string,
  { names = {}, settings = {}, api, hosts = '', ownNamespace = true }: Setup = {},
) {
  const dns = await DnsServer.start(zone(names));
  t.teardown(() => dns.close());
  const resolvConf = temporaryFile(t, 'resolv.conf', `nameserver ${dns.address}\n${KUBERNETES}\n`);
  const kubernetes =
    api === undefined ? { enabled: false } : { enabled: true, apiServer: api.url, tokenDir: api.accountDir(t) };
  if (!ownNamespace && 'tokenDir' in kubernetes) rmSync(join(kubernetes.tokenDir, 'namespace'));
  const discovery = { dns: { resolvConf, hostsFile: temporaryFile(t, 'hosts', hosts) }, kubernetes };
  const whole = { security: { allowAddresses: ['127.0.0.0/8'] }, ...NOBODY, ...settings, discovery };
  const clock = new TestClock();
  const context = doctorContext(t, whole, { clock });
  const findings = await findingsOf(clock, (sink, stopped) =>
    checkDestination(context, readDestination(text), sink, stopped),
  );
  // A call that was cut cancels its deadline in a turn of its own.
  for (let turn = 0; turn < 100 && clock.waiting > 0; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.equal(clock.waiting, 0, 'no timer is left');
  return findings;
}

test('a destination is read as apps write it', (t) => {
  for (const [text, host, port] of [
    ['Orders.Shop:8080', 'orders.shop', 8080],
    ['orders', 'orders', 80],
    ['orders.shop.:81', 'orders.shop.', 81],
    ['[fd00::1]:80', 'fd00::1', 80],
    ['10.0.0.1', '10.0.0.1', 80],
    ['http://orders.shop:8080/x?y', 'orders.shop', 8080],
    ['https://api.example.com', 'api.example.com', 443],
  ] as const)
    t.same(readDestination(text), { host, port }, text);
  for (const text of ['', 'a:b', '*.shop:80', 'a:99999', '10.0.0.300:80']) t.equal(readDestination(text), null, text);
  t.end();
});

test('what is no destination is told so', async (t) => {
  t.match(await look(t, 'a:b:c'), [{ status: 'fail', message: 'is no destination', remedy: /orders\.shop:8080/ }]);
});

test('an address is dialled as it is', async (t) => {
  const port = await origin(t);
  t.same(inShort(await look(t, `127.0.0.1:${port}`)), ['ok an address: 1 of 1 endpoint takes connections']);
});

test('endpoints that the configuration writes are dialled, each of them', async (t) => {
  const port = await origin(t);
  const settings = {
    destinations: [{ match: 'orders.shop:8080', endpoints: [`127.0.0.1:${port}`, `127.0.0.2:${port}`] }],
  };
  t.match(await look(t, 'orders.shop:8080', { settings: { ...settings, security: {} } }), [
    {
      status: 'warn',
      message: `endpoints of the configuration: 1 of 2 endpoints take connections; not 127.0.0.2:${port} ECONNREFUSED`,
      remedy: /Requests go to the others/,
    },
  ]);
});

test('a name of DNS tells the name that has the addresses', async (t) => {
  const port = await origin(t);
  const names = { 'orders.shop.svc.cluster.local': ['127.0.0.1'] };
  t.same(inShort(await look(t, `orders.shop:${port}`, { names })), [
    'ok DNS, orders.shop.svc.cluster.local: 1 of 1 endpoint takes connections',
  ]);
  t.match(inShort(await look(t, `there:${port}`, { hosts: '127.0.0.1 there\n' })), [
    /^ok hosts file, there: 1 of 1 endpoint/,
  ]);
  t.match(await look(t, 'nowhere.shop:80'), [
    { status: 'fail', message: /^DNS: nowhere\.shop has no address in DNS: .*NXDOMAIN/, remedy: /spelling/ },
  ]);
});

test('an endpoint that swallows packets is given up after two seconds of the clock', async (t) => {
  const clock = new TestClock();
  const context = doctorContext(t, { security: { allowAddresses: ['127.0.0.0/8'] }, ...NOBODY }, { clock });
  const named = { host: '127.0.0.1', port: await silentPort(t) };
  const running = findingsOf(clock, (sink, stopped) => checkDestination(context, named, sink, stopped));
  // The check's own limit, and the one of the connect.
  while (clock.waiting < 2) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(2000);
  t.match(await running, [{ status: 'fail', message: /0 of 1 endpoint takes connections; not .* ETIMEDOUT$/ }]);
});

test('of very many endpoints some are dialled, and of those that fail some are named', async (t) => {
  const port = await origin(t, '0.0.0.0');
  const lines = (from: string) => Array.from({ length: 70 }, (_, n) => `${from}.${n + 1} many\n`).join('');
  t.same(inShort(await look(t, `many:${port}`, { hosts: lines('127.0.0') })), [
    'ok hosts file, many: 64 of 64 endpoints take connections (there are 70)',
  ]);
  const lonely = await origin(t, '127.0.0.1');
  const [finding] = await look(t, `many:${lonely}`, { hosts: lines('127.0.0') });
  t.match(finding, { status: 'warn', message: /1 of 64 .*; not (\S+ ECONNREFUSED,? ){5}and 58 more$/ });
});

test('an endpoint where nobody listens is a failure', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  t.match(await look(t, `127.0.0.1:${port}`), [
    {
      status: 'fail',
      message: /0 of 1 endpoint takes connections; not 127\.0\.0\.1:\d+ ECONNREFUSED/,
      remedy: /network policy/,
    },
  ]);
});

test('an address that carpool would not dial is told, and not dialled', async (t) => {
  const port = await origin(t);
  t.match(await look(t, `127.0.0.1:${port}`, { settings: { security: {} } }), [
    { status: 'fail', message: /is a loopback address, which is not proxied/, remedy: /NO_PROXY/ },
  ]);
  t.match(await look(t, '127.0.0.1:14140'), [{ status: 'fail', message: /is a listener of carpool itself/ }]);
});

test('the endpoints of a Service are those that are ready', async (t) => {
  const port = await origin(t);
  const api = await ScriptedApiServer.start(t);
  api.putService(service({ name: 'orders', ports: [{ name: 'http', port: 8080, targetPort: port }] }));
  const endpoints = [
    { address: '127.0.0.1' },
    { address: '127.0.0.2', ready: false },
    { address: '127.0.0.3', ready: false, serving: true, terminating: true },
  ];
  api.putSlice(slice({ service: 'orders', ports: [{ name: 'http', port }], endpoints }));
  for (const name of ['orders:8080', 'orders.shop:8080', 'orders.shop.svc.cluster.local:8080'])
    t.same(inShort(await look(t, name, { api })), ['ok Service shop/orders: 1 of 1 endpoint takes connections'], name);
  await api.until(() => api.connectionsOpen === 0);
  t.match(await look(t, 'orders:81', { api }), [{ status: 'fail', message: /Service shop\/orders has no port 81/ }]);
});

test('a Service whose pods are not ready is a failure that names the command to look with', async (t) => {
  const api = await ScriptedApiServer.start(t);
  api.putService(service({ name: 'orders' }));
  api.putSlice(slice({ service: 'orders', endpoints: [{ address: '127.0.0.1', ready: false }] }));
  t.match(await look(t, 'orders', { api }), [
    {
      status: 'fail',
      message: 'Service shop/orders has no endpoint that is ready (1 not ready)',
      remedy: /kubectl -n shop/,
    },
  ]);
});

test('what is no Service, and what the API server does not tell, goes by DNS', async (t) => {
  const port = await origin(t);
  const api = await ScriptedApiServer.start(t);
  const names = {
    'orders.shop.svc.cluster.local': ['127.0.0.1'],
    'db.example.com': ['127.0.0.1'],
    'db.example.com.svc.cluster.local': ['127.0.0.9'],
  };
  t.match(inShort(await look(t, `orders:${port}`, { api, names })), [/^ok DNS, orders\.shop\.svc/]);
  api.putService(service({ name: 'db', externalName: 'db.example.com' }));
  t.match(inShort(await look(t, `db:${port}`, { api, names })), [/^ok DNS, db\.example\.com:/], 'ExternalName');
  api.forbid('services', 'shop');
  t.match(inShort(await look(t, `orders:${port}`, { api, names })), [
    /^warn Kubernetes does not tell, so DNS is asked: /,
    /^ok DNS, orders\.shop\.svc/,
  ]);
});

test('while the own namespace is not known, a name that leaves it out goes by DNS, as it does in the sidecar', async (t) => {
  const port = await origin(t);
  const api = await ScriptedApiServer.start(t);
  api.putService(service({ name: 'orders', namespace: 'default' }));
  const names = { 'orders.shop.svc.cluster.local': ['127.0.0.1'] };
  const found = await look(t, `orders:${port}`, { api, names, ownNamespace: false });
  t.match(inShort(found), [/^ok DNS, orders\.shop\.svc/]);
  t.same(api.requests, []);
});

test('a Service in a namespace that is not looked at is told, with what to do', async (t) => {
  const port = await origin(t);
  const api = await ScriptedApiServer.start(t);
  api.putService(service({ name: 'pay', namespace: 'billing' }));
  const names = { 'pay.billing.svc.cluster.local': ['127.0.0.1'], 'other.test': ['127.0.0.1'] };
  const [warning, found] = await look(t, `pay.billing:${port}`, { api, names });
  t.match(warning, {
    status: 'warn',
    message: /pay\.billing is a Service.*namespace billing is not looked at/,
    remedy: 'Add billing to discovery.kubernetes.namespaces, or call it pay.billing.svc.',
  });
  t.match(found, { status: 'ok', message: /^DNS, pay\.billing\.svc/ });
  t.match(
    inShort(await look(t, `other.test:${port}`, { api, names })),
    [/^ok DNS, other\.test/],
    'no Service, no word',
  );
  api.forbid('services', 'billing');
  t.match(
    inShort(await look(t, `pay.billing:${port}`, { api, names })),
    [/^ok DNS, pay/],
    'nor without the right to know',
  );
});
