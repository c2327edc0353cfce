import { setTimeout as wait } from 'node:timers/promises';
import { ApiRelay } from './cluster/api-relay.ts';
import { type ApiRequest, apiRequests } from './cluster/audit-log.ts';
import { bringUp, Cluster, tearDown } from './cluster/cluster.ts';
import { ServiceAccount } from './cluster/service-account.ts';
import { Shop } from './cluster/shop.ts';
import { ask } from './sidecar/ask.ts';
import { Carpool } from './sidecar/carpool.ts';
import { until } from './until.ts';

/**
 * What sidecars cost the API server: each uses three Services of one namespace, three pods each.
 *
 *   node e2e/api-load.ts [COUNT...]     1, 10 and 100 sidecars unless said
 *
 * Prints a table in Markdown. `start`: from the first use of the names until all endpoints are known. `idle`: a minute in
 * which nothing changes. `update`: a rolling update of one Service's three pods.
 */
const SERVICES = ['alpha', 'beta', 'gamma'];
const IDLE_MS = 60_000;

type Span = { readonly requests: number; readonly bytes: number };

async function measure(cluster: Cluster, count: number): Promise<readonly string[]> {
  const shop = await Shop.open(cluster, { lingerMs: 500 });
  const relay = await ApiRelay.open(cluster);
  const sidecars: Carpool[] = [];
  try {
    for (const service of SERVICES) await shop.createApp(service, 3);
    const account = new ServiceAccount(shop);
    await account.issue();
    for (let i = 0; i < count; i++) {
      sidecars.push(await Carpool.start(cluster, { tokenDir: account.tokenDir, api: relay }));
    }
    const requests = (): readonly ApiRequest[] => apiRequests(cluster, shop.namespace);
    let before: Span = { requests: 0, bytes: relay.bytes };
    const span = (): Span => {
      const now = { requests: requests().length, bytes: relay.bytes };
      const passed = { requests: now.requests - before.requests, bytes: now.bytes - before.bytes };
      before = now;
      return passed;
    };
    await Promise.all(sidecars.flatMap((carpool) => SERVICES.map((service) => ask(carpool, shop.host(service)))));
    const found = (ready: number): Promise<unknown> =>
      Promise.all(
        sidecars.flatMap((carpool) =>
          SERVICES.map((service) => carpool.untilFound(`${shop.host(service)}:80`, 'kubernetes', ready, 60_000)),
        ),
      );
    await found(3);
    const running = (): number => requests().filter(({ verb, endedAt }) => verb === 'watch' && endedAt === null).length;
    await until('one watch each', () => running() === count, 60_000);
    const start = span();
    await wait(IDLE_MS);
    const idle = span();
    await shop.rollOut('alpha');
    await found(3);
    const update = span();
    const kib = ({ bytes }: Span): string => `${(bytes / count / 1024).toFixed(1)} KiB`;
    return [
      String(count),
      (relay.openNow / count).toFixed(1),
      (running() / count).toFixed(1),
      ...[start, idle, update].flatMap((each) => [(each.requests / count).toFixed(1), kib(each)]),
    ];
  } finally {
    await Promise.all(sidecars.map((carpool) => carpool.stop()));
    await relay.close();
    await shop.close();
  }
}

const counts = process.argv.slice(2).map(Number);
const state = await bringUp();
try {
  const cluster = new Cluster(state);
  const spans = ['start', 'idle minute', 'update'].flatMap((name) => [`${name}: requests`, `${name}: bytes`]);
  const head = ['sidecars', 'TLS connections each', 'watches each', ...spans.map((name) => `${name} each`)];
  const rows = [head, head.map(() => '---')];
  for (const count of counts.length > 0 ? counts : [1, 10, 100]) rows.push([...(await measure(cluster, count))]);
  process.stdout.write(rows.map((row) => `| ${row.join(' | ')} |\n`).join(''));
  await cluster.api.close();
} finally {
  await tearDown(state);
}
// Not by itself: where a hundred sidecars were cut off, Node 26.10 looks for the end of their sockets for ever.
process.exit();
