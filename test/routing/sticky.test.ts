import t from 'tap';
import { EndpointPool } from '../../src/pool/endpoint-pool.ts';
import { mix } from '../../src/pool/hash.ts';
import { TunnelPlace } from '../../src/pool/tunnel-place.ts';
import { makeBalancer } from '../../src/routing/balancers.ts';
import { HashRing } from '../../src/routing/hash-ring.ts';
import { endpointParent, seededRandom } from '../pool/pool-fixture.ts';
import { TestClock } from '../test-clock.ts';

const clock = new TestClock();
const now = clock.now();
const parent = endpointParent();
const KEYS = Array.from({ length: 20_000 }, (_, index) => mix(index + 1) >>> 1);

/** Endpoints 10.0.0.1:8080 and on, as DNS tells them. */
const endpoints = (count: number, port = 8080): EndpointPool[] =>
  Array.from({ length: count }, (_, index) => {
    const address = `10.0.${index >> 8}.${index & 255}`;
    return new EndpointPool({ id: `${address}:${port}`, address, port }, parent, clock);
  });

const sticky = (bounded = true) => makeBalancer('sticky', seededRandom(7), 0, bounded);
const at = (among: readonly EndpointPool[], index: number): EndpointPool => {
  const endpoint = among[index];
  if (endpoint === undefined) throw new Error('none');
  return endpoint;
};

/** Whose each key is, by address. */
function owners(among: readonly EndpointPool[], keys = KEYS): string[] {
  const balancer = sticky();
  return keys.map((key) => balancer.pick(among, now, key).spec.address);
}

t.test('a key goes to the same endpoint each time, and keys are spread', async (t) => {
  for (const count of [2, 10, 100]) {
    const among = endpoints(count);
    const picked = owners(among);
    t.same(owners(among), picked);
    const shares = new Map<string, number>();
    for (const address of picked) shares.set(address, (shares.get(address) ?? 0) + 1);
    t.equal(shares.size, count, 'every endpoint has keys');
    const even = KEYS.length / count;
    // Places on the ring are a sample of 128: shares stray by 9 %, and of 100 endpoints one may by 27.
    for (const [address, share] of shares) {
      t.ok(Math.abs(share - even) < 0.35 * even, `${address} has ${share} of ${KEYS.length} among ${count}`);
    }
    let chi = 0;
    for (const share of shares.values()) chi += ((share - even) / even) ** 2;
    // A hundredth is what 128 places and 200 keys for each of 100 make by chance.
    t.ok(chi / count < 0.02, `the mean square of the straying is ${chi / count}`);
  }
});

t.test('one endpoint more takes its own keys alone, and gives them back when it goes', async (t) => {
  for (const count of [3, 10, 50]) {
    const all = endpoints(count + 1);
    const before = owners(all.slice(0, count));
    const after = owners(all);
    const newcomer = at(all, count).spec.address;
    let moved = 0;
    for (let index = 0; index < KEYS.length; index++) {
      if (after[index] === before[index]) continue;
      moved++;
      if (after[index] !== newcomer) t.fail(`a key went from ${before[index]} to ${after[index]}`);
    }
    const share = KEYS.length / (count + 1);
    t.ok(moved > 0.65 * share && moved < 1.35 * share, `${moved} of ${KEYS.length} moved, ${share} are its share`);
    t.same(owners(all.slice(0, count)), before);
  }
});

t.test('one endpoint less moves its own keys alone, and spreads them over the others', async (t) => {
  const all = endpoints(10);
  const before = owners(all);
  const gone = at(all, 4).spec.address;
  const after = owners(all.filter((_, index) => index !== 4));
  const heirs = new Set<string>();
  before.forEach((owner, index) => {
    if (owner === gone) heirs.add(after[index] ?? '');
    else if (after[index] !== owner) t.fail(`a key went from ${owner} to ${after[index]}`);
  });
  t.equal(heirs.size, 9);
});

