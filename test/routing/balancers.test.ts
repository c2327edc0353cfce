import t from 'tap';
import type { EndpointPool } from '../../src/pool/endpoint-pool.ts';
import { TunnelPlace } from '../../src/pool/tunnel-place.ts';
import { makeBalancer } from '../../src/routing/balancers.ts';
import { loneEndpoint, seededRandom } from '../pool/pool-fixture.ts';
import { TestClock } from '../test-clock.ts';

const clock = new TestClock();
const endpoints = (count: number): EndpointPool[] =>
  Array.from({ length: count }, (_, index) => loneEndpoint(clock, `e${index}`));

/** How often each endpoint is picked in `times` picks. */
function picks(name: 'p2c' | 'round_robin' | 'least_loaded', among: readonly EndpointPool[], times: number): number[] {
  const balancer = makeBalancer(name, seededRandom(7));
  const counts = among.map(() => 0);
  for (let index = 0; index < times; index++) {
    const picked = among.indexOf(balancer.pick(among, clock.now(), -1));
    counts[picked] = (counts[picked] ?? 0) + 1;
  }
  return counts;
}

for (const name of ['p2c', 'round_robin', 'least_loaded'] as const) {
  t.test(`${name}: equals share within 20 % of even`, async (t) => {
    for (const count of [2, 3, 5, 10]) {
      const among = endpoints(count);
      for (const each of among) each.latency.observe(5, clock.now());
      for (const share of picks(name, among, 10_000)) {
        t.ok(Math.abs(share - 10_000 / count) < 2000 / count, `${share} of 10000 among ${count}`);
      }
    }
  });

  t.test(`${name}: a single endpoint is always picked`, async (t) => {
    const [only] = endpoints(1);
    if (only === undefined) throw new Error('none');
    only.exchanges = 100;
    only.health.eject('failures', 1000);
    t.same(picks(name, [only], 10), [10]);
    t.throws(() => picks(name, [], 1), /no endpoints/);
  });

  if (name === 'round_robin') continue;

  t.test(`${name}: the endpoint with fewer requests under way wins`, async (t) => {
    const [a, b] = endpoints(2);
    if (a === undefined || b === undefined) throw new Error('none');
    a.exchanges = 2;
    b.exchanges = 1;
    t.same(picks(name, [a, b], 100), [0, 100]);
    b.dialing = 2;
    t.same(picks(name, [a, b], 100), [100, 0], 'connects under way count');
    for (let count = 0; count < 2; count++) a.tunnels.add(new TunnelPlace(() => {}));
    t.same(picks(name, [a, b], 100), [0, 100], 'and tunnels');
  });

  t.test(`${name}: what a clearly slower endpoint has under way counts for more`, async (t) => {
    const [slow, quick] = endpoints(2);
    if (slow === undefined || quick === undefined) throw new Error('none');
    slow.latency.observe(100, clock.now());
    quick.latency.observe(10, clock.now());
    slow.exchanges = 1;
    quick.exchanges = 9;
    t.same(picks(name, [slow, quick], 100), [0, 100]);
    quick.exchanges = 11;
    t.same(picks(name, [slow, quick], 100), [100, 0], 'unless the other has more than ten times as much to do');
    const [a, b] = endpoints(2);
    a?.latency.observe(2.9, clock.now());
    b?.latency.observe(1, clock.now());
    if (a === undefined || b === undefined) throw new Error('none');
    a.exchanges = b.exchanges = 1;
    t.ok(
      picks(name, [a, b], 100).every((count) => count > 25),
      'small differences do not count',
    );
  });

  t.test(`${name}: one slow answer does not keep a new endpoint from its share`, async (t) => {
    const among = endpoints(4);
    for (const each of among.slice(1)) each.latency.observe(0.3, clock.now());
    among[0]?.latency.observe(30, clock.now());
    for (const share of picks(name, among, 10_000)) t.ok(share > 2000 && share < 3000, `${share} of 10000`);
  });

  t.test(`${name}: an idle endpoint that is slower by far gets less, and not nothing`, async (t) => {
    const [slow, quick] = endpoints(2);
    if (slow === undefined || quick === undefined) throw new Error('none');
    slow.latency.observe(200, clock.now());
    quick.latency.observe(10, clock.now());
    const [few = 0] = picks(name, [slow, quick], 10_000);
    t.ok(few > 300 && few < 700, `${few} of 10000, a twentieth`);
    const [again = 0] = picks(name, [quick, slow], 10_000).reverse();
    t.ok(again > 300 && again < 700, `${again} of 10000 in the other order`);
  });
}

t.test('p2c compares two different endpoints, and any two may meet', async (t) => {
  const among = endpoints(4);
  const [worst] = among;
  if (worst === undefined) throw new Error('none');
  worst.exchanges = 1;
  const counts = picks('p2c', among, 3000);
  t.equal(counts[0], 0, 'the worst never meets itself');
  for (const count of counts.slice(1)) t.ok(count > 700 && count < 1300);
});

t.test('p2c picks the same for the same random numbers', async (t) => {
  const among = endpoints(5);
  const run = (): number[] => {
    const balancer = makeBalancer('p2c', seededRandom(42));
    return Array.from({ length: 50 }, () => among.indexOf(balancer.pick(among, 0, -1)));
  };
  t.same(run(), run());
});

t.test('round_robin takes each in turn, and goes on when the endpoints change', async (t) => {
  const among = endpoints(3);
  const balancer = makeBalancer('round_robin', Math.random);
  const turn = (): number => among.indexOf(balancer.pick(among, 0, -1));
  const round = [turn(), turn(), turn()];
  t.same([...round].sort(), [0, 1, 2]);
  t.same([turn(), turn(), turn()], round);
  t.ok(among.slice(0, 1).includes(balancer.pick(among.slice(0, 1), 0, -1)));
});
