import t from 'tap';
import type { EndpointSink } from '../../src/discovery/discovery.ts';
import { CarpoolError } from '../../src/errors.ts';
import type { CarpoolEvent } from '../../src/observer.ts';
import { WeightedTargets } from '../../src/routing/weighted-targets.ts';
import { FakeDiscovery } from '../routing/fake-discovery.ts';

/** Writes down what it is told. */
function recorder(): { readonly sink: EndpointSink; readonly calls: string[] } {
  const calls: string[] = [];
  const told =
    (name: string) =>
    (id: string): void => {
      calls.push(`${name} ${id}`);
    };
  const sink: EndpointSink = {
    add: ({ id, target, written }) => calls.push(`add ${id} of ${target}${written ? ', written' : ''}`),
    suspend: told('suspend'),
    unready: told('unready'),
    terminating: (id, serving) => calls.push(`terminating ${id} ${serving}`),
    remove: told('remove'),
    affinity: (key) => calls.push(`affinity ${key}`),
    settled: (error) => calls.push(`settled ${error?.message ?? 'well'}`),
  };
  return { sink, calls };
}

function start(...targets: readonly (readonly [host: string, weight: number])[]) {
  const discovery = new FakeDiscovery(null);
  const { sink, calls } = recorder();
  const events: CarpoolEvent[] = [];
  const all = new WeightedTargets(sink, {}, { name: 'd:80', events: { emit: (event) => events.push(event) } });
  const of = (list: readonly (readonly [string, number])[]) =>
    list.map(([host, weight]) => ({ host, port: 80, weight }));
  all.start(discovery, of(targets));
  const set = (...list: readonly (readonly [string, number])[]): void => all.set(of(list));
  /** What was told since it was asked last. */
  const news = (): string[] => calls.splice(0);
  /** Targets that came and went, since it was asked last. */
  const told = (): CarpoolEvent[] => events.splice(0);
  return { discovery, all, set, news, told };
}

const AT = { id: '10.0.0.1:80', address: '10.0.0.1', port: 80 };
const lost = (name: string): CarpoolError => new CarpoolError('NO_ROUTE', `${name} is not found`);

t.test('endpoints of two targets at the same address are two, each marked with its target', async (t) => {
  const { discovery, news } = start(['a', 1], ['10.0.0.2', 1]);
  discovery.sink('a:80').add(AT);
  discovery.sink('10.0.0.2:80').add(AT);
  discovery.sink('10.0.0.2:80').suspend(AT.id);
  discovery.sink('a:80').unready(AT.id);
  discovery.sink('a:80').terminating(AT.id, true);
  discovery.sink('a:80').remove(AT.id);
  discovery.sink('a:80').affinity('key');
  t.same(news(), [
    'add a:80/10.0.0.1:80 of a:80',
    'add 10.0.0.2:80/10.0.0.1:80 of 10.0.0.2:80, written',
    'suspend 10.0.0.2:80/10.0.0.1:80',
    'unready a:80/10.0.0.1:80',
    'terminating a:80/10.0.0.1:80 true',
    'remove a:80/10.0.0.1:80',
  ]);
});

t.test('the session affinity of a Service holds while it is the only target', async (t) => {
  const { discovery, set, news } = start(['a', 1]);
  discovery.sink('a:80').affinity('pod');
  t.same(news(), ['affinity pod']);
  set(['a', 1], ['b', 1]);
  t.same(news(), ['affinity null']);
  discovery.sink('b:80').affinity('pod');
  t.same(news(), []);
  set(['b', 1]);
  t.same(news(), ['affinity pod']);
});

t.test('one target that is known is enough to begin, and one that is not found is no error then', async (t) => {
  const { discovery, news } = start(['a', 1], ['b', 1]);
  discovery.sink('a:80').settled(lost('a'));
  t.same(news(), [], 'b may be found yet');
  discovery.sink('b:80').add(AT);
  discovery.sink('b:80').settled(null);
  t.same(news(), ['add b:80/10.0.0.1:80 of b:80', 'settled well']);
  discovery.sink('a:80').settled(lost('a'));
  t.same(news(), ['settled well']);
});

