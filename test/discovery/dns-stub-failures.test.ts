import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { DnsFixture, KUBERNETES } from './dns-fixture.ts';
import { addressesFor, DnsServer, NODATA, NXDOMAIN, RCODE, SERVFAIL, SILENCE, zone } from './dns-server.ts';

/** Real time: as short as an answer over loopback allows. */
const SHORT_MS = 100;

t.test('a time-out is DNS_TIMEOUT and not an absent name', async (t) => {
  const { stub, server } = await DnsFixture.start(t, () => SILENCE, { timeoutMs: SHORT_MS });
  const result = await stub.lookup('silent.test');
  t.match(result, { kind: 'failed', error: { code: 'DNS_TIMEOUT', status: 504 } });
  t.match(result, { error: { message: `looking silent.test up timed out: silent.test TIMEOUT (${server.address})` } });
  t.equal(server.count('silent.test', 'A'), 2, 'resolv.conf says 2 attempts unless it says otherwise');
  t.equal(server.count('silent.test', 'AAAA'), 2);
});

t.test("a try takes resolv.conf's timeout by the clock, and no longer", async (t) => {
  const { stub, server, clock } = await DnsFixture.start(t, () => SILENCE, {
    conf: 'options timeout:30 attempts:2 no-aaaa',
  });
  const before = clock.waiting;
  const lookup = stub.lookup('silent.test.');
  await server.until(() => server.questions.length === 1);
  clock.advance(29_999);
  t.equal(clock.waiting, before + 1, 'still waiting');
  clock.advance(1);
  await server.until(() => server.questions.length === 2);
  clock.advance(30_000);
  t.match(await lookup, { kind: 'failed', error: { code: 'DNS_TIMEOUT', message: /TIMEOUT/ } });
  t.equal(clock.waiting, before, 'no timer is left');
});

t.test('options attempts says how often a silent nameserver is asked', async (t) => {
  const { stub, server } = await DnsFixture.start(t, () => SILENCE, {
    conf: 'options attempts:3',
    timeoutMs: SHORT_MS,
  });
  await stub.lookup('silent.test');
  t.equal(server.count('silent.test'), 3);
});

t.test('a lost packet is asked again', async (t) => {
  const { stub, server } = await DnsFixture.start(
    t,
    (question) => (server.count(question.name, question.type) === 1 ? SILENCE : addressesFor(question, ['10.0.0.1'])),
    { timeoutMs: SHORT_MS },
  );
  t.match(await stub.lookup('lossy.test'), { kind: 'found', addresses: ['10.0.0.1'] });
});

t.test('silence about a search candidate ends the search: the name keeps its meaning', async (t) => {
  const { stub, server } = await DnsFixture.start(
    t,
    (question) => (question.name.endsWith('cluster.local') ? SILENCE : addressesFor(question, ['203.0.113.6'])),
    { conf: KUBERNETES, timeoutMs: SHORT_MS },
  );
  t.match(await stub.lookup('orders.shop'), { kind: 'failed', error: { code: 'DNS_TIMEOUT' } });
  t.notOk(server.names.includes('orders.shop'));
});

t.test('SERVFAIL about a search candidate lets the search go on', async (t) => {
  const { stub } = await DnsFixture.start(
    t,
    (question) => (question.name.endsWith('cluster.local') ? SERVFAIL : addressesFor(question, ['203.0.113.6'])),
    { conf: KUBERNETES },
  );
  t.match(await stub.lookup('api.example.com'), { kind: 'found', name: 'api.example.com' });
});

t.test('a name is not absent while one candidate was answered with SERVFAIL', async (t) => {
  const { stub } = await DnsFixture.start(
    t,
    (question) => (question.name === 'orders.svc.cluster.local' ? SERVFAIL : NXDOMAIN),
    { conf: KUBERNETES },
  );
  const result = await stub.lookup('orders');
  t.match(result, { kind: 'failed', error: { code: 'NO_ROUTE', status: 502 } });
  t.match(result, { error: { message: /orders\.svc\.cluster\.local SERVFAIL/ } });
});

