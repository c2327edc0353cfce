import t from 'tap';
import { startDiscovery } from './discovery-fixture.ts';
import { KUBERNETES } from './dns-fixture.ts';
import { addressesFor, NXDOMAIN, type Script, SERVFAIL } from './dns-server.ts';

type Setup = Parameters<typeof startDiscovery>[2];

/** A name whose answers the test changes; `next` lets its TTL pass and returns what the sink was told. */
async function changing(t: Parameters<typeof startDiscovery>[0], vanished: 'keep' | 'evict' | null, setup: Setup = {}) {
  let script: Script = () => NXDOMAIN;
  const { clock, subscribe } = await startDiscovery(t, (question) => script(question), setup);
  let subscribed: Awaited<ReturnType<typeof subscribe>> | null = null;
  let answers = 0;
  return {
    answer: (...next: string[]) => {
      script = (question) => addressesFor(question, next);
    },
    script: (next: Script) => {
      script = next;
    },
    next: async (host = 'x.test') => {
      answers++;
      if (!subscribed) subscribed = await subscribe(host, 80, vanished);
      else clock.advance(60_000);
      await subscribed.sink.settledTimes(answers);
      return subscribed.sink.take();
    },
    sink: () => subscribed?.sink,
    /** Another subscriber of the same name. */
    late: async (host = 'x.test') => (await subscribe(host, 81, vanished)).sink,
  };
}

t.test('keep: an address missing from an answer leaves the rotation and stays', async (t) => {
  const name = await changing(t, 'keep');
  name.answer('10.0.0.1', '10.0.0.2');
  await name.next();
  name.answer('10.0.0.1');
  t.same(await name.next(), ['suspend 10.0.0.2:80', 'settled']);
  for (let i = 0; i < 10; i++) t.same(await name.next(), ['settled']);
  name.answer('10.0.0.1', '10.0.0.2');
  t.same(await name.next(), ['add 10.0.0.2:80', 'settled']);
  t.same([...(name.sink()?.endpoints.values() ?? [])], ['ready', 'ready']);
});

t.test('evict: an address leaves the rotation at once and is removed after three answers without it', async (t) => {
  const name = await changing(t, 'evict');
  name.answer('10.0.0.1', '10.0.0.2');
  await name.next();
  name.answer('10.0.0.1');
  t.same(await name.next(), ['suspend 10.0.0.2:80', 'settled']);
  t.same(await name.next(), ['settled']);
  t.same(await name.next(), ['remove 10.0.0.2:80', 'settled']);
  t.same(await name.next(), ['settled']);
  name.answer('10.0.0.1', '10.0.0.2');
  t.same(await name.next(), ['add 10.0.0.2:80', 'settled'], 'and comes back as a new one');
});

t.test('evict: a flapping address is not removed, for the three have to be in a row', async (t) => {
  const name = await changing(t, 'evict');
  for (let i = 0; i < 5; i++) {
    name.answer('10.0.0.1', '10.0.0.2');
    t.ok((await name.next()).includes('add 10.0.0.2:80'));
    name.answer('10.0.0.1');
    t.same(await name.next(), ['suspend 10.0.0.2:80', 'settled']);
    t.same(await name.next(), ['settled']);
  }
});

t.test('evict: a failed lookup between is no answer without the address', async (t) => {
  const name = await changing(t, 'evict');
  name.answer('10.0.0.1', '10.0.0.2');
  await name.next();
  name.answer('10.0.0.1');
  await name.next();
  await name.next();
  name.script(() => SERVFAIL);
  t.same(await name.next(), ['settled NO_ROUTE']);
  t.same(await name.next(), ['settled NO_ROUTE']);
  name.answer('10.0.0.1');
  t.same(await name.next(), ['remove 10.0.0.2:80', 'settled']);
});