t.test('that none is found is said when all have answered', async (t) => {
  const { discovery, news } = start(['a', 1], ['b', 1]);
  discovery.sink('b:80').settled(lost('b'));
  discovery.sink('a:80').settled(lost('a'));
  t.same(news(), ['settled a is not found']);
  discovery.sink('a:80').add(AT);
  discovery.sink('a:80').settled(null);
  discovery.sink('a:80').settled(lost('a'));
  t.same(news().slice(-2), ['settled well', 'settled well'], 'what is known is kept while it is not found again');
});

t.test(
  'new targets are looked for, those that are gone or of weight 0 lose their endpoints, and nothing is heard of them',
  async (t) => {
    const { discovery, all, set, news } = start(['a', 1], ['b', 0]);
    t.equal(discovery.subscribed, 1, 'of weight 0 is not there at all');
    const old = discovery.sink('a:80');
    old.add(AT);
    old.settled(null);
    news();
    set(['b', 2], ['a', 0]);
    t.same([...all.weights], [['b:80', 2]]);
    t.equal(discovery.open, 1);
    t.same(news(), ['remove a:80/10.0.0.1:80']);
    old.add({ ...AT, id: 'late' });
    old.settled(lost('a'));
    t.same(news(), []);
    discovery.sink('b:80').settled(lost('b'));
    t.same(news(), ['settled b is not found']);
  },
);

t.test('a target that stays is not asked for again, and closing ends all', async (t) => {
  const { discovery, all, set } = start(['a', 1], ['b', 1]);
  set(['a', 5], ['b', 1], ['c', 1]);
  t.equal(discovery.subscribed, 3);
  all.refresh();
  t.equal(discovery.refreshed, 3);
  t.equal(all.describe().state, 'ready');
  all.close();
  t.equal(discovery.open, 0);
});

t.test('answers that are there at once are told once, when all targets were asked', async (t) => {
  const discovery = new FakeDiscovery([AT]);
  const { sink, calls } = recorder();
  const events: CarpoolEvent[] = [];
  const all = new WeightedTargets(sink, {}, { name: 'd:80', events: { emit: (event) => events.push(event) } });
  all.start(discovery, [
    { host: 'a', port: 80, weight: 1 },
    { host: 'b', port: 80, weight: 1 },
  ]);
  t.same(calls, ['add a:80/10.0.0.1:80 of a:80', 'add b:80/10.0.0.1:80 of b:80', 'settled well']);
});

t.test('a target that is not found is told once, with what to do, and again when it is there', async (t) => {
  const { discovery, told } = start(['a', 9], ['b', 1]);
  discovery.sink('a:80').add(AT);
  discovery.sink('a:80').settled(null);
  t.same(told(), [], 'nobody has answered for b yet');
  for (let round = 0; round < 3; round++) discovery.sink('b:80').settled(lost('b'));
  t.same(told(), [
    {
      type: 'target_missing',
      destination: 'd:80',
      target: 'b:80',
      message: `b is not found; requests go to the other targets. ${lost('b').hint} Correct its name in \`to\`, or give it weight 0`,
    },
  ]);
  discovery.sink('b:80').add({ ...AT, id: 'x' });
  discovery.sink('b:80').settled(null);
  discovery.sink('b:80').settled(null);
  t.same(told(), [{ type: 'target_found', destination: 'd:80', target: 'b:80' }]);
  discovery.sink('b:80').settled(lost('b'));
  t.same(told(), [], 'its endpoints go on being used');
  discovery.sink('b:80').remove('x');
  discovery.sink('b:80').settled(null);
  t.match(told(), [{ type: 'target_missing', target: 'b:80', message: /^it has no endpoint; / }]);
  discovery.sink('a:80').remove(AT.id);
  discovery.sink('a:80').settled(lost('a'));
  t.match(told(), [
    { type: 'target_missing', target: 'a:80', message: /^a is not found; no other target is there either/ },
  ]);
});

t.test('a target without weight is not looked for, so that it is not missed; nor is one that is gone', async (t) => {
  const { discovery, set, told } = start(['a', 1], ['b', 0]);
  t.same([...discovery.sinks.keys()], ['a:80']);
  const a = discovery.sink('a:80');
  set(['c', 1]);
  a.settled(lost('a'));
  t.same(told(), []);
});
