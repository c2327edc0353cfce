import t from 'tap';
import { AddressRules } from '../../src/discovery/address-rules.ts';
import { startDiscovery, TIMING } from './discovery-fixture.ts';
import { addressesFor, NODATA, NXDOMAIN, type Script, SERVFAIL, SILENCE, zone } from './dns-server.ts';
import { RecordingSink } from './recording-sink.ts';

t.test('a name is found, told and settled, and described', async (t) => {
  const { subscribe, clock, discovery } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1', 'fd00::1'] }));
  const waiting = new RecordingSink();
  const state = discovery.subscribe('x.test', 80, waiting).describe();
  t.same(state, { source: 'dns', state: 'resolving', error: null, ageMs: null });
  const { sink, subscription } = await subscribe('x.test', 8080);
  t.same(sink.calls, ['add 10.0.0.1:8080', 'add [fd00::1]:8080', 'settled']);
  t.same(sink.specs[0], { id: '10.0.0.1:8080', address: '10.0.0.1', port: 8080 });
  clock.advance(1_234);
  t.same(subscription.describe(), { source: 'dns', state: 'ready', error: null, ageMs: 1_234 });
});

t.test('one lookup serves all who ask for a name meanwhile, whatever the port', async (t) => {
  const { discovery, server } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }));
  const sinks = Array.from({ length: 50 }, () => new RecordingSink());
  for (const [index, sink] of sinks.entries()) discovery.subscribe('x.test', 8000 + index, sink);
  await Promise.all(sinks.map((sink) => sink.settledTimes(1)));
  t.same(sinks[7]?.calls, ['add 10.0.0.1:8007', 'settled']);
  t.equal(server.count('x.test', 'A'), 1);
  t.equal(server.count('x.test', 'AAAA'), 1);
});

t.test('a cached answer is told before subscribe returns', async (t) => {
  const { discovery, subscribe, server, flush } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }));
  const { subscription } = await subscribe('x.test');
  subscription.close();
  const sink = new RecordingSink();
  discovery.subscribe('x.test', 81, sink);
  t.same(sink.calls, ['add 10.0.0.1:81', 'settled']);
  await flush();
  t.equal(server.count('x.test'), 1);
});

t.test('a name is asked for again after its TTL, held between minTtl and maxTtl', async (t) => {
  for (const [ttl, expected] of [
    [0, 5_000],
    [1, 5_000],
    [30, 30_000],
    [86_400, 60_000],
  ] as const) {
    const { subscribe, server, clock, flush } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }, ttl));
    const { sink } = await subscribe('x.test');
    clock.advance(expected - 1);
    await flush();
    t.equal(server.count('x.test'), 1, `not before ${expected} ms`);
    clock.advance(1);
    await sink.settledTimes(2);
    t.equal(server.count('x.test'), 2);
    t.same(sink.calls, ['add 10.0.0.1:80', 'settled', 'settled'], 'what is known is not told again');
  }
});

t.test('jitter only lengthens the wait, by a tenth at most', async (t) => {
  const { subscribe, server, clock, flush } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }, 30), {
    random: () => 0.999,
  });
  const { sink } = await subscribe('x.test');
  clock.advance(32_900);
  await flush();
  t.equal(server.count('x.test'), 1);
  clock.advance(100);
  await sink.settledTimes(2);
  t.equal(server.count('x.test'), 2);
});

t.test('new bounds from a reload hold from the next answer on', async (t) => {
  const { subscribe, clock, discovery } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }, 30));
  const { sink } = await subscribe('x.test');
  discovery.setTiming({ ...TIMING, maxTtlMs: 10_000 });
  clock.advance(30_000);
  await sink.settledTimes(2);
  clock.advance(10_000);
  await sink.settledTimes(3);
});

t.test('nothing is asked for again once nobody subscribes', async (t) => {
  const { subscribe, server, clock, flush, discovery } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }));
  const idle = clock.waiting;
  const { subscription, sink } = await subscribe('x.test');
  subscription.close();
  subscription.close();
  clock.advance(3_600_000);
  await flush();
  t.equal(server.count('x.test'), 1);
  t.equal(discovery.names, 0, 'and the answer is forgotten');
  t.equal(clock.waiting, idle, 'no timer is left');
  t.same(sink.calls, ['add 10.0.0.1:80', 'settled']);
  await subscribe('x.test');
  t.equal(server.count('x.test'), 2);
});