t.test('after SERVFAIL or REFUSED the next nameserver is asked', async (t) => {
  for (const rcode of [RCODE.SERVFAIL, RCODE.REFUSED, RCODE.NOTIMP, RCODE.FORMERR]) {
    const broken = await DnsServer.start(() => [{ rcode }]);
    const good = await DnsServer.start(zone({ 'x.test': ['10.0.0.1'] }));
    t.teardown(() => Promise.all([broken.close(), good.close()]));
    const conf = `nameserver ${broken.address}\nnameserver ${good.address}`;
    const { stub } = await DnsFixture.start(t, () => SILENCE, { conf });
    t.match(await stub.lookup('x.test'), { kind: 'found', addresses: ['10.0.0.1'], unknownFamily: null });
    t.equal(broken.count('x.test'), 1);
  }
});

t.test('NXDOMAIN of the first nameserver is final', async (t) => {
  const first = await DnsServer.start(zone({}));
  const second = await DnsServer.start(zone({ 'x.test': ['10.0.0.1'] }));
  t.teardown(() => Promise.all([first.close(), second.close()]));
  const conf = `nameserver ${first.address}\nnameserver ${second.address}`;
  const { stub } = await DnsFixture.start(t, () => SILENCE, { conf });
  t.equal((await stub.lookup('x.test')).kind, 'absent');
  t.equal(second.questions.length, 0);
});

t.test('a silent nameserver costs its time-out once and then comes last', async (t) => {
  const silent = await DnsServer.start(() => SILENCE);
  const good = await DnsServer.start((question) => addressesFor(question, ['10.0.0.1', 'fd00::1']));
  t.teardown(() => Promise.all([silent.close(), good.close()]));
  const conf = `nameserver ${silent.address}\nnameserver ${good.address}`;
  const { stub, clock } = await DnsFixture.start(t, () => SILENCE, { conf, timeoutMs: SHORT_MS });
  t.equal((await stub.lookup('one.test')).kind, 'found');
  t.equal((await stub.lookup('two.test')).kind, 'found');
  t.same(silent.names, ['one.test']);
  clock.advance(30_000);
  t.equal((await stub.lookup('three.test')).kind, 'found');
  t.same(silent.names, ['one.test', 'three.test'], 'it gets its place back');
});

t.test('options rotate begins with another nameserver each time', async (t) => {
  const servers = await Promise.all([1, 2, 3].map(() => DnsServer.start((q) => addressesFor(q, ['10.0.0.1']))));
  t.teardown(() => Promise.all(servers.map((server) => server.close())));
  const conf = `${servers.map(({ address }) => `nameserver ${address}`).join('\n')}\noptions rotate`;
  const { stub } = await DnsFixture.start(t, () => SILENCE, { conf });
  for (const name of ['a.test', 'b.test', 'c.test', 'd.test']) await stub.lookup(name);
  t.same(
    servers.map(({ names }) => names),
    [['a.test', 'd.test'], ['b.test'], ['c.test']],
  );
});

t.test('a nameserver that refuses the packets is passed over at once', async (t) => {
  // A port that was free a moment ago.
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  const good = await DnsServer.start(zone({ 'x.test': ['10.0.0.1'] }));
  t.teardown(() => good.close());
  const conf = `nameserver 127.0.0.1:${port}\nnameserver ${good.address}`;
  // Waiting for the time-out would take longer than this test may.
  const { stub } = await DnsFixture.start(t, () => SILENCE, { conf, timeoutMs: 3_600_000 });
  t.match(await stub.lookup('x.test'), { kind: 'found', addresses: ['10.0.0.1'] });
});

t.test('one family NODATA and the other silent is a time-out, for the silent one may have addresses', async (t) => {
  const { stub } = await DnsFixture.start(t, (question) => (question.type === 'A' ? NODATA : SILENCE), {
    timeoutMs: SHORT_MS,
  });
  const result = await stub.lookup('half.test');
  t.match(result, { kind: 'failed', error: { code: 'DNS_TIMEOUT', message: /A NODATA, AAAA TIMEOUT/ } });
});