t.test('two sidecars agree, whatever order, identity and uid their discovery gave the endpoints', async (t) => {
  const mine = endpoints(20);
  const theirs = [...endpoints(20)].reverse().map(({ spec: { address, port } }, index) => {
    const spec = { id: `${address}:${port}/uid-${index}`, address, port, pod: `orders-${index}` };
    return new EndpointPool(spec, parent, clock);
  });
  const picked = owners(mine);
  t.same(owners(theirs), picked);
  const elsewhere = owners(endpoints(20, 9090));
  t.ok(elsewhere.filter((owner, index) => owner !== picked[index]).length > 15_000, 'the port counts');
});

t.test('where two places fall together the same endpoint is first in every sidecar', async (t) => {
  const mine = endpoints(1000);
  const ring = new HashRing(mine);
  const theirs = new HashRing([...mine].reverse());
  let other = 0;
  for (let place = 0; place < ring.size; place++) {
    const one = ring.endpoints[ring.ownerAt(place)];
    if (one !== theirs.endpoints[theirs.ownerAt(place)]) other++;
  }
  t.equal(other, 0, 'of 128,000 places a few are alike');
});

t.test('an endpoint of two families has one name, whichever of them is its first address here', async (t) => {
  const dual = (address: string, otherAddress: string) =>
    new EndpointPool({ id: address, address, otherAddress, port: 8080 }, parent, clock);
  const others = endpoints(5);
  const mine = owners([dual('10.9.0.1', 'fd00::1'), ...others]).map((each) => each === '10.9.0.1');
  const theirs = owners([dual('fd00::1', '10.9.0.1'), ...others]).map((each) => each === 'fd00::1');
  t.same(theirs, mine);
  t.ok(mine.includes(true));
});

t.test('a hot key fills its endpoint up to the bound, then the next on the ring', async (t) => {
  const among = endpoints(5);
  const balancer = sticky();
  const home = balancer.pick(among, now, 4711);
  for (let count = 0; count < 1000; count++) {
    let total = 0;
    for (const { outstanding } of among) total += outstanding;
    const most = Math.max(8, Math.ceil((1.25 * (total + 1)) / 5));
    const picked = balancer.pick(among, now, 4711);
    if (home.outstanding < most && picked !== home) t.fail(`left its endpoint at ${home.outstanding} of ${most}`);
    picked.exchanges++;
    if (picked.outstanding > most) t.fail(`${picked.outstanding} where ${most} are the most`);
  }
  t.equal(home.exchanges, 250, 'a quarter more than its fifth');
  const order = [...among].sort((a, b) => b.exchanges - a.exchanges);
  t.same(
    order.map(({ exchanges }) => exchanges),
    [250, 250, 250, 250, 0],
    'as few others as it needs',
  );
  home.exchanges--;
  t.equal(balancer.pick(among, now, 4711), home, 'and it goes home as soon as there is room');
});

t.test('few exchanges are no burden: two keys that meet stay where they belong', async (t) => {
  const among = endpoints(20);
  const balancer = sticky();
  const home = balancer.pick(among, now, 99);
  home.exchanges = 7;
  t.equal(balancer.pick(among, now, 99), home);
  home.exchanges = 8;
  t.not(balancer.pick(among, now, 99), home);
});

t.test('by the address of the pod all requests have one key, and there is no bound', async (t) => {
  const among = endpoints(5);
  const balancer = sticky(false);
  const home = balancer.pick(among, now, 4711);
  home.exchanges = 1000;
  t.equal(balancer.pick(among, now, 4711), home);
});

