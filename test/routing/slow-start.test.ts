import t from 'tap';
import { DestinationObserver } from '../../src/observer.ts';
import { makeBalancer } from '../../src/routing/balancers.ts';
import { Destination } from '../../src/routing/destination.ts';
import { loneEndpoint, policyWith, poolContext, seededRandom } from '../pool/pool-fixture.ts';
import { TestClock } from '../test-clock.ts';

const SLOW_MS = 10_000;
const NAMES = ['p2c', 'round_robin', 'least_loaded'] as const;

for (const name of NAMES) {
  t.test(`${name}: a new endpoint’s share grows from a tenth to the whole`, async (t) => {
    const clock = new TestClock();
    const among = Array.from({ length: 4 }, (_, index) => loneEndpoint(clock, `e${index}`));
    const [fresh] = among;
    if (fresh === undefined) throw new Error('none');
    fresh.newSince = clock.now();
    const balancer = makeBalancer(name, seededRandom(7), SLOW_MS);
    for (const [part, share] of [
      [0, 0.1],
      [0.25, 0.325],
      [0.5, 0.55],
      [0.9, 0.91],
      [1, 1],
      [5, 1],
    ] as const) {
      let picked = 0;
      for (let index = 0; index < 8000; index++)
        if (balancer.pick(among, fresh.newSince + part * SLOW_MS, -1) === fresh) picked++;
      const even = 2000;
      t.ok(Math.abs(picked - even * share) < even * 0.05, `${picked} of ${even} after ${part} of the time`);
    }
  });

  t.test(`${name}: it takes no more though it is the one with nothing to do`, async (t) => {
    const clock = new TestClock();
    const among = Array.from({ length: 3 }, (_, index) => loneEndpoint(clock, `e${index}`));
    for (const each of among.slice(1)) each.busy = 20;
    const [fresh] = among;
    if (fresh === undefined) throw new Error('none');
    fresh.newSince = clock.now();
    const balancer = makeBalancer(name, seededRandom(7), SLOW_MS);
    let picked = 0;
    for (let index = 0; index < 3000; index++) if (balancer.pick(among, clock.now(), -1) === fresh) picked++;
    t.ok(picked > 80 && picked < 120, `${picked} of 1000`);
  });

  t.test(`${name}: where all are new each takes its whole share`, async (t) => {
    const clock = new TestClock();
    const among = Array.from({ length: 2 }, (_, index) => loneEndpoint(clock, `e${index}`));
    for (const each of among) each.newSince = clock.now();
    const balancer = makeBalancer(name, seededRandom(7), SLOW_MS);
    let picked = 0;
    for (let index = 0; index < 1000; index++) if (balancer.pick(among, clock.now(), -1) === among[0]) picked++;
    t.ok(picked > 400 && picked < 600, `${picked} of 1000`);
  });
}

t.test('what is new is what comes beside others; a reload sets and ends the slow start', async (t) => {
  const context = poolContext();
  const policy = (slowStartMs: number) => policyWith({ balancer: 'round_robin', slowStartMs });
  const identity = {
    host: 'orders',
    port: 80,
    name: 'orders:80',
    secure: false,
    label: 'orders:80',
    configured: true,
    entry: null,
    endpoints: null,
  };
  const destination = new Destination(identity, policy(0), new DestinationObserver('orders:80'), () => null, context);
  t.teardown(() => destination.pool.destroy());
  const share = (id: string): number => {
    let picked = 0;
    for (let index = 0; index < 300; index++)
      if (destination.pool.pick([], context.clock.now())?.spec.id === id) picked++;
    return picked;
  };
  for (const id of ['a', 'b']) destination.add({ id, address: '127.0.0.1', port: 1 });
  destination.settled(null);
  destination.setPolicy(policy(SLOW_MS));
  t.equal(share('b'), 150, 'the first ones are not new');
  destination.add({ id: 'c', address: '127.0.0.1', port: 1 });
  destination.settled(null);
  t.ok(share('c') <= 11, 'a tenth of a hundred');
  destination.unready('a');
  destination.settled(null);
  destination.add({ id: 'a', address: '127.0.0.1', port: 1 });
  destination.settled(null);
  t.ok(share('a') > 100, 'one that is ready again is not new');
  destination.setPolicy(policy(0));
  t.equal(share('c'), 100);
});
