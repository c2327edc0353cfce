import t from 'tap';
import type { LookupResult } from '../../src/discovery/dns-stub.ts';
import { DnsFixture, KUBERNETES } from './dns-fixture.ts';
import { addressesFor, NODATA, NXDOMAIN, SERVFAIL, SILENCE, zone } from './dns-server.ts';

function found(result: LookupResult): { name: string; addresses: readonly string[]; ttlMs: number } {
  if (result.kind !== 'found') throw result.error;
  return result;
}

t.test('a name in the hosts file (hostAliases) is never asked of a nameserver', async (t) => {
  const hosts = '10.1.1.1 legacy legacy.corp # comment\n10.1.1.2\tLegacy\nfd00::7 legacy\nnonsense legacy\n';
  const { stub, server } = await DnsFixture.start(t, zone({ legacy: ['10.9.9.9'] }), { hosts });
  for (const name of ['legacy', 'LEGACY', 'legacy.']) {
    const result = found(await stub.lookup(name));
    t.same(result.addresses, ['10.1.1.1', '10.1.1.2', 'fd00::7']);
    t.equal(result.ttlMs, Number.POSITIVE_INFINITY);
  }
  t.same(found(await stub.lookup('legacy.corp')).addresses, ['10.1.1.1']);
  t.same(server.questions, []);
});

t.test('localhost is loopback, in no file and asked of nobody', async (t) => {
  const { stub, server } = await DnsFixture.start(t, zone({ localhost: ['6.6.6.6'] }));
  t.same(found(await stub.lookup('localhost')).addresses, ['127.0.0.1', '::1']);
  t.same(found(await stub.lookup('app.localhost')).addresses, ['127.0.0.1', '::1']);
  t.same(server.questions, []);
});

t.test('with ndots:5 a service is found below the search domains, in their order', async (t) => {
  const { stub, server } = await DnsFixture.start(t, zone({ 'orders.shop.svc.cluster.local': ['10.96.0.7'] }), {
    conf: KUBERNETES,
  });
  const result = found(await stub.lookup('orders.shop'));
  t.equal(result.name, 'orders.shop.svc.cluster.local');
  t.same(result.addresses, ['10.96.0.7']);
  t.same(server.names, ['orders.shop.shop.svc.cluster.local', 'orders.shop.svc.cluster.local']);
  t.equal(found(await stub.lookup('orders')).name, 'orders.shop.svc.cluster.local');
});

t.test('with ndots:5 an external name is asked as it is after all search domains', async (t) => {
  const { stub, server } = await DnsFixture.start(t, zone({ 'api.example.com': ['203.0.113.5'] }), {
    conf: KUBERNETES,
  });
  t.equal(found(await stub.lookup('api.example.com')).name, 'api.example.com');
  t.same(server.names, [
    'api.example.com.shop.svc.cluster.local',
    'api.example.com.svc.cluster.local',
    'api.example.com.cluster.local',
    'api.example.com',
  ]);
});

t.test('a name with ndots dots is asked as it is first, and below the search domains after that', async (t) => {
  const { stub, server } = await DnsFixture.start(t, zone({ 'a.b.c.d.e.f': ['10.0.0.1'], 'x.y.corp': ['10.0.0.2'] }), {
    conf: 'search corp\noptions ndots:1',
  });
  t.equal(found(await stub.lookup('a.b.c.d.e.f')).name, 'a.b.c.d.e.f');
  t.same(server.names, ['a.b.c.d.e.f']);
  t.equal(found(await stub.lookup('x.y')).name, 'x.y.corp');
  t.same(server.names.slice(1), ['x.y', 'x.y.corp']);
});

t.test('a trailing dot makes a name absolute: no search', async (t) => {
  const { stub, server } = await DnsFixture.start(t, zone({}), { conf: KUBERNETES });
  t.equal((await stub.lookup('orders.')).kind, 'absent');
  t.same(server.names, ['orders']);
});

