import { test } from 'tap';
import { ProblemLog } from '../../../src/discovery/kubernetes/discovery-log.ts';
import { NamespaceWatch, type NamespaceWatchOptions } from '../../../src/discovery/kubernetes/namespace-watch.ts';
import { TestClock } from '../../test-clock.ts';
import { at, FakeKubeApi, failure, settled } from './fake-kube-api.ts';
import { slice } from './kube-objects.ts';

const of = (service: string, address = '10.0.0.1') => slice({ service, endpoints: [address] });
const inSelector = (...names: string[]) => `kubernetes.io/service-name in (${names.join(',')})`;

/** A watch over a scripted client with random = 0.5, and what it tells. */
function make(options: Partial<NamespaceWatchOptions> = {}) {
  const api = new FakeKubeApi();
  const clock = new TestClock();
  const log: string[] = [];
  const changes: string[] = [];
  const problems = new ProblemLog({
    info: (message) => log.push(`info ${message}`),
    warn: (message) => log.push(`warn ${message}`),
  });
  const watch = new NamespaceWatch({
    namespace: 'shop',
    api: () => Promise.resolve(api),
    clock,
    random: () => 0.5,
    problems,
    onChange: (service, readAt) => changes.push(readAt === null ? service : `${service} ${readAt}`),
    ...options,
  });
  const addresses = (service: string) =>
    watch.slices(service)?.flatMap(({ endpoints }) => endpoints.map(({ address }) => address)) ?? null;
  /** What was told since the last call. */
  const told = () => changes.splice(0);
  return { api, clock, log, problems, watch, addresses, told };
}

/** One that follows `orders` at version 100, half a second ago. */
async function following(options: Partial<NamespaceWatchOptions> = {}) {
  const parts = make(options);
  parts.watch.want('orders');
  await settled();
  await parts.api.list.answer([at(90, of('orders'))], 100);
  parts.api.last.handlers.opened();
  parts.clock.advance(500);
  parts.told();
  return parts;
}

test('nothing is asked of the API before a Service is wanted, nor after the last one is not', async (t) => {
  const { api, clock, watch, told, addresses } = make();
  await settled();
  t.equal(api.lists.length, 0);
  t.equal(watch.active, false);
  watch.want('orders');
  watch.want('orders');
  await settled();
  t.equal(api.lists.length, 1);
  t.equal(watch.active, true);
  t.equal(watch.slices('orders'), null);
  await api.list.answer([at(90, of('orders'))], 100);
  t.same(told(), ['orders']);
  t.same(addresses('orders'), ['10.0.0.1']);
  watch.unwant('orders');
  t.equal(api.last.aborted, false, 'it was wanted twice');
  watch.unwant('orders');
  t.equal(api.last.aborted, true);
  t.same(watch.allSlices(), []);
  t.equal(watch.slices('orders'), null);
  t.equal(watch.active, false);
  t.equal(clock.waiting, 0);
  watch.unwant('orders');
  t.equal(api.lists.length, 1);
});

test('a Service that comes and goes is not listed more than every half second', async (t) => {
  const { api, clock, watch } = make();
  for (let i = 0; i < 5; i++) {
    watch.want('orders');
    watch.unwant('orders');
    clock.advance(50);
  }
  watch.want('orders');
  await settled();
  t.equal(api.lists.length, 0, 'the one that was begun was given up before it asked');
  clock.advance(250);
  await settled();
  t.equal(api.lists.length, 1);
});

test('a Service without slices is known as such', async (t) => {
  const { api, watch, told } = make();
  watch.want('orders');
  await settled();
  await api.list.answer([], 100);
  t.same(watch.slices('orders'), []);
  t.same(told(), ['orders']);
});

test('an event is told with the time it was read, and only where something differs; each is counted, as is a list', async (t) => {
  const seen: string[] = [];
  const { api, told, addresses } = await following({ onEvent: (type) => seen.push(type) });
  api.last.handlers.event('MODIFIED', at(101, of('orders', '10.0.0.2')), 4_711);
  api.last.handlers.event('MODIFIED', at(102, of('orders', '10.0.0.2')), 4_712);
  api.last.handlers.event('MODIFIED', at(103, of('users')), 4_713);
  api.last.handlers.event('BOOKMARK', at(104, of('users')), 4_714);
  t.same(told(), ['orders 4711']);
  t.same(addresses('orders'), ['10.0.0.2']);
  t.same(seen, ['LIST', 'MODIFIED', 'MODIFIED', 'MODIFIED', 'BOOKMARK']);
});

