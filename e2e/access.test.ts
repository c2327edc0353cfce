import { setTimeout as wait } from 'node:timers/promises';
import { apiRequests } from './cluster/audit-log.ts';
import { textAt } from './cluster/json.ts';
import { ORIGIN_PORT } from './cluster/node-1.ts';
import { ServiceAccount } from './cluster/service-account.ts';
import type { Shop } from './cluster/shop.ts';
import { failures } from './ledgers.ts';
import { scenario } from './scenario.ts';
import { ask } from './sidecar/ask.ts';
import type { Carpool } from './sidecar/carpool.ts';
import { until } from './until.ts';

/** DNS leads to the pods themselves here, so the Service's port has to be theirs. */
const SAME_PORT = { ports: [{ name: 'http', port: ORIGIN_PORT, targetPort: ORIGIN_PORT }] };

/** What cluster DNS says about a Service of the shop. */
function namesOf(shop: Shop, service: string): Readonly<Record<string, readonly string[]>> {
  return { [`${shop.host(service)}.cluster.local`]: shop.node.podsOf(service).map((pod) => pod.address) };
}

function warnings(carpool: Carpool): readonly string[] {
  return carpool.log().filter((line) => line.includes('"warn"') && line.includes('Kubernetes discovery'));
}

scenario(
  'without rights names go by DNS, and the log says once what is missing; granted, they are watched',
  async (t, stage) => {
    const shop = await stage.shop({ rights: false });
    await shop.createApp('web', 2, SAME_PORT);
    const carpool = await stage.carpool(shop, { dns: await stage.dns(namesOf(shop, 'web')) });
    const host = `${shop.host('web')}:${ORIGIN_PORT}`;
    const load = await stage.load({ proxyPort: carpool.port, hosts: [host], rate: 50, postShare: 0.2 });
    await carpool.untilFound(host, 'dns', 2);
    await load.more(100);
    const destination = await carpool.destination(host);
    t.match(
      textAt(destination, 'discovery', 'error'),
      /services|endpointslices/,
      'the destination says what is missing',
    );
    t.match(textAt(destination, 'discovery', 'hint'), /Role/, 'and its remedy');
    t.equal(warnings(carpool).length, 1, 'one line in the log');
    t.comment(warnings(carpool)[0]);

    await shop.grant();
    carpool.reload();
    await carpool.untilFound(host, 'kubernetes', 2, 60_000);
    await until('the watch', async () => (await carpool.metrics()).sum('carpool_discovery_connected') === 1);
    await load.more(50);
    t.same(failures(await load.end()), [], 'no request failed');
  },
);

scenario(
  'with the API server dead at the start it is ready, serves by DNS, and moves over when there is one',
  async (t, stage) => {
    const shop = await stage.shop();
    await shop.createApp('web', 2, SAME_PORT);
    const relay = await stage.relay();
    await relay.refuse();
    const carpool = await stage.carpool(shop, { api: relay, dns: await stage.dns(namesOf(shop, 'web')) });
    t.equal(await carpool.probe('/readyz'), 200, 'it is ready');
    const host = `${shop.host('web')}:${ORIGIN_PORT}`;
    const load = await stage.load({ proxyPort: carpool.port, hosts: [host], rate: 50, postShare: 0.2 });
    await carpool.untilFound(host, 'dns', 2);
    await load.more(100);
    t.equal(await carpool.probe('/readyz'), 200, 'it is ready still');
    t.ok(warnings(carpool).length >= 1 && warnings(carpool).length <= 2, 'the log says so, and not with each retry');

    await relay.listen();
    await carpool.untilFound(host, 'kubernetes', 2, 60_000);
    await load.more(50);
    t.same(failures(await load.end()), [], 'no request failed');
  },
);

scenario('an expired token is told, and the one that replaces it is used', async (t, stage) => {
  const shop = await stage.shop();
  await shop.createApp('web', 2, SAME_PORT);
  const account = new ServiceAccount(shop);
  await account.sign(-60);
  const carpool = await stage.carpool(shop, { tokenDir: account.tokenDir, dns: await stage.dns(namesOf(shop, 'web')) });
  const host = `${shop.host('web')}:${ORIGIN_PORT}`;
  t.equal((await ask(carpool, host)).status, 200, 'served by DNS');
  await until('the line about the token', () => warnings(carpool).some((line) => /token/.test(line)));
  await account.issue();
  await carpool.untilFound(host, 'kubernetes', 2, 60_000);
  t.equal((await ask(carpool, host)).status, 200);
});

scenario('a token that rotates is read again before the watch needs it', async (t, stage) => {
  const shop = await stage.shop();
  await shop.createApp('web', 2);
  const account = new ServiceAccount(shop);
  const livesMs = 5000;
  await account.sign(livesMs / 1000);
  const expires = Date.now() + livesMs;
  const relay = await stage.relay();
  const carpool = await stage.carpool(shop, { tokenDir: account.tokenDir, api: relay });
  const host = shop.host('web');
  t.equal((await ask(carpool, host)).status, 200);
  await carpool.untilFound(`${host}:80`, 'kubernetes', 2);
  await account.issue();
  // The API server remembers a good token for 10 s.
  await wait(expires + 11_000 - Date.now());
  relay.cut();
  await shop.scale('web', 3);
  await carpool.untilFound(`${host}:80`, 'kubernetes', 3, 60_000);
  const refused = apiRequests(stage.cluster, shop.namespace).filter((request) => request.status === 401);
  t.ok(refused.length <= 1, 'no more than one request with the old token was refused');
});

scenario('nothing is asked of the API server before the first name is used', async (t, stage) => {
  const shop = await stage.shop();
  await shop.createApp('web', 1);
  const relay = await stage.relay();
  const carpool = await stage.carpool(shop, { api: relay, dns: await stage.dns({}) });
  const [pod] = shop.node.pods;
  t.equal((await ask(carpool, `${pod?.address}:${ORIGIN_PORT}`)).status, 200, 'an address is no name');
  t.match(await ask(carpool, 'www.example.com'), { by: 'NO_ROUTE' }, 'nor is this one a Service');
  t.equal(relay.connections, 0, 'no connection to the API server');
  t.equal((await ask(carpool, shop.host('web'))).status, 200);
  t.ok(relay.connections > 0, 'the first Service opens one');
  const [first] = apiRequests(stage.cluster, shop.namespace);
  t.match(first, { verb: 'get', resource: 'services' }, 'and reads it first');
});