t.test('a closed subscription is told nothing, also of a lookup under way', async (t) => {
  const { discovery, subscribe } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }));
  const sink = new RecordingSink();
  discovery.subscribe('x.test', 80, sink).close();
  await subscribe('x.test');
  t.same(sink.calls, []);
});

t.test('a subscriber may close others and itself while it is told', async (t) => {
  const { discovery, clock } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }));
  class Closing extends RecordingSink {
    override settled(error: null): void {
      super.settled(error);
      for (const subscription of subscriptions) subscription.close();
    }
  }
  const first = new Closing();
  const second = new RecordingSink();
  const subscriptions = [discovery.subscribe('x.test', 80, first), discovery.subscribe('x.test', 81, second)];
  await first.settledTimes(1);
  clock.advance(60_000);
  t.same(second.calls, []);
  t.equal(first.settlements.length, 1);
});

t.test('an absent name is remembered for negativeTtl and then asked for again', async (t) => {
  for (const absent of [NXDOMAIN, NODATA]) {
    let script: Script = () => absent;
    const { discovery, subscribe, server, clock, flush } = await startDiscovery(t, (question) => script(question));
    const { sink, subscription } = await subscribe('new.test');
    t.same(sink.calls, ['settled NO_ROUTE']);
    t.match(subscription.describe(), { state: 'failing', error: /new\.test has no address in DNS/, ageMs: null });
    const second = new RecordingSink();
    discovery.subscribe('new.test', 81, second);
    t.same(second.calls, ['settled NO_ROUTE']);
    clock.advance(4_999);
    await flush();
    t.equal(server.count('new.test'), 1);
    script = (question) => addressesFor(question, ['10.0.0.1']);
    clock.advance(1);
    await sink.settledTimes(2);
    t.same(sink.take().slice(1), ['add 10.0.0.1:80', 'settled']);
    t.equal(server.count('new.test'), 2);
    t.match(subscription.describe(), { state: 'ready', error: null });
  }
});

t.test('negativeTtl 0 does not make a busy loop', async (t) => {
  const { subscribe, server, clock, flush } = await startDiscovery(t, zone({}), {
    timing: { ...TIMING, negativeTtlMs: 0 },
  });
  await subscribe('new.test');
  clock.advance(999);
  await flush();
  t.equal(server.count('new.test'), 1);
});

t.test('the last good answer is used while DNS fails', async (t) => {
  let script: Script = (question) => addressesFor(question, ['10.0.0.1'], 30);
  const { discovery, subscribe, clock } = await startDiscovery(t, (question) => script(question), { timeoutMs: 50 });
  const { sink, subscription } = await subscribe('x.test');
  sink.take();
  let settled = 1;
  let wait = 30_000;
  for (const [bad, code] of [
    [SERVFAIL, 'NO_ROUTE'],
    [SILENCE, 'DNS_TIMEOUT'],
    [SERVFAIL, 'NO_ROUTE'],
    [SERVFAIL, 'NO_ROUTE'],
  ] as const) {
    script = () => bad;
    clock.advance(wait);
    wait = 5_000;
    await sink.settledTimes(++settled);
    t.same(sink.take(), [`settled ${code}`]);
    t.match(subscription.describe(), { state: 'failing', error: String });
  }
  t.same([...sink.endpoints.values()], ['ready']);
  t.equal(subscription.describe().ageMs, 45_000);
  const late = new RecordingSink();
  discovery.subscribe('x.test', 81, late);
  t.same(late.calls, ['add 10.0.0.1:81', 'settled'], 'also by who comes now');
  script = (question) => addressesFor(question, ['10.0.0.1', '10.0.0.2']);
  clock.advance(5_000);
  await sink.settledTimes(++settled);
  t.same(sink.take(), ['add 10.0.0.2:80', 'settled']);
  t.match(subscription.describe(), { state: 'ready', ageMs: 0 });
});

t.test('refresh asks again at once, but not within a second of the last question', async (t) => {
  const { subscribe, server, clock, flush } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }));
  const { sink, subscription } = await subscribe('x.test');
  for (let i = 0; i < 100; i++) subscription.refresh();
  clock.advance(999);
  await flush();
  t.equal(server.count('x.test'), 1);
  clock.advance(1);
  await sink.settledTimes(2);
  t.equal(server.count('x.test'), 2);
  clock.advance(2_000);
  await flush();
  t.equal(server.count('x.test'), 2, 'one refresh is one question');
  for (let i = 0; i < 100; i++) subscription.refresh();
  clock.advance(0);
  await sink.settledTimes(3);
  for (let i = 0; i < 100; i++) subscription.refresh();
  clock.advance(500);
  await flush();
  t.equal(server.count('x.test'), 3);
});