test('names are gathered: the first is asked for at once, others every half second, sorted', async (t) => {
  const { api, clock, watch } = make();
  watch.want('orders');
  await settled();
  await api.list.answer([], 100);
  api.last.handlers.opened();
  watch.want('users');
  watch.want('carts');
  clock.advance(499);
  await settled();
  t.equal(api.lists.length, 1);
  clock.advance(1);
  await settled();
  t.equal(api.list.query.labelSelector, inSelector('carts', 'orders', 'users'));
  t.match(api.list.query, { resourceVersion: '100', resourceVersionMatch: 'NotOlderThan' });
});

test('the old watch serves until the new one stands, and is closed then', async (t) => {
  const { api, clock, watch, told, addresses } = await following();
  const [old] = api.watches;
  watch.want('users');
  await settled();
  t.equal(watch.slices('users'), null);
  old?.handlers.event('MODIFIED', at(101, of('orders', '10.0.0.2')), 1);
  t.same(told(), ['orders 1']);
  await api.list.answer([at(101, of('orders', '10.0.0.2')), at(91, of('users', '10.0.0.9'))], 101);
  t.same(told(), ['users'], 'orders is as it was');
  t.same(addresses('users'), ['10.0.0.9']);
  t.equal(old?.aborted, false, 'the new watch is not open yet');
  old?.handlers.event('MODIFIED', at(102, of('orders', '10.0.0.3')), 2);
  t.same(told(), ['orders 2']);
  api.last.handlers.opened();
  t.equal(old?.aborted, true);
  api.last.handlers.event('MODIFIED', at(102, of('orders', '10.0.0.3')), 3);
  t.same(told(), [], 'the same event again is no change');
  t.equal(api.openPeak, 2);
  t.equal(watch.connected, true);
  t.equal(clock.waiting, 1, 'the one that looks at the watch');
});

test('what the old watch told after the new list was made stays', async (t) => {
  const { api, watch, told, addresses } = await following();
  watch.want('users');
  await settled();
  api.watches[0]?.handlers.event('DELETED', at(105, of('orders')), 1);
  t.same(told(), ['orders 1']);
  await api.list.answer([at(90, of('orders'))], 103);
  t.same(told(), ['users']);
  t.same(addresses('orders'), [], 'a dead endpoint does not come back for a moment');
});

test('names that are wanted while the first list is under way follow it', async (t) => {
  const { api, clock, watch, told } = make();
  watch.want('orders');
  await settled();
  clock.advance(1_000);
  watch.want('users');
  await settled();
  t.equal(api.lists.length, 1);
  await api.list.answer([], 100);
  t.same(told(), ['orders']);
  t.equal(api.lists.length, 2);
  t.equal(api.list.query.labelSelector, inSelector('orders', 'users'));
});

test('a change that fails takes along what is wanted since', async (t) => {
  const { api, clock, watch } = await following();
  watch.want('users');
  await settled();
  await api.list.fail('server');
  watch.want('carts');
  clock.advance(600);
  await settled();
  t.equal(api.list.query.labelSelector, inSelector('carts', 'orders', 'users'));
  t.equal(api.lists.length, 3);
});

test('a list that is the latest there is goes, also where the server’s data went back to an earlier day', async (t) => {
  const { api, clock, watch, addresses } = await following();
  watch.want('users');
  await settled();
  await api.list.fail('server', { status: 504 });
  clock.advance(600);
  await settled();
  await api.list.answer([at(50, of('users')), at(40, of('orders', '10.0.0.7'))], 60);
  t.same(addresses('orders'), ['10.0.0.7']);
});

test('a change waits for the one before it', async (t) => {
  const { api, clock, watch } = await following();
  watch.want('users');
  await settled();
  watch.want('carts');
  clock.advance(5_000);
  await settled();
  t.equal(api.lists.length, 2, 'the list that is under way is not given up');
  await api.list.answer([], 101);
  api.last.handlers.opened();
  await settled();
  t.equal(api.list.query.labelSelector, inSelector('carts', 'orders', 'users'));
  await api.list.answer([], 102);
  api.last.handlers.opened();
  t.equal(api.open.length, 1);
  t.equal(api.openPeak, 2);
});