t.test('addresses of a family that was not answered stay as they are', async (t) => {
  for (const vanished of ['keep', 'evict'] as const) {
    const name = await changing(t, vanished);
    name.answer('10.0.0.1', 'fd00::1');
    await name.next();
    name.script((question) => (question.type === 'AAAA' ? SERVFAIL : addressesFor(question, ['10.0.0.1'])));
    for (let i = 0; i < 4; i++) t.same(await name.next(), ['settled']);
    name.script((question) => (question.type === 'A' ? SERVFAIL : addressesFor(question, ['fd00::2'])));
    t.same(await name.next(), ['add [fd00::2]:80', 'suspend [fd00::1]:80', 'settled']);
  }
});

t.test('by itself a name below the cluster domain evicts, found by search or written out', async (t) => {
  for (const [domain, host] of [
    ['cluster.local', 'orders.shop'],
    ['cluster.local', 'orders.shop.svc.cluster.local'],
    ['k8s.corp', 'orders'],
  ] as const) {
    const conf = KUBERNETES.replaceAll('cluster.local', domain);
    const name = await changing(t, null, { conf });
    const only =
      (...addresses: string[]): Script =>
      (question) =>
        question.name === `orders.shop.svc.${domain}` ? addressesFor(question, addresses) : NXDOMAIN;
    name.script(only('10.0.0.1', '10.0.0.2'));
    await name.next(host);
    name.script(only('10.0.0.1'));
    t.same(await name.next(), ['suspend 10.0.0.2:80', 'settled']);
    await name.next();
    t.same(await name.next(), ['remove 10.0.0.2:80', 'settled']);
  }
});

t.test('by itself any other name keeps', async (t) => {
  const name = await changing(t, null, { conf: KUBERNETES });
  const only =
    (...addresses: string[]): Script =>
    (question) =>
      question.name === 's3.example.com' ? addressesFor(question, addresses) : NXDOMAIN;
  name.script(only('10.0.0.1', '10.0.0.2'));
  await name.next('s3.example.com');
  name.script(only('10.0.0.1'));
  t.same(await name.next(), ['suspend 10.0.0.2:80', 'settled']);
  for (let i = 0; i < 4; i++) t.same(await name.next(), ['settled']);
});

t.test('keep: at most 64 addresses stay out of rotation, and the oldest go first', async (t) => {
  const name = await changing(t, 'keep');
  for (let i = 0; i <= 65; i++) {
    name.answer(`10.0.0.${i}`);
    await name.next();
  }
  t.equal(name.sink()?.endpoints.size, 65, '64 out of rotation and one in it');
  t.notOk(name.sink()?.endpoints.has('10.0.0.0:80'));
  t.ok(name.sink()?.endpoints.has('10.0.0.1:80'));
  // 10.0.0.1 comes back and leaves again: now it is the youngest, and 10.0.0.2 goes before it.
  name.answer('10.0.0.1');
  await name.next();
  name.answer('10.0.0.200');
  const told = await name.next();
  t.same(told, ['add 10.0.0.200:80', 'suspend 10.0.0.1:80', 'remove 10.0.0.2:80', 'settled']);
});

t.test('a name that is suddenly absent keeps its endpoints until it was absent three times in a row', async (t) => {
  for (const vanished of ['keep', 'evict'] as const) {
    const name = await changing(t, vanished);
    name.answer('10.0.0.1', '10.0.0.2');
    await name.next();
    name.script(() => NXDOMAIN);
    t.same(await name.next(), ['settled NO_ROUTE']);
    t.same(await name.next(), ['settled NO_ROUTE']);
    const verb = vanished === 'keep' ? 'suspend' : 'remove';
    t.same(await name.next(), [`${verb} 10.0.0.1:80`, `${verb} 10.0.0.2:80`, 'settled NO_ROUTE']);
    t.same(await name.next(), ['settled NO_ROUTE']);
    t.same((await name.late()).calls, ['settled NO_ROUTE'], 'who comes now is told of none');
    name.answer('10.0.0.1');
    t.same(await name.next(), ['add 10.0.0.1:80', 'settled']);
  }
});
