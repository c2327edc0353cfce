import { shares } from './ledgers.ts';
import { closeBooks, scenario } from './scenario.ts';
import { until } from './until.ts';

const RATE = 500;

scenario(
  'after a scale-up from 2 to 6 each new pod has its share within 5 s, and a scale-down costs nothing',
  async (t, stage) => {
    const shop = await stage.shop({ lingerMs: 2000 });
    await shop.createApp('web', 2);
    const carpool = await stage.carpool(shop);
    const load = await stage.load({ proxyPort: carpool.port, hosts: [shop.host('web')], rate: RATE, postShare: 0.2 });
    await carpool.untilFound(`${shop.host('web')}:80`, 'kubernetes', 2);
    await load.more(2 * RATE);
    const old = new Set(shop.node.pods.map((pod) => pod.name));
    await shop.scale('web', 6);
    await shop.untilReady('web', 6);
    const up = Date.now();
    await load.more(9 * RATE);

    const added = shop.node.pods.filter((pod) => !old.has(pod.name));
    t.equal(added.length, 4);
    const sharesFrom = (since: number): Map<string, number> => {
      const found = shares(load.entries(), since, since + 4000);
      return new Map(added.map(({ name }) => [name, (found.get(name) ?? 0) * 6]));
    };
    const even = (share: number): boolean => share > 0.8 && share < 1.2;
    let found = sharesFrom(up + 5000);
    if (![...found.values()].every(even)) {
      // A pod that had to wait for a core in these four seconds got less for a good reason.
      t.comment(`once more, for it was ${[...found.values()].map((share) => share.toFixed(2)).join(', ')}`);
      const again = Date.now();
      await load.more(5 * RATE);
      found = sharesFrom(again);
    }
    for (const [name, share] of found) {
      t.ok(even(share), `${name} has ${share.toFixed(2)} of an even share of the requests`);
    }

    await shop.scale('web', 2);
    await shop.node.untilPods(2);
    await load.more(RATE);
    await closeBooks(t, { load, carpool, shop });
  },
);

scenario("an address that another Service's pod takes over gets no request meant for the first", async (t, stage) => {
  const shop = await stage.shop();
  await shop.createApp('web', 3);
  await shop.createApp('other', 1);
  const carpool = await stage.carpool(shop);
  const hosts = [shop.host('web'), shop.host('other')];
  const load = await stage.load({ proxyPort: carpool.port, hosts, rate: 200, postShare: 0 });
  await carpool.untilFound(`${shop.host('web')}:80`, 'kubernetes', 3);
  for (let round = 0; round < 3; round++) {
    await load.more(100);
    const before = shop.node.podsOf('web');
    await shop.scale('web', 2);
    await shop.untilReady('web', 2);
    const left = before.find((pod) => !shop.node.podsOf('web').includes(pod));
    if (left === undefined) throw new Error('no pod has gone');
    const { address } = left;
    const { addresses } = stage.cluster;
    await until(`${address} to be free`, () => addresses.isFree(address));
    addresses.reserve(address);
    await shop.scale('other', 2 + round);
    await shop.untilReady('other', 2 + round);
    t.ok(
      shop.node.podsOf('other').some((pod) => pod.address === left.address),
      `${left.address} has changed hands`,
    );
    await load.more(100);
    await shop.scale('web', 3);
    await shop.untilReady('web', 3);
  }
  const books = await closeBooks(t, { load, carpool, shop });
  const astray = books.client.filter(({ host, origin }) => !host.startsWith(origin.replace(/-.*/, '')));
  t.same(astray, [], 'each was answered by a pod of the Service it was for');
});