test('a new watch that does not stand after 30 s is closed and tried again later, and the old one stays', async (t) => {
  const { api, clock, watch, told, addresses } = await following();
  watch.want('users');
  await settled();
  const pauses: number[] = [];
  for (let i = 0; i < 3; i++) {
    const lists = api.lists.length;
    clock.advance(29_999);
    api.watches[0]?.handlers.event('BOOKMARK', at(101 + i, of('orders')), 0);
    t.equal(api.lists.length, lists);
    clock.advance(1);
    const begun = clock.now();
    while (api.lists.length === lists) {
      clock.advance(50);
      await settled();
    }
    pauses.push(clock.now() - begun);
  }
  t.same(pauses, [3_750, 7_500, 15_000]);
  t.equal(api.watches[0]?.aborted, false);
  api.watches[0]?.handlers.event('MODIFIED', at(110, of('orders', '10.0.0.2')), 1);
  t.same(told(), ['orders 1']);
  await api.list.answer([at(110, of('orders', '10.0.0.2'))], 111);
  api.last.handlers.opened();
  t.equal(api.open.length, 1);
  t.same(addresses('users'), []);
});

test('a new watch that is listed and does not open takes over after 30 s', async (t) => {
  const { api, clock, watch, addresses } = await following();
  watch.want('users');
  await settled();
  await api.list.answer([at(90, of('orders')), at(91, of('users'))], 101);
  clock.advance(10_000);
  api.last.handlers.ended(failure('forbidden'));
  clock.advance(19_999);
  t.equal(api.watches[0]?.aborted, false);
  clock.advance(1);
  t.equal(api.watches[0]?.aborted, true);
  t.same(addresses('users'), ['10.0.0.1']);
});

test('lists of the old watch are not taken once the new one has listed', async (t) => {
  const { api, clock, watch, addresses } = await following();
  watch.want('users');
  await settled();
  await api.list.answer([at(90, of('orders')), at(91, of('users'))], 101);
  api.watches[0]?.handlers.ended(failure('gone'));
  await settled();
  await api.list.answer([at(90, of('orders'))], 102);
  t.same(addresses('users'), ['10.0.0.1']);
  clock.advance(0);
});

test('a list of the old watch does not take away that the new one knows the whole namespace', async (t) => {
  const { api, clock, watch, addresses } = await following();
  for (let i = 0; i < 101; i++) watch.want(`s${i}`);
  await settled();
  await api.list.answer([], 101);
  api.last.handlers.opened();
  clock.advance(500);
  await settled();
  await api.list.answer([at(90, of('orders')), at(91, of('users'))], 102);
  const [, second] = api.watches;
  second?.handlers.ended(failure('gone'));
  await settled();
  await api.list.answer([], 103);
  watch.want('users');
  t.same(addresses('users'), ['10.0.0.1']);
});

test('a change that could not be made does not hold up who begins anew', async (t) => {
  const { api, clock, watch } = await following();
  watch.want('users');
  await settled();
  clock.advance(30_000);
  watch.unwant('users');
  watch.unwant('orders');
  const lists = api.lists.length;
  watch.want('orders');
  clock.advance(500);
  await settled();
  t.equal(api.lists.length, lists + 1);
});

test('a Service that nobody wants any more is not told of, and stays in the watch for a minute', async (t) => {
  const { api, clock, watch, told, addresses } = await following();
  watch.want('users');
  await settled();
  await api.list.answer([at(90, of('orders')), at(91, of('users'))], 101);
  api.last.handlers.opened();
  told();
  watch.unwant('users');
  t.equal(watch.slices('users'), null);
  api.last.handlers.event('MODIFIED', at(102, of('users', '10.0.0.2')), 1);
  t.same(told(), []);
  clock.advance(30_000);
  watch.want('users');
  t.same(addresses('users'), ['10.0.0.2'], 'wanted again: it is known at once');
  watch.unwant('users');
  clock.advance(29_999);
  await settled();
  t.equal(api.lists.length, 2);
  clock.advance(1);
  await settled();
  t.equal(api.list.query.labelSelector, inSelector('orders'));
  await api.list.answer([at(90, of('orders'))], 103);
  t.same(watch.allSlices().length, 1);
  api.last.handlers.opened();
  t.equal(api.open.length, 1);
});

test('a name that is not wanted any more leaves with the next change', async (t) => {
  const { api, clock, watch } = await following();
  watch.want('users');
  await settled();
  await api.list.answer([], 101);
  api.last.handlers.opened();
  watch.unwant('orders');
  clock.advance(500);
  watch.want('carts');
  await settled();
  t.equal(api.list.query.labelSelector, inSelector('carts', 'users'));
  await api.list.answer([], 102);
  api.last.handlers.opened();
  clock.advance(100_000);
  await settled();
  t.equal(api.lists.length, 3, 'and no other change follows');
});

