import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startSidecar } from '../../sidecar.ts';
import { service, slice } from './kube-objects.ts';
import { appOf, PodOrigin } from './origins.ts';
import { ScriptedApiServer } from './scripted-api-server.ts';

type EndpointInput = Parameters<typeof slice>[0]['endpoints'] extends readonly (infer Each)[] | undefined
  ? Each
  : never;

/** A sidecar in namespace shop with an API server that knows the Service orders and its pods. */
async function inCluster(t: Test, count: number, { dead = false, settings = {} } = {}) {
  const server = await ScriptedApiServer.start(t);
  const { port, pods } = await PodOrigin.start(t, count);
  const ports = [{ name: 'http', port: 80 }];
  server.putService(service({ name: 'orders', ports }));
  const put = (...endpoints: EndpointInput[]) =>
    server.putSlice(slice({ service: 'orders', ports: [{ name: 'http', port }], endpoints }));
  put(...pods.map(({ address }) => ({ address })));
  if (dead) await server.network.stop();
  const tokenDir = server.accountDir(t);
  const directory = mkdtempSync(join(tmpdir(), 'carpool-hosts-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const hostsFile = join(directory, 'hosts');
  const resolvConf = join(directory, 'resolv.conf');
  writeFileSync(hostsFile, `${pods[0]?.address} orders\n`);
  writeFileSync(resolvConf, 'nameserver 127.0.0.1:9\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\n');
  const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(server.port) };
  const discovery = { kubernetes: { tokenDir }, dns: { hostsFile, resolvConf } };
  const sidecar = await startSidecar(t, { discovery, ...settings }, env);
  const app = appOf(t, sidecar.port);
  const view = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${sidecar.operatorPort}${path}`)).text();
  return { ...sidecar, server, port, pods, put, app, view };
}

t.test('requests to a Service are spread over its pods, without the ClusterIP', async (t) => {
  const { server, pods, app, view } = await inCluster(t, 3);
  t.same(server.requests, [], 'nothing is asked before the first name');
  const seen = new Set<string>();
  for (let request = 0; request < 40; request++) {
    const { status, body } = await app('http://orders/');
    t.equal(status, 200);
    seen.add(body);
  }
  t.same([...seen].sort(), pods.map(({ address }) => address).sort());
  t.same(
    server.requests.map(({ verb, resource }) => `${verb} ${resource}`),
    ['get services', 'list endpointslices', 'watch endpointslices'],
  );
  t.equal(server.connectionsOpened, 1, 'over one TLS connection');
  const health = JSON.parse(await view('/health/destinations'));
  t.match(JSON.stringify(health), /"source":"kubernetes","state":"ready"/);
  t.match(await view('/metrics'), /^carpool_discovery_connected 1$/m);
});

t.test('idle connections to a pod that terminates close at once, and its running exchange finishes', async (t) => {
  const { pods, put, app, view, server } = await inCluster(t, 2);
  const [one, two] = pods;
  if (!one || !two) throw new Error('there are two pods');
  while (one.answered === 0 || two.answered === 0) await app('http://orders/');
  const slow = Promise.withResolvers<void>();
  const running: string[] = [];
  const hold = (pod: PodOrigin): void => {
    pod.serve = (request, response) => {
      running.push(pod.address);
      void slow.promise.then(() => response.end(`late ${request.url}`));
    };
  };
  hold(one);
  hold(two);
  const late: ReturnType<typeof app>[] = [];
  while (!running.includes(one.address)) {
    const before = running.length;
    late.push(app('http://orders/slow'));
    await Promise.race([one, two].map((pod) => pod.until(() => running.length > before)));
  }
  put({ address: one.address, ready: false, serving: true, terminating: true }, { address: two.address });
  two.serve = (_request, response) => response.end(two.address);
  await server.untilWatch('shop');
  while (!/terminating/.test(await view('/health/destinations')));
  for (let request = 0; request < 20; request++) t.equal((await app('http://orders/')).body, two.address);
  await one.until((pod) => pod.open.size === running.filter((address) => address === one.address).length);
  slow.resolve();
  for (const answer of await Promise.all(late)) t.match(answer, { status: 200, body: /^late/ });
  await one.until((pod) => pod.open.size === 0);
  const metrics = await view('/metrics');
  t.match(metrics, /carpool_endpoint_propagation_seconds_count 1/);
  t.match(metrics, /carpool_pool_connections_closed_total\{.*reason="endpoint_terminating".*\} [1-9]/);
});

t.test('with every pod terminating the last ones serve, until a new one is ready', async (t) => {
  const { pods, put, app, view } = await inCluster(t, 2);
  const [one, two] = pods;
  if (!one || !two) throw new Error('there are two pods');
  put({ address: one.address });
  await app('http://orders/');
  put({ address: one.address, ready: false, serving: true, terminating: true });
  while (!/terminating/.test(await view('/health/destinations')));
  t.equal((await app('http://orders/')).body, one.address);
  put({ address: one.address, ready: false, serving: true, terminating: true }, { address: two.address });
  await one.until((pod) => pod.open.size === 0);
  t.equal((await app('http://orders/')).body, two.address);
});

t.test('with the API server dead from the start the sidecar is ready, and names go by DNS', async (t) => {
  const { app, pods, view, port, server, clock } = await inCluster(t, 2, { dead: true });
  t.match(await view('/readyz'), /ready|ok/i);
  const answer = await app(`http://orders:${port}/`);
  t.match(answer, { status: 200, body: pods[0]?.address });
  const health = await view('/health/destinations');
  t.match(health, /"source":"dns","state":"ready"/);
  t.match(health, /hint/);
  t.match(await view('/metrics'), /^carpool_discovery_connected 0$/m);
  await server.network.start();
  const ports = [{ name: 'http', port }];
  server.putService(service({ name: 'orders', ports }));
  while (server.watches.size === 0) {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  while (!/"source":"kubernetes"/.test(await view('/health/destinations')));
  const seen = new Set<string>();
  while (seen.size < 2) seen.add((await app(`http://orders:${port}/`)).body);
  t.pass('it moved over to both pods');
});

t.test('a pod that is gone although the slices still name it costs no GET', async (t) => {
  const { pods, app } = await inCluster(t, 3);
  const gone = pods[2];
  if (!gone) throw new Error('there are three pods');
  while (pods.some((pod) => pod.answered === 0)) await app('http://orders/');
  gone.kill();
  for (let request = 0; request < 50; request++) t.equal((await app('http://orders/')).status, 200);
});

t.test('a Service with no pod waits for one for a moment, and then says so', async (t) => {
  const { put, pods, app, clock, server, view } = await inCluster(t, 1);
  put();
  const refused = app('http://orders/');
  await server.untilWatch('shop');
  while (!/"pending":1/.test(await view('/stats')));
  clock.advance(1000);
  t.match(await refused, { status: 503, proxyStatus: /destination_unavailable/, body: /NO_ENDPOINTS/ });
  const served = app('http://orders/');
  while (!/"pending":1/.test(await view('/stats')));
  put({ address: pods[0]?.address ?? '' });
  t.match(await served, { status: 200 });
});

t.test('a kubeconfig that is missing is said once, and used as soon as it is there', async (t) => {
  const server = await ScriptedApiServer.start(t);
  const { port, pods } = await PodOrigin.start(t, 2);
  const ports = [{ name: 'http', port: 80 }];
  server.putService(service({ name: 'orders', ports }));
  const endpoints = pods.map(({ address }) => ({ address }));
  server.putSlice(slice({ service: 'orders', ports: [{ name: 'http', port }], endpoints }));
  const directory = mkdtempSync(join(tmpdir(), 'carpool-kubeconfig-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const kubeconfig = join(directory, 'config');
  const hostsFile = join(directory, 'hosts');
  writeFileSync(hostsFile, '127.0.1.1 orders.shop\n');
  const sidecar = await startSidecar(t, { discovery: { kubernetes: { kubeconfig }, dns: { hostsFile } } });
  const view = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${sidecar.operatorPort}${path}`)).text();
  const app = appOf(t, sidecar.port);
  const log = () => readFileSync(sidecar.logFile, 'utf8');
  while (!/config is not there/.test(log())) await view('/livez');
  t.match(await view('/health'), /config is not there/);
  t.match(await view('/metrics'), /^carpool_discovery_connected 0$/m);
  t.equal((await app(`http://orders.shop:${port}/`)).status, 200, 'DNS serves meanwhile');
  t.match(await view('/health/destinations'), /"source":"dns".*is not there/);
  const cluster = { server: server.url, 'certificate-authority-data': Buffer.from(server.ca).toString('base64') };
  const config = {
    'current-context': 'one',
    contexts: [{ name: 'one', context: { cluster: 'c', user: 'u', namespace: 'shop' } }],
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token: 'a-token' } }],
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  // The Service has port 80 only: the destination that is in use goes by DNS still, and says why.
  sidecar.clock.advance(10_000);
  while (!/has no port/.test(await view('/health/destinations')));
  const seen = new Set<string>();
  while (seen.size < 2) seen.add((await app('http://orders.shop/')).body);
  t.match(await view('/health/destinations'), /"source":"kubernetes"/);
  while (!/over: .*config is not there/.test(log())) await view('/livez');
  t.equal(log().match(/config is not there/g)?.length, 2, 'one line when it began and one when it was over');
});

t.test('without credentials Kubernetes discovery is off, with one line in the log', async (t) => {
  const { logFile, operatorPort } = await startSidecar(t, {});
  const metrics = await (await fetch(`http://127.0.0.1:${operatorPort}/metrics`)).text();
  t.notMatch(metrics, /^carpool_discovery_connected/m);
  const lines = readFileSync(logFile, 'utf8').split('\n');
  t.equal(lines.filter((line) => line.includes('Kubernetes discovery is off')).length, 1);
});

t.test('without any right in its namespace the log says once which rule is missing, and names go by DNS', async (t) => {
  const { server, app, port, pods, view, logFile } = await inCluster(t, 1);
  server.forbid('*', '*');
  for (let request = 0; request < 3; request++)
    t.match(await app(`http://orders:${port}/`), { status: 200, body: pods[0]?.address });
  const lines = (): string[] =>
    readFileSync(logFile, 'utf8')
      .split('\n')
      .filter((line) => /forbids/.test(line));
  while (lines().length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(lines().length, 1);
  t.match(lines()[0], /"level":"warn".*Allow get on services, and list and watch on endpointslices/);
  t.match(await view('/health'), /forbids the get of services/);
});