t.test('one family NXDOMAIN is enough for a name to be absent', async (t) => {
  const { stub } = await DnsFixture.start(t, (question) => (question.type === 'A' ? NXDOMAIN : SILENCE), {
    timeoutMs: SHORT_MS,
  });
  t.match(await stub.lookup('half.test'), { kind: 'absent', error: { code: 'NO_ROUTE' } });
});

t.test('an answer with another id or another question is not believed', async (t) => {
  const lies = [{ wrongId: true }, { wrongQuestion: 'other.test' }];
  for (const lie of lies) {
    const { stub } = await DnsFixture.start(
      t,
      (question) => [
        { ...lie, answers: [{ address: question.type === 'A' ? '6.6.6.6' : '6666::6', ttl: 600 }] },
        ...addressesFor(question, ['10.0.0.1', 'fd00::1']),
      ],
      { timeoutMs: 5_000 },
    );
    t.match(await stub.lookup('true.test'), { kind: 'found', addresses: ['10.0.0.1', 'fd00::1'] });
  }
});

t.test('only lies are as good as silence', async (t) => {
  const { stub } = await DnsFixture.start(t, () => [{ wrongId: true, answers: [{ address: '6.6.6.6', ttl: 600 }] }], {
    timeoutMs: SHORT_MS,
  });
  t.match(await stub.lookup('true.test'), { kind: 'failed', error: { code: 'DNS_TIMEOUT' } });
});

t.test('bytes that are no DNS message do no harm', async (t) => {
  const { stub } = await DnsFixture.start(t, () => [{ raw: Buffer.from([0xff]) }, { raw: Buffer.alloc(40, 0xc0) }], {
    timeoutMs: SHORT_MS,
  });
  t.match(await stub.lookup('garbage.test'), { kind: 'failed' });
});

t.test('a TTL with its top bit set counts as zero', async (t) => {
  const { stub } = await DnsFixture.start(t, (question) => addressesFor(question, ['10.0.0.1'], 0x80000001));
  t.match(await stub.lookup('x.test'), { kind: 'found', ttlMs: 0 });
});

t.test('closing ends what is under way', async (t) => {
  const { stub, server } = await DnsFixture.start(t, () => SILENCE, { timeoutMs: 3_600_000 });
  const lookup = stub.lookup('silent.test');
  await server.until(() => server.questions.length === 2);
  stub.close();
  t.match(await lookup, { kind: 'failed' });
  t.match(await stub.lookup('later.test'), { kind: 'failed' });
});

t.test('a lookup ends however long its search list is', async (t) => {
  const { stub, clock, server } = await DnsFixture.start(
    t,
    () => {
      clock.advance(11_000);
      return NXDOMAIN;
    },
    { conf: 'search a b c d e f g h\noptions ndots:5 no-aaaa', timeoutMs: 3_600_000 },
  );
  t.match(await stub.lookup('slow'), { kind: 'failed', error: { code: 'DNS_TIMEOUT' } });
  t.same(server.names, ['slow.a', 'slow.b', 'slow.c']);
});

t.test(
  'an error about a name that the search list has not may mean that it is misspelt, and the hint says so',
  async (t) => {
    const { stub } = await DnsFixture.start(t, ({ name }) => (name.endsWith('cluster.local') ? NXDOMAIN : SERVFAIL), {
      conf: KUBERNETES,
    });
    t.match(await stub.lookup('ordesr'), {
      kind: 'failed',
      error: { message: /ordesr SERVFAIL/, hint: /^Check the spelling of the name.*cluster DNS/ },
    });
    const absolute = await stub.lookup('orders.example.');
    t.match(absolute, { kind: 'failed', error: { hint: /^The nameservers of/ } }, 'nothing speaks for that here');
  },
);