test('a Service wanted again while it is being left out keeps what is known of it', async (t) => {
  const { api, clock, watch, told, addresses } = await following();
  watch.want('users');
  await settled();
  await api.list.answer([at(90, of('orders')), at(91, of('users'))], 101);
  api.last.handlers.opened();
  watch.unwant('users');
  clock.advance(60_000);
  await settled();
  t.equal(api.list.query.labelSelector, inSelector('orders'));
  watch.want('users');
  t.same(addresses('users'), ['10.0.0.1']);
  await api.list.answer([], 102);
  t.equal(api.open.length, 1, 'the change is given up');
  t.equal(clock.waiting, 1, 'the one that looks at the watch');
  watch.unwant('users');
  clock.advance(60_000);
  await settled();
  watch.want('carts');
  watch.want('users');
  told();
  await api.list.answer([at(90, of('orders'))], 103);
  t.same(told(), []);
  t.same(addresses('users'), ['10.0.0.1'], 'also where the change cannot be given up');
  api.last.handlers.opened();
  await settled();
  clock.advance(500);
  await settled();
  t.equal(api.list.query.labelSelector, inSelector('carts', 'orders', 'users'));
});

test('over a hundred names, or a selector of over 4,000 characters, the whole namespace is watched', async (t) => {
  const names = (count: number, length: number) =>
    Array.from({ length: count }, (_, i) => `s${String(i).padStart(length - 1, '0')}`);
  for (const [few, many] of [
    [names(100, 4), names(101, 4)],
    [names(62, 63), names(63, 63)],
  ] as const) {
    for (const [list, whole] of [
      [few, false],
      [many, true],
    ] as const) {
      const { api, clock, watch } = make();
      for (const name of list) watch.want(name);
      await settled();
      await api.list.answer([], 100);
      api.last.handlers.opened();
      clock.advance(500);
      await settled();
      const selector = whole ? 'kubernetes.io/service-name' : inSelector(...list);
      t.equal(api.list.query.labelSelector, selector);
    }
  }
});

test('where the whole namespace is watched a new name needs no call; below 50 names it goes back', async (t) => {
  const { api, clock, watch, told, addresses } = make();
  const names = Array.from({ length: 101 }, (_, i) => `s${i}`);
  for (const name of names) watch.want(name);
  await settled();
  await api.list.answer([], 100);
  clock.advance(500);
  await settled();
  t.equal(api.lists.length, 2);
  await api.list.answer([at(1, of('s0')), at(2, of('orders'))], 101);
  api.last.handlers.opened();
  told();
  watch.want('orders');
  t.same(addresses('orders'), ['10.0.0.1']);
  watch.want('nothing');
  t.same(addresses('nothing'), []);
  for (const name of names.slice(0, 53)) watch.unwant(name);
  clock.advance(60_000);
  await settled();
  t.equal(api.lists.length, 2, '50 are left');
  watch.unwant('nothing');
  clock.advance(60_000);
  await settled();
  t.equal(api.list.query.labelSelector, inSelector(...[...names.slice(53), 'orders'].sort()));
  await api.list.answer([at(2, of('orders'))], 102);
  api.last.handlers.opened();
  t.same(told(), [], 'nothing is new');
  t.same(watch.allSlices().length, 1);
  t.equal(api.open.length, 1);
});

test('what is known stays over an outage, and only real differences are told after it', async (t) => {
  const { api, clock, watch, told, addresses } = await following();
  watch.want('users');
  await settled();
  await api.list.answer([at(90, of('orders')), at(91, of('users'))], 101);
  api.last.handlers.opened();
  told();
  api.last.handlers.ended(failure('unreachable'));
  t.equal(watch.connected, false);
  t.match(watch.error, { kind: 'unreachable' });
  for (let i = 0; i < 200; i++) {
    clock.advance(20_000);
    await settled();
    if (api.last.aborted) continue;
    api.last.handlers.ended(failure('unreachable'));
  }
  t.same(addresses('orders'), ['10.0.0.1']);
  t.same(told(), []);
  t.ok(api.lists.length > 3);
  await api.list.fail('unreachable');
  clock.advance(30_000);
  await settled();
  await api.list.answer([at(90, of('orders')), at(300, of('users', '10.0.0.2'))], 400);
  api.last.handlers.opened();
  t.same(told(), ['users']);
  t.equal(watch.connected, true);
  t.equal(watch.error, null);
});