t.test('connects, those who wait for them, and tunnels are load; the sum of all follows them', async (t) => {
  const among = endpoints(2);
  const balancer = sticky();
  const home = balancer.pick(among, now, 5);
  const other = at(among, 1 - among.indexOf(home));
  const full = (count: number, message: string) => {
    // 1.25 × (count + 1) ÷ 2 is what it may have.
    t.not(balancer.pick(among, now, 5), home, message);
    other.exchanges = count;
    t.equal(balancer.pick(among, now, 5), home, `${message}: the other has as many`);
    other.exchanges = 0;
    t.not(balancer.pick(among, now, 5), home, `${message}: and is free again`);
  };
  home.exchanges = 20;
  full(20, 'exchanges');
  home.exchanges = 0;
  home.dialing = 20;
  full(20, 'connects');
  home.riders = 30;
  full(30, 'more riders than connects');
  home.dialing = 0;
  full(30, 'riders');
  home.riders = 0;
  const places = Array.from({ length: 20 }, () => new TunnelPlace(() => {}));
  for (const place of places) home.tunnelOpened(place);
  full(20, 'tunnels');
  for (const place of places) home.tunnelClosed(place);
  for (const place of places) home.tunnelClosed(place);
  t.equal(balancer.pick(among, now, 5), home, 'nothing is left');
  t.equal(home.tally?.total, 0);
});

t.test('a new rotation counts what its endpoints have, and only theirs', async (t) => {
  const among = endpoints(6);
  const balancer = sticky();
  for (const endpoint of among) endpoint.exchanges = 40;
  const home = balancer.pick(among, now, 1);
  home.exchanges = 45;
  t.equal(balancer.pick(among, now, 1), home, '45 of 245 at 6 is below the bound of 52');
  const five = among.filter((_, index) => index !== (among.indexOf(home) + 1) % 6);
  t.equal(balancer.pick(five, now, 1).tally?.total, 205);
  home.exchanges = 60;
  t.not(balancer.pick(five, now, 1), home);
  balancer.pick(among, now, 1);
  t.equal(home.tally?.total, 260, 'and the old one again, should it come back');
});

t.test('a retry goes to the next on the ring, and the next request home', async (t) => {
  const among = endpoints(5);
  const balancer = sticky();
  const home = balancer.pick(among, now, 12);
  const tried = [home];
  for (let count = 1; count < 5; count++) {
    const next = balancer.pick(among, now, 12, tried);
    t.notOk(tried.includes(next));
    t.equal(balancer.pick(among, now, 12, tried), next, 'the same in each sidecar');
    tried.push(next);
  }
  t.equal(balancer.pick(among, now, 12, tried), home, 'where all were tried, its own again');
  t.equal(
    balancer.pick(
      among.filter((each) => each !== home),
      now,
      12,
    ),
    tried[1],
    'the one that has its keys when it is gone',
  );
});

t.test('what was tried comes last, also where all others have too much', async (t) => {
  const among = endpoints(2);
  const balancer = sticky();
  const home = balancer.pick(among, now, 3);
  const other = at(among, 1 - among.indexOf(home));
  other.exchanges = 1000;
  t.equal(balancer.pick(among, now, 3, [home]), other);
});

t.test('without a key the less busy of two is taken', async (t) => {
  const among = endpoints(2);
  const balancer = sticky();
  at(among, 0).exchanges = 5;
  for (let count = 0; count < 50; count++) t.equal(balancer.pick(among, now, -1), among[1]);
  t.equal(balancer.pick(among, now, -1, [at(among, 1)]), among[0], 'and not what was tried');
  t.throws(() => balancer.pick([], now, -1), /no endpoints/);
  t.throws(() => balancer.pick([], now, 3), /no endpoints/);
});

t.test('a new endpoint takes its keys at once, slow start or not', async (t) => {
  const among = endpoints(4);
  const newcomer = at(among, 3);
  newcomer.newSince = now;
  const balancer = makeBalancer('sticky', seededRandom(7), 60_000);
  t.same(
    KEYS.slice(0, 500).map((key) => balancer.pick(among, now, key).spec.address),
    owners(among, KEYS.slice(0, 500)),
  );
});

t.test('the ring is made once for a set of endpoints, and no choice makes anything', async (t) => {
  const among = endpoints(1000);
  const balancer = sticky();
  const first = balancer.pick(among, now, 1).tally;
  balancer.pick([...among], now, 1);
  t.equal(at(among, 0).tally, first, 'the same set in a new array is no news');
  balancer.pick(among.slice(1), now, 1);
  t.not(at(among, 1).tally, first);
});