t.test('refresh does not put a lookup off that is due sooner', async (t) => {
  const { subscribe, clock } = await startDiscovery(t, zone({ 'x.test': ['10.0.0.1'] }, 0), {
    timing: { ...TIMING, minTtlMs: 200 },
  });
  const { sink, subscription } = await subscribe('x.test');
  subscription.refresh();
  clock.advance(200);
  await sink.settledTimes(2);
});

t.test('refresh of one destination serves all of the name', async (t) => {
  let script: Script = (question) => addressesFor(question, ['10.0.0.1']);
  const { subscribe, clock } = await startDiscovery(t, (question) => script(question));
  const one = await subscribe('x.test', 80);
  const two = await subscribe('x.test', 81);
  script = (question) => addressesFor(question, ['10.0.0.2']);
  one.subscription.refresh();
  clock.advance(1_000);
  await two.sink.settledTimes(2);
  t.ok(two.sink.endpoints.has('10.0.0.2:81'));
});

t.test('names beyond the bound push out what nobody subscribes to', async (t) => {
  const { discovery, server } = await startDiscovery(
    t,
    (question) => (question.name.startsWith('n') ? addressesFor(question, ['10.0.0.1']) : NXDOMAIN),
    { maxNames: 100 },
  );
  for (let i = 0; i < 1_000; i++) {
    const sink = new RecordingSink();
    const subscription = discovery.subscribe(`n${i}.test`, 80, sink);
    if (i % 20 === 0) await sink.settledTimes(1);
    subscription.close();
    if (discovery.names > 100) t.fail(`${discovery.names} names`);
  }
  t.equal(discovery.names, 100);
  t.ok(server.questions.length <= 2_000);
});

t.test('what was used last is pushed out last', async (t) => {
  const { subscribe, server } = await startDiscovery(t, (question) => addressesFor(question, ['10.0.0.1']), {
    maxNames: 2,
  });
  for (const name of ['a.test', 'b.test', 'a.test', 'c.test', 'a.test']) (await subscribe(name)).subscription.close();
  t.equal(server.count('a.test'), 1);
});

t.test('a name too many is refused while all others are in use', async (t) => {
  const { discovery, subscribe } = await startDiscovery(t, zone({ 'a.test': ['10.0.0.1'], 'b.test': ['10.0.0.2'] }), {
    maxNames: 2,
  });
  const { subscription } = await subscribe('a.test');
  await subscribe('b.test');
  const refused = await subscribe('c.test');
  t.same(refused.sink.calls, ['settled OVERLOADED']);
  t.equal(refused.subscription.describe().state, 'failing');
  t.equal(discovery.names, 2);
  subscription.close();
  t.same((await subscribe('c.test')).sink.calls, ['settled NO_ROUTE']);
});

t.test('a limited number of lookups is under way at once, first ones before repeated ones', async (t) => {
  const held = Promise.withResolvers<void>();
  const { discovery, subscribe, server, clock, flush } = await startDiscovery(
    t,
    async (question) => {
      if (question.name.startsWith('slow')) await held.promise;
      return addressesFor(question, ['10.0.0.1'], 5);
    },
    { maxLookups: 2, timeoutMs: 3_600_000 },
  );
  const known = await subscribe('known.test');
  const sinks = ['slow1', 'slow2'].map((name) => {
    const sink = new RecordingSink();
    discovery.subscribe(`${name}.test`, 80, sink);
    return sink;
  });
  await server.until(() => server.count('slow2.test', 'AAAA') === 1);
  clock.advance(5_000);
  const waiting = new RecordingSink();
  discovery.subscribe('waiting.test', 80, waiting);
  await flush();
  t.equal(server.count('waiting.test'), 0);
  t.equal(server.count('known.test'), 1);
  held.resolve();
  await Promise.all([
    ...sinks.map((sink) => sink.settledTimes(1)),
    known.sink.settledTimes(2),
    waiting.settledTimes(1),
  ]);
  t.same(server.names.filter((name) => /^(known|waiting)/.test(name)).slice(1), ['waiting.test', 'known.test']);
});

