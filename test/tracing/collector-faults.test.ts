import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../relay/relay-fixture.ts';
import { findingOf } from '../status/findings-fixture.ts';
import { fieldOf, OK, retune, startTraced, type Traced, tracingStands } from './traced-fixture.ts';

/** Requests and their answers, over connection `number` of the origin. @returns what came of the last one */
async function pass(relay: Traced, count = 1, number = 0): Promise<string> {
  const client = await relay.client();
  let received = '';
  for (let index = 0; index < count; index++) {
    const before = relay.origin.connections[number]?.received.length ?? 0;
    client.write(relay.head('GET', '/'));
    const upstream = await relay.origin.connection(number);
    await upstream.until(({ received }) => received.slice(before).endsWith('\r\n\r\n'));
    received = upstream.received.slice(before);
    upstream.write(OK);
    await client.until(({ received }) => received.length === (index + 1) * OK.length);
  }
  client.socket.destroy();
  return received;
}

const warnings = ({ logFile }: Traced): string[] =>
  readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes('the collector did not take'));

const outcomes = async (relay: Traced): Promise<number[]> =>
  Promise.all(
    ['exported', 'failed', 'dropped'].map((outcome) => relay.metric('trace_spans_total', `outcome="${outcome}"`)),
  );

t.test(
  'a collector that says no: the spans are lost and counted, a line tells why, and another not within a minute',
  async (t) => {
    const relay = await startTraced(t, {}, {}, {}, () => ({ status: 400, body: 'no such tenant' }));
    await pass(relay);
    relay.clock.advance(6000);
    await eventually(() => relay.app.process().spans?.failed === 2);
    relay.clock.advance(1000);
    t.match((await findingOf(relay, 'traces_lost')).title, '2 spans of traces lost in 10 minutes');
    await pass(relay);
    relay.clock.advance(6000);
    await eventually(() => relay.app.process().spans?.failed === 4);
    t.same(await outcomes(relay), [0, 4, 0]);
    await eventually(() => warnings(relay).length > 0);
    t.equal(warnings(relay).length, 1);
    t.match(warnings(relay)[0], 'HTTP 400');
    relay.clock.advance(60_000);
    // An idle connection is not kept for so long.
    await pass(relay, 1, 1);
    relay.clock.advance(6000);
    await eventually(() => relay.app.process().spans?.failed === 6);
    await eventually(() => warnings(relay).length > 1);
    t.equal(warnings(relay).length, 2);
  },
);

t.test(
  'a collector that never answers: requests go on, what waits is bounded, and each batch has its deadline',
  async (t) => {
    const relay = await startTraced(t, { timeout: '60s' }, {}, {}, () => 'silent');
    // 4 batches of 64 under way, 1024 in the queue, and 2 spans a request.
    await pass(relay, 650);
    t.same(await outcomes(relay), [0, 0, 1300 - 1024 - 256]);
    t.equal(relay.collector.requests.length, 4);
    relay.clock.advance(61_000);
    await eventually(() => relay.app.process().spans?.failed === 256);
    await eventually(() => warnings(relay).length > 0);
    t.match(warnings(relay)[0], 'did not answer within');
    await eventually(() => relay.collector.requests.length >= 8);
    // Before the sidecar is closed by the test's end: its last second passes by the clock alone.
    let closed = false;
    void relay.app.close().then(() => {
      closed = true;
    });
    await eventually(() => {
      relay.clock.advance(100);
      return closed;
    });
  },
);

t.test('a stop sends what waits', async (t) => {
  const relay = await startTraced(t);
  await pass(relay);
  await relay.app.close();
  t.equal(relay.collector.spans.length, 2);
});

t.test('a stop waits a second for a collector that does not answer, and no longer', async (t) => {
  const relay = await startTraced(t, { timeout: '60s' }, {}, {}, () => 'silent');
  await pass(relay);
  let closed = false;
  const closing = relay.app.close().then(() => {
    closed = true;
  });
  await eventually(() => relay.collector.requests.length === 1);
  relay.clock.advance(999);
  await new Promise<void>((resolve) => setImmediate(resolve));
  t.equal(closed, false);
  relay.clock.advance(1);
  await closing;
  await eventually(() => relay.collector.open === 0);
  t.pass('its connection is closed');
});

t.test('fields for the collector come from a file, which is followed', async (t) => {
  const file = join(
    t.testdir({ headers: '# of the tenant\nAuthorization: Bearer first\n\nX-Tenant: shop\n' }),
    'headers',
  );
  const relay = await startTraced(t, { headersFile: file });
  await pass(relay);
  await relay.spans(2);
  t.match(relay.collector.requests[0]?.headers, { authorization: 'Bearer first', 'x-tenant': 'shop' });
  writeFileSync(file, 'authorization: Bearer the second one\n');
  await pass(relay);
  await relay.spans(4);
  t.match(relay.collector.requests[1]?.headers, { authorization: 'Bearer the second one' });
  t.notOk('x-tenant' in (relay.collector.requests[1]?.headers ?? {}));
  writeFileSync(file, 'the secret itself');
  await pass(relay);
  await relay.spans(6);
  t.equal(relay.collector.requests[2]?.headers.authorization, 'Bearer the second one', 'what was of use serves on');
  const log = () => readFileSync(relay.logFile, 'utf8');
  await eventually(() => /headersFile .*line 1 is no field/.test(log()));
  t.notOk(/secret itself|Bearer/.test(log()), 'nothing of it is told');
});

t.test('a reload switches tracing on and off', async (t) => {
  const relay = await startTraced(t);
  const on = { enabled: true, endpoint: relay.collector.url, sampleRatio: 1 };
  t.not(fieldOf(await pass(relay), 'traceparent'), null);
  await retune(relay, { tracing: { ...on, enabled: false } });
  await relay.collector.until((spans) => spans.length === 2);
  t.equal(fieldOf(await pass(relay), 'traceparent'), null, 'off: nothing is added');
  await retune(relay, { tracing: { ...on, serviceName: 'again' } });
  await eventually(() => readFileSync(relay.logFile, 'utf8').split('requests are traced').length === 3);
  t.not(fieldOf(await pass(relay), 'traceparent'), null);
  const spans = await relay.spans(4);
  t.equal(spans.at(-1)?.resource['service.name'], 'again');
  t.same(await outcomes(relay), [4, 0, 0], 'the counter does not begin anew');
  await tracingStands(relay);
});
