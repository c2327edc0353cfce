import { setTimeout as wait } from 'node:timers/promises';
import { failures } from './ledgers.ts';
import { closeBooks, scenario } from './scenario.ts';
import { ask } from './sidecar/ask.ts';
import { until } from './until.ts';

const RATE = 300;
/** How long the API server is away. */
const OUTAGE_MS = Number(process.env.CARPOOL_E2E_OUTAGE_MS ?? 20_000);

scenario('the API server is killed, and a pod dies meanwhile: every GET is answered', async (t, stage) => {
  const shop = await stage.shop();
  await shop.createApp('web', 3);
  const carpool = await stage.carpool(shop);
  const name = `${shop.host('web')}:80`;
  const load = await stage.load({ proxyPort: carpool.port, hosts: [shop.host('web')], rate: RATE, postShare: 0.1 });
  await carpool.untilFound(name, 'kubernetes', 3);
  await load.more(RATE);

  await stage.cluster.killApiServer();
  t.teardown(() => stage.cluster.startApiServer());
  const away = Date.now();
  await until('the news in /metrics', async () => (await carpool.metrics()).sum('carpool_discovery_connected') === 0);
  await load.more(RATE);
  const [victim] = shop.node.pods;
  if (victim === undefined) throw new Error('no pod');
  const died = Date.now();
  await shop.node.kill(victim);
  await load.more(RATE);
  t.equal(await carpool.probe('/livez'), 200, 'it is alive');
  t.equal(await carpool.probe('/readyz'), 200, 'it is ready');
  await wait(Math.max(0, away + OUTAGE_MS - Date.now()));

  await stage.cluster.startApiServer();
  const back = Date.now();
  await until(
    'the news in /metrics',
    async () => (await carpool.metrics()).sum('carpool_discovery_connected') === 1,
    // For a moment after its start it may forbid what it allows, which is asked again after a minute.
    90_000,
  );
  t.comment(`connected again ${Date.now() - back} ms after the API server was ready`);
  // The slice still names the dead pod.
  await load.more(RATE);
  await shop.node.bury(victim);
  await stage.cluster.restartControllers();
  await until('the slice without the dead pod', async () => {
    const endpoints = await shop.endpoints('web');
    return endpoints.length === 3 && endpoints.every(({ address }) => address !== victim.address);
  });
  await carpool.untilFound(name, 'kubernetes', 3, 60_000);
  await load.more(RATE);

  const books = await closeBooks(t, { load, carpool, shop }, 'POSTs');
  const lost = books.client.filter((entry) => entry.status !== 200);
  const inTheDeath = lost.filter(({ sentAt, endedAt }) => sentAt <= died + 1000 && endedAt >= died);
  t.equal(inTheDeath.length, lost.length, 'each failed POST was under way to the pod that died');
});

scenario('a Service that is deleted and made again is found again', async (t, stage) => {
  const shop = await stage.shop();
  await shop.createApp('web', 2);
  const carpool = await stage.carpool(shop, { dns: await stage.dns({}) });
  const name = `${shop.host('web')}:80`;
  await ask(carpool, shop.host('web'));
  await carpool.untilFound(name, 'kubernetes', 2);
  const load = await stage.load({ proxyPort: carpool.port, hosts: [shop.host('web')], rate: 100, postShare: 0 });
  await carpool.untilFound(name, 'kubernetes', 2);
  await load.more(100);
  t.same(failures(load.entries()), [], 'no request failed before');

  await shop.deleteService('web');
  await until('an error for the app', () => load.entries().some((entry) => entry.status !== 200));
  const codes = new Set(load.entries().map((entry) => entry.code));
  t.ok(codes.has('NO_ROUTE') || codes.has('NO_ENDPOINTS'), `the app is told: ${[...codes].join(' ')}`);
  await shop.createService('web');
  await shop.untilReady('web', 2);
  const again = Date.now();
  await until(
    'a good answer',
    () => load.entries().some((entry) => entry.sentAt > again && entry.status === 200),
    30_000,
  );
  t.comment(`found again ${Date.now() - again} ms after its slice was there`);
  await carpool.untilFound(name, 'kubernetes', 2);
  const settled = Date.now();
  await load.more(100);
  const after = (await load.end()).filter((entry) => entry.sentAt > settled);
  t.same(failures(after), [], 'no request failed after');
});