t.test('who waits for a lookup that finds no room is told after ten seconds', async (t) => {
  const { discovery, server, clock } = await startDiscovery(
    t,
    (question) => (question.name === 'slow.test' ? SILENCE : addressesFor(question, ['10.0.0.1'])),
    { maxLookups: 1, timeoutMs: 3_600_000 },
  );
  discovery.subscribe('slow.test', 80, new RecordingSink());
  await server.until(() => server.count('slow.test', 'AAAA') === 1);
  const sink = new RecordingSink();
  discovery.subscribe('waiting.test', 80, sink);
  clock.advance(9_999);
  t.same(sink.calls, []);
  clock.advance(1);
  t.same(sink.calls, ['settled DNS_TIMEOUT']);
});

t.test('who got room in the end is not told that there was none', async (t) => {
  const slow = Promise.withResolvers<void>();
  const { discovery, server, clock, flush } = await startDiscovery(
    t,
    async (question) => {
      if (question.name === 'slow.test') await slow.promise;
      return addressesFor(question, ['10.0.0.1'], 60);
    },
    { maxLookups: 1, timeoutMs: 3_600_000 },
  );
  discovery.subscribe('slow.test', 80, new RecordingSink());
  await server.until(() => server.count('slow.test', 'AAAA') === 1);
  const sink = new RecordingSink();
  discovery.subscribe('waiting.test', 80, sink);
  slow.resolve();
  await sink.settledTimes(1);
  clock.advance(10_000);
  await flush();
  t.same(sink.calls, ['add 10.0.0.1:80', 'settled']);
});

t.test('who left the queue takes no room when it comes', async (t) => {
  const slow = Promise.withResolvers<void>();
  const { discovery, server, clock, subscribe } = await startDiscovery(
    t,
    async (question) => {
      if (question.name === 'slow.test') await slow.promise;
      return addressesFor(question, ['10.0.0.1'], 60);
    },
    {
      maxLookups: 1,
      timeoutMs: 3_600_000,
      timing: { ...TIMING, negativeTtlMs: 600_000 },
    },
  );
  discovery.subscribe('slow.test', 80, new RecordingSink());
  await server.until(() => server.count('slow.test', 'AAAA') === 1);
  discovery.subscribe('waiting.test', 80, new RecordingSink());
  clock.advance(10_000);
  slow.resolve();
  await subscribe('other.test');
  t.equal(server.count('waiting.test'), 0);
});

t.test('a closed discovery calls nobody and leaves no timer', async (t) => {
  const { discovery, subscribe, server, clock } = await startDiscovery(
    t,
    (question) => (question.name === 'slow.test' ? SILENCE : addressesFor(question, ['10.0.0.1'])),
    { timeoutMs: 3_600_000, maxLookups: 1 },
  );
  const { sink } = await subscribe('x.test');
  const slow = new RecordingSink();
  discovery.subscribe('slow.test', 80, slow);
  await server.until(() => server.count('slow.test', 'AAAA') === 1);
  discovery.subscribe('queued.test', 80, slow);
  discovery.close();
  // Cancelled questions come back in a later turn.
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  t.equal(clock.waiting, 0);
  clock.advance(120_000);
  t.equal(sink.settlements.length, 1);
  t.same(slow.calls, []);
  t.equal(server.count('queued.test'), 0);
});

t.test('rebinding gains nothing: the address told is the one that is checked and dialled', async (t) => {
  let answers = 0;
  const { subscribe, clock } = await startDiscovery(t, (question) =>
    addressesFor(question, question.type === 'A' && ++answers > 1 ? ['169.254.169.254'] : ['203.0.113.9'], 0),
  );
  const { sink } = await subscribe('evil.test');
  clock.advance(5_000);
  await sink.settledTimes(2);
  const rules = new AddressRules({ allow: [], listeners: [], local: [] });
  t.same(
    sink.specs.map(({ address, port }) => [address, rules.check(address, port)?.code ?? null]),
    [
      ['203.0.113.9', null],
      ['169.254.169.254', 'DESTINATION_DENIED'],
    ],
  );
});

t.test('a lookup that throws against its contract is an error and no unhandled rejection', async (t) => {
  const lookup = {
    clusterDomain: 'cluster.local',
    lookup: () => Promise.reject(new Error('boom')),
    onChange: () => {},
    close: () => {},
  };
  const { subscribe } = await startDiscovery(t, () => SILENCE, { lookup });
  t.same((await subscribe('x.test')).sink.calls, ['settled INTERNAL']);
});