t.test('A and AAAA are asked in parallel and both are used', async (t) => {
  const fixture = await DnsFixture.start(t, async (question) => {
    // Neither is answered before both were asked.
    await fixture.server.until(() => fixture.server.questions.length === 2);
    return addressesFor(question, ['10.0.0.1', '10.0.0.2', 'fd00::1']);
  });
  const result = await fixture.stub.lookup('both.test.');
  t.match(result, { addresses: ['10.0.0.1', '10.0.0.2', 'fd00::1'], unknownFamily: null });
});

t.test('a name with addresses of one family only is found, and the other family is known to have none', async (t) => {
  const { stub } = await DnsFixture.start(t, zone({ 'four.test': ['10.0.0.1'], 'six.test': ['fd00::1'] }));
  t.match(await stub.lookup('four.test'), { kind: 'found', addresses: ['10.0.0.1'], unknownFamily: null });
  t.match(await stub.lookup('six.test'), { kind: 'found', addresses: ['fd00::1'], unknownFamily: null });
});

t.test('the family of a SERVFAIL is unknown, and the other one is used', async (t) => {
  const { stub } = await DnsFixture.start(t, (question) =>
    question.type === 'AAAA' ? SERVFAIL : addressesFor(question, ['10.0.0.1']),
  );
  t.match(await stub.lookup('half.test'), { kind: 'found', addresses: ['10.0.0.1'], unknownFamily: 6 });
});

t.test('a silent family holds the other one up for the grace, not for the time-out', async (t) => {
  for (const silent of ['A', 'AAAA'] as const) {
    const { stub, clock, server } = await DnsFixture.start(
      t,
      (question) =>
        question.type === silent && question.name === 'half.test'
          ? SILENCE
          : addressesFor(question, ['10.0.0.1', 'fd00::1']),
      // Far beyond the time that a test may take: only the grace can end this.
      { timeoutMs: 3_600_000, familyGraceMs: 50 },
    );
    const before = clock.waiting;
    let ended = false;
    const lookup = stub.lookup('half.test.').finally(() => {
      ended = true;
    });
    await server.until(() => server.questions.length === 2);
    // When this has been answered, the family that speaks has been too.
    await stub.lookup('flush.test.');
    clock.advance(49);
    await stub.lookup('flush.test.');
    t.notOk(ended, 'still waiting');
    clock.advance(1);
    const address = silent === 'A' ? 'fd00::1' : '10.0.0.1';
    t.match(await lookup, { kind: 'found', addresses: [address], unknownFamily: silent === 'A' ? 4 : 6 });
    t.equal(clock.waiting, before, 'no timer is left');
  }
});

t.test('a family without addresses does not hurry the other one', async (t) => {
  const late = Promise.withResolvers<void>();
  const { stub, clock, server } = await DnsFixture.start(t, async (question) => {
    if (question.type === 'A') return NODATA;
    if (question.name === 'six.test') await late.promise;
    return addressesFor(question, ['fd00::1']);
  });
  const lookup = stub.lookup('six.test.');
  await server.until(() => server.questions.length === 2);
  await stub.lookup('flush.test.');
  clock.advance(1_000);
  late.resolve();
  t.match(await lookup, { kind: 'found', addresses: ['fd00::1'] });
});

t.test('addresses of a family that the pod does not speak are left out, unless there are no others', async (t) => {
  const { stub } = await DnsFixture.start(
    t,
    zone({ 'both.test': ['10.0.0.1', 'fd00::1'], 'six.test': ['fd00::1'], 'lo.test': ['10.0.0.1', '::1'] }),
    { families: () => ({ ipv4: true, ipv6: false }) },
  );
  t.same(found(await stub.lookup('both.test')).addresses, ['10.0.0.1']);
  t.same(found(await stub.lookup('six.test')).addresses, ['fd00::1']);
  t.same(found(await stub.lookup('lo.test')).addresses, ['10.0.0.1', '::1']);
});

t.test('options no-aaaa asks for IPv4 alone', async (t) => {
  const { stub, server } = await DnsFixture.start(t, zone({ 'four.test': ['10.0.0.1'] }), { conf: 'options no-aaaa' });
  t.match(await stub.lookup('four.test'), { kind: 'found', unknownFamily: null });
  t.equal(server.count('four.test', 'AAAA'), 0);
});