test('names that are wanted during an outage are listed when it is over, by the one watch', async (t) => {
  const { api, clock, watch, addresses } = await following();
  api.last.handlers.ended(failure('unreachable'));
  watch.want('users');
  watch.want('carts');
  t.equal(api.lists.length, 1);
  clock.advance(600);
  await settled();
  t.equal(api.list.query.labelSelector, inSelector('carts', 'orders', 'users'));
  await api.list.fail('unreachable');
  watch.want('prices');
  clock.advance(1_200);
  await settled();
  t.equal(api.lists.length, 3);
  await api.list.answer([at(90, of('orders')), at(91, of('prices'))], 105);
  api.last.handlers.opened();
  t.same(addresses('prices'), ['10.0.0.1']);
  t.equal(api.openPeak, 1);
});

test('names that are wanted while the first list is refused do not ask more often', async (t) => {
  const { api, clock, watch, addresses } = make();
  watch.want('orders');
  await settled();
  watch.want('users');
  await api.list.fail('forbidden');
  for (let i = 0; i < 50; i++) {
    watch.want(`s${i}`);
    clock.advance(1_000);
    await settled();
  }
  t.equal(api.lists.length, 1);
  clock.advance(10_000);
  await settled();
  t.equal(api.lists.length, 2);
  await api.list.answer([at(90, of('users'))], 100);
  t.same(addresses('users'), ['10.0.0.1']);
  t.same(addresses('s49'), []);
});

test('two watches that both fail become one', async (t) => {
  const { api, clock, watch } = await following();
  watch.want('users');
  await settled();
  await api.list.fail('unreachable');
  t.equal(api.lists.length, 2);
  api.watches[0]?.handlers.ended(failure('unreachable'));
  clock.advance(600);
  await settled();
  t.equal(api.lists.length, 3, 'one of them asks again');
  t.equal(api.list.query.labelSelector, inSelector('orders', 'users'));
  t.equal(api.watches.length, 1);
  clock.advance(5_000);
  await settled();
  t.equal(api.lists.length, 3);
  await api.list.answer([], 120);
  t.same(watch.slices('users'), []);
});

test('a failure is a line when it begins and a line when it is over, whatever comes in between', async (t) => {
  const { api, clock, log, problems, watch } = await following();
  api.last.handlers.ended(failure('unreachable', { message: 'the connection broke' }));
  clock.advance(600);
  api.last.handlers.ended(failure('unreachable', { message: 'no connection' }));
  clock.advance(1_200);
  await settled();
  await api.list.fail('unreachable', { message: 'no connection at all' });
  t.same(log, ['warn Kubernetes discovery: the connection broke. Do something. The endpoints known so far serve on.']);
  clock.advance(2_400);
  await settled();
  await api.list.answer([], 110);
  api.last.handlers.opened();
  t.equal(watch.error, null);
  clock.advance(9_999);
  t.equal(log.length, 1);
  clock.advance(1);
  t.same(log.slice(1), ['info Kubernetes discovery: over: the connection broke']);
  t.same(problems.all, []);
  clock.advance(30_000);
  t.equal(log.length, 2);
});

test('without rights the line says that names go by DNS meanwhile', async (t) => {
  const { api, clock, log, watch } = make();
  watch.want('orders');
  await settled();
  for (let i = 0; i < 3; i++) {
    await api.list.fail('forbidden', { message: 'not allowed' });
    clock.advance(66_000);
    await settled();
  }
  t.same(log, [
    'warn Kubernetes discovery: not allowed. Do something. Until then names of Services in shop go by DNS.',
  ]);
  t.match(watch.error, { kind: 'forbidden' });
  watch.unwant('orders');
  t.equal(watch.error, null);
  t.equal(log.length, 1, 'and it is forgotten when nobody is interested any more');
  watch.want('orders');
  clock.advance(500);
  await settled();
  await api.list.fail('forbidden', { message: 'not allowed' });
  t.equal(log.length, 2);
});

test('a change that cannot be made is told once, though the old watch is well', async (t) => {
  const { api, clock, log, watch } = await following();
  watch.want('users');
  await settled();
  for (let i = 0; i < 4; i++) {
    for (let s = 0; s < 60; s++) {
      await api.list.fail('server');
      clock.advance(1_000);
      await settled();
    }
    api.watches[0]?.handlers.event('BOOKMARK', at(101 + i, of('orders')), 0);
  }
  t.equal(log.length, 1);
  t.equal(watch.connected, true);
});

