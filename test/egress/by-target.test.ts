import t from 'tap';
import type { EndpointPool } from '../../src/pool/endpoint-pool.ts';
import { makeBalancer } from '../../src/routing/balancers.ts';
import { byTarget } from '../../src/routing/by-target.ts';
import { loneEndpoint, seededRandom } from '../pool/pool-fixture.ts';
import { TestClock } from '../test-clock.ts';

const clock = new TestClock();

/** `count` endpoints of a target. */
function endpointsOf(target: string, count: number): EndpointPool[] {
  return Array.from({ length: count }, (_, index) => {
    const endpoint = loneEndpoint(clock, `${target}/${index}`);
    endpoint.spec = { ...endpoint.spec, target };
    return endpoint;
  });
}

const OLD = endpointsOf('old:80', 3);
const NEW = endpointsOf('new:80', 1);

/** How often each target is picked. */
function picked(balancer: ReturnType<typeof byTarget>, candidates: readonly EndpointPool[], times: number) {
  const counts: Record<string, number> = {};
  for (let time = 0; time < times; time++) {
    const { target = '' } = balancer.pick(candidates, clock.now(), -1).spec;
    counts[target] = (counts[target] ?? 0) + 1;
  }
  return counts;
}

const roundRobin = () => makeBalancer('round_robin', seededRandom(1));

t.test(
  'of each hundred requests a target gets as many as its weight says, however many endpoints it has',
  async (t) => {
    const weights = new Map([
      ['old:80', 90],
      ['new:80', 10],
    ]);
    const all = [...OLD, ...NEW];
    for (const name of ['p2c', 'round_robin', 'least_loaded'] as const) {
      const balancer = byTarget(() => makeBalancer(name, seededRandom(1)), weights);
      for (let hundred = 0; hundred < 5; hundred++)
        t.same(picked(balancer, all, 100), { 'old:80': 90, 'new:80': 10 }, name);
    }
  },
);

t.test('the turns are spread: no run of one target is longer than its weight needs', async (t) => {
  const weights = new Map([
    ['old:80', 3],
    ['new:80', 1],
  ]);
  const balancer = byTarget(roundRobin, weights);
  const turns = Array.from({ length: 40 }, () => balancer.pick([...OLD, ...NEW], 0, -1).spec.target === 'new:80');
  const gaps = turns.flatMap((isNew, index) => (isNew ? [index] : []));
  t.same(new Set(gaps.slice(1).map((at, index) => at - (gaps[index] ?? 0))), new Set([4]));
});

t.test('within a target the destination’s balancer picks', async (t) => {
  const weights = new Map([
    ['old:80', 1],
    ['new:80', 1],
  ]);
  const balancer = byTarget(roundRobin, weights);
  const ids = Array.from({ length: 12 }, () => balancer.pick([...OLD, ...NEW], 0, -1).spec.id);
  for (const { spec } of OLD) t.equal(ids.filter((id) => id === spec.id).length, 2);
});

t.test('what would go to a target without an endpoint in rotation goes to the others', async (t) => {
  const weights = new Map([
    ['old:80', 1],
    ['new:80', 99],
  ]);
  const balancer = byTarget(roundRobin, weights);
  t.same(picked(balancer, OLD, 50), { 'old:80': 50 });
  t.same(
    picked(balancer, [...OLD, ...NEW], 100),
    { 'old:80': 1, 'new:80': 99 },
    'and nothing is made up for afterwards',
  );
});

t.test('weights are read at each choice', async (t) => {
  const weights = new Map([
    ['old:80', 1],
    ['new:80', 1],
  ]);
  const all = [...OLD, ...NEW];
  const balancer = byTarget(roundRobin, weights);
  t.same(picked(balancer, all, 10), { 'old:80': 5, 'new:80': 5 });
  weights.set('new:80', 4);
  t.same(picked(balancer, all, 10), { 'old:80': 2, 'new:80': 8 });
});

t.test('where the balancer is sticky, a key has one target, and keys are spread as the weights say', async (t) => {
  const weights = new Map([
    ['old:80', 80],
    ['new:80', 20],
  ]);
  const all = [...OLD, ...NEW];
  const balancer = byTarget(() => makeBalancer('sticky', seededRandom(1), 0), weights);
  t.equal(balancer.steady, true);
  let fresh = 0;
  for (let key = 0; key < 4000; key++) {
    const once = balancer.pick(all, 0, key * 7919, []);
    t.equal(balancer.pick(all, 0, key * 7919, []), once) || t.bailout('a key flips');
    if (once.spec.target === 'new:80') fresh++;
  }
  t.ok(fresh > 720 && fresh < 880, `${fresh} of 4000 keys`);
  const key = Array.from({ length: 100 }, (_, each) => each).find((each) => NEW.includes(balancer.pick(all, 0, each)));
  t.ok(
    OLD.includes(balancer.pick(all, 0, key ?? -1, NEW)),
    'where the target’s endpoints have been tried: another target',
  );
  const other = byTarget(() => makeBalancer('sticky', seededRandom(9), 0), weights);
  const reversed = [...NEW, ...OLD];
  for (let each = 0; each < 200; each++)
    t.equal(other.pick(reversed, 0, each).spec.target, balancer.pick(all, 0, each).spec.target);
  weights.set('old:80', 8);
  weights.set('new:80', 2);
  t.ok(NEW.includes(balancer.pick(all, 0, key ?? -1)), 'it is the proportion that counts');
});