t.test('a CNAME is followed, and its TTL counts when it is the lowest', async (t) => {
  const { stub } = await DnsFixture.start(t, (question) =>
    question.type === 'AAAA'
      ? NODATA
      : [
          {
            answers: [
              { cname: 'middle.test', ttl: 60 },
              { owner: 'middle.test', cname: 'end.test', ttl: 3 },
              { owner: 'end.test', address: '10.0.0.1', ttl: 300 },
            ],
          },
        ],
  );
  t.match(await stub.lookup('alias.test'), { kind: 'found', addresses: ['10.0.0.1'], ttlMs: 3_000 });
});

t.test('a CNAME without an address at its end is a name without addresses', async (t) => {
  const { stub } = await DnsFixture.start(t, () => [{ answers: [{ cname: 'end.test', ttl: 60 }] }]);
  t.match(await stub.lookup('alias.test'), { kind: 'absent', error: { code: 'NO_ROUTE', message: /NODATA/ } });
});

t.test('the lowest TTL of both families counts', async (t) => {
  const { stub } = await DnsFixture.start(t, (question) =>
    addressesFor(question, ['10.0.0.1', 'fd00::1'], question.type === 'A' ? 40 : 20),
  );
  t.equal(found(await stub.lookup('both.test')).ttlMs, 20_000);
});

t.test('a truncated answer is asked for again over TCP', async (t) => {
  const many = Array.from({ length: 200 }, (_, index) => `10.0.1.${index}`);
  const { stub, server } = await DnsFixture.start(t, (question) =>
    question.transport === 'udp' ? [{ truncated: true }] : addressesFor(question, many),
  );
  t.equal(found(await stub.lookup('many.test')).addresses.length, 200);
  t.ok(server.questions.some(({ transport }) => transport === 'tcp'));
});

t.test('the same address twice in an answer is one', async (t) => {
  const { stub } = await DnsFixture.start(t, (question) => addressesFor(question, ['10.0.0.1', '10.0.0.1']));
  t.same(found(await stub.lookup('twice.test')).addresses, ['10.0.0.1']);
});

t.test('what is no name is not asked for, and the error says why', async (t) => {
  const { stub, server } = await DnsFixture.start(t, zone({}), { conf: KUBERNETES });
  const odd = ['127.1', '2130706433', '0x7f000001', '0177.0.0.1', '10.0.0.300', '127.0.0.1.', 'a.0x7f'];
  for (const name of odd)
    t.match(await stub.lookup(name), { kind: 'absent', error: { code: 'NO_ROUTE', message: /neither a name nor/ } });
  for (const name of ['a..b', '.', '', '.a', 'a b', 'x\\.y', 'é.test', `${'a'.repeat(64)}.test`, '__proto__\n'])
    t.match(await stub.lookup(name), { kind: 'absent', error: { code: 'NO_ROUTE', message: /is not a DNS name/ } });
  const long = `${'a.'.repeat(130)}test`;
  t.match(await stub.lookup(long), { kind: 'absent', error: { code: 'NO_ROUTE', message: /too long/ } });
  t.same(server.questions, []);
});

t.test('names from prototypes are names like others', async (t) => {
  const { stub } = await DnsFixture.start(t, zone({ 'x.test': ['10.0.0.1'] }), { hosts: '10.0.0.9 constructor\n' });
  t.same(found(await stub.lookup('constructor')).addresses, ['10.0.0.9']);
  t.equal((await stub.lookup('__proto__')).kind, 'absent');
});

t.test('a name that does not exist anywhere is NO_ROUTE, with the names, the servers and their answers', async (t) => {
  const { stub, server } = await DnsFixture.start(
    t,
    (question) => (question.name === 'orders' && question.type === 'AAAA' ? NODATA : NXDOMAIN),
    { conf: 'search shop.svc.cluster.local\noptions ndots:5' },
  );
  const result = await stub.lookup('orders');
  if (result.kind === 'found') throw new Error('found');
  t.equal(result.kind, 'absent');
  t.equal(result.error.code, 'NO_ROUTE');
  t.equal(
    result.error.message,
    `orders has no address in DNS: orders.shop.svc.cluster.local NXDOMAIN (${server.address}); ` +
      `orders A NXDOMAIN, AAAA NODATA (${server.address})`,
  );
});