test('an EndpointSlice that cannot be used is a line', async (t) => {
  const { api, log, problems } = await following();
  const names = slice({ service: 'orders', name: 'orders-n', addressType: 'FQDN', endpoints: ['example.com'] });
  api.last.handlers.event('ADDED', at(101, names), 0);
  api.last.handlers.event('MODIFIED', at(102, names), 0);
  t.equal(log.length, 1);
  t.match(log[0], /EndpointSlice shop\/orders-n is left out: .*FQDN/);
  api.last.handlers.event('DELETED', at(103, names), 0);
  t.same(problems.all, []);
});

test('changes of the state are told, and nothing else', async (t) => {
  const states: string[] = [];
  const { api, clock, watch } = make({
    onState: () => states.push(`${watch.connected} ${watch.error?.kind ?? 'well'}`),
  });
  watch.want('orders');
  await settled();
  await api.list.fail('forbidden');
  clock.advance(66_000);
  await settled();
  await api.list.answer([], 100);
  api.last.handlers.opened();
  clock.advance(5_000);
  api.last.handlers.ended(null);
  api.last.handlers.opened();
  api.last.handlers.event('BOOKMARK', at(101, of('orders')), 0);
  api.last.handlers.ended(failure('unreachable'));
  t.same(states, ['false forbidden', 'true well', 'false unreachable']);
});

test('a listener that throws, or that leaves while it is told, does no harm', async (t) => {
  const { api, log, watch, addresses } = await following({
    onChange: () => {
      throw new Error('boom');
    },
    onState: () => {
      throw new Error('boom');
    },
  });
  api.last.handlers.event('MODIFIED', at(101, of('orders', '10.0.0.2')), 0);
  t.same(addresses('orders'), ['10.0.0.2']);
  t.equal(log.length, 1);
  t.match(log[0], /boom/);
  watch.close();

  const parts = make({ onChange: (service) => parts.watch.unwant(service) });
  parts.watch.want('orders');
  parts.watch.want('users');
  await settled();
  await parts.api.list.answer([], 100);
  t.equal(parts.watch.slices('orders'), null);
  parts.clock.advance(500);
  await settled();
  await parts.api.list.answer([], 101);
  t.equal(parts.api.open.length, 0);
  t.equal(parts.clock.waiting, 0);
});

test('the wait after a failure ends when somebody asks again', async (t) => {
  const { api, watch } = make();
  watch.want('orders');
  await settled();
  await api.list.fail('forbidden');
  watch.retryNow();
  await settled();
  t.equal(api.lists.length, 2);
});

test('a closed watch leaves nothing behind', async (t) => {
  const { api, clock, watch, told } = await following();
  watch.want('users');
  await settled();
  watch.close();
  t.equal(api.open.length, 0);
  t.equal(clock.waiting, 0);
  t.equal(watch.active, false);
  watch.want('carts');
  watch.retryNow();
  await settled();
  t.equal(api.lists.length, 2);
  t.same(told(), []);
});

test('a Service wanted again after it was left out of the new list becomes known again', async (t) => {
  const { api, clock, watch, addresses } = await following();
  watch.want('users');
  await settled();
  await api.list.answer([at(90, of('orders')), at(91, of('users'))], 101);
  api.last.handlers.opened();
  watch.unwant('users');
  clock.advance(60_000);
  await settled();
  await api.list.answer([at(90, of('orders'))], 102);
  t.equal(api.open.length, 2, 'the new watch is not open yet');
  watch.want('users');
  api.last.handlers.opened();
  clock.advance(500);
  await settled();
  t.equal(api.list.query.labelSelector, inSelector('orders', 'users'));
  await api.list.answer([at(90, of('orders')), at(91, of('users'))], 103);
  t.same(addresses('users'), ['10.0.0.1']);
});

test('late news of the old watch does not bring back a slice that the new list has no more', async (t) => {
  const { api, watch, addresses } = await following();
  watch.want('users');
  await settled();
  await api.list.answer([at(91, of('users'))], 110);
  t.same(addresses('orders'), []);
  api.watches[0]?.handlers.event('MODIFIED', at(105, of('orders', '10.0.0.2')), 1);
  t.same(addresses('orders'), []);
  api.watches[0]?.handlers.event('ADDED', at(112, of('orders', '10.0.0.3')), 1);
  t.same(addresses('orders'), ['10.0.0.3'], 'what is newer than the list counts');
});
