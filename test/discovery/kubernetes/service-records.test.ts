import t, { type Test } from 'tap';
import { ProblemLog } from '../../../src/discovery/kubernetes/discovery-log.ts';
import { ServiceRecords } from '../../../src/discovery/kubernetes/service-records.ts';
import { TestClock } from '../../test-clock.ts';
import { FakeKubeApi, settled } from './fake-kube-api.ts';
import { service } from './kube-objects.ts';

/** Records over a scripted client, with random = 0.5, and what was asked for so far. */
function make(t: Test) {
  const api = new FakeKubeApi();
  const clock = new TestClock();
  const lines: string[] = [];
  const log = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(line) };
  const records: ServiceRecords = new ServiceRecords({
    api: () => Promise.resolve(api),
    clock,
    random: () => 0.5,
    problems: new ProblemLog(log),
    changed: (record) => records.report(record),
  });
  t.teardown(() => records.close());
  return { api, clock, lines, records };
}

t.test('after each failure a Service is asked for later, and after an answer as soon as at first', async (t) => {
  const { api, clock, records } = make(t);
  const record = records.open('shop', 'orders');
  record.users++;
  await settled();
  for (const wait of [600, 1200, 2400]) {
    await api.list.fail('unreachable');
    const { length } = api.lists;
    clock.advance(wait - 1);
    await settled();
    t.equal(api.lists.length, length, `not before ${wait} ms`);
    clock.advance(1);
    await settled();
    t.equal(api.lists.length, length + 1, `after ${wait} ms`);
  }
  await api.list.answerRaw(service({ name: 'orders' }));
  t.equal(record.answer.kind, 'found');
  clock.advance(5000);
  record.outdated();
  await settled();
  await api.list.fail('unreachable');
  const { length } = api.lists;
  clock.advance(600);
  await settled();
  t.equal(api.lists.length, length + 1, 'a failure of its own, not the fourth');
});

t.test('names that an app makes up do not gather, and those in use stay', async (t) => {
  const { records } = make(t);
  const used = records.open('shop', 'used');
  used.users++;
  for (let index = 0; index < 2000; index++) records.open('shop', `made-up-${index}`);
  t.equal(records.get('shop/used'), used);
  t.equal(records.get('shop/made-up-0'), undefined, 'the oldest went first');
  t.ok(records.get('shop/made-up-1999'));
  const kept = Array.from({ length: 2000 }, (_, index) => records.get(`shop/made-up-${index}`)).filter(Boolean);
  t.ok(kept.length <= 1024, `${kept.length}`);
});

t.test(
  'the Services of a namespace that cannot be read are one line, and over when the last of them can',
  async (t) => {
    const { api, clock, lines, records } = make(t);
    for (const name of ['orders', 'carts']) records.open('shop', name).users++;
    await settled();
    const [orders, carts] = api.lists;
    await orders?.fail('server');
    await carts?.fail('server');
    t.equal(lines.length, 1);
    t.ok(records.failed);
    clock.advance(600);
    await settled();
    const [, , ordersAgain, cartsAgain] = api.lists;
    await ordersAgain?.answerRaw(service({ name: 'orders' }));
    t.equal(lines.length, 1, 'one cannot be read yet');
    await cartsAgain?.answerRaw(service({ name: 'carts' }));
    t.match(lines, [/./, /over/]);
    t.notOk(records.failed);
  },
);
