import t from 'tap';
import { DestinationObserver } from '../../src/observer.ts';
import { moveCounters } from '../../src/telemetry/counters.ts';
import { eventually, type Relay, startRelay } from '../relay/relay-fixture.ts';
import { NOT_SAMPLED, OK, PARENT, retune, SAMPLED, spanOf, startTraced, TRACE } from './traced-fixture.ts';

const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

async function metrics({ operatorPort }: Relay, accept: string): Promise<string[]> {
  const response = await fetch(`http://127.0.0.1:${operatorPort}/metrics`, { headers: { accept } });
  return (await response.text()).split('\n');
}

/** Lines of buckets that have an exemplar: `le`, and what stands behind the count. */
async function exemplars(relay: Relay, name: string): Promise<(readonly [le: string, exemplar: string])[]> {
  return (await metrics(relay, OPEN_METRICS))
    .filter((line) => line.startsWith(`carpool_${name}_bucket`) && line.includes(' # '))
    .map((line) => [/le="([^"]+)"/.exec(line)?.[1] ?? '', line.slice(line.indexOf(' # ') + 3)]);
}

/** One request that takes `ms`. */
async function pass(relay: Relay, fields: string, ms: number): Promise<void> {
  const client = await relay.client();
  const before = relay.origin.connections[0]?.received.length ?? 0;
  client.write(relay.head('GET', '/', fields));
  const upstream = await relay.origin.connection(0);
  await upstream.until(({ received }) => received.slice(before).endsWith('\r\n\r\n'));
  relay.clock.advance(ms);
  upstream.write(OK);
  await client.untilReceived('ok');
}

t.test('an exemplar names the trace that the app has sampled, in the bucket that it fell into', async (t) => {
  const relay = await startRelay(t, { telemetry: { exemplars: true } });
  // Its code is loaded after the start.
  do await pass(relay, `traceparent: ${SAMPLED}\r\n`, 60);
  while ((await exemplars(relay, 'request_duration_seconds')).length === 0);
  const [[le, exemplar] = ['', '']] = await exemplars(relay, 'request_duration_seconds');
  t.equal(le, '0.1');
  t.equal(exemplar, `{trace_id="${TRACE}",span_id="${PARENT}"} 0.06 ${relay.clock.wall() / 1000}`);
  await pass(relay, `traceparent: ${NOT_SAMPLED}\r\n`, 700);
  await pass(relay, '', 700);
  t.equal((await exemplars(relay, 'request_duration_seconds')).length, 1, 'others leave none');
  const second = SAMPLED.replace(TRACE, 'f'.repeat(32));
  await pass(relay, `traceparent: ${second}\r\n`, 60);
  await pass(relay, `traceparent: ${SAMPLED}\r\n`, 40_000);
  const [first, last] = await exemplars(relay, 'request_duration_seconds');
  t.match(first?.[1], 'f'.repeat(32), 'the last one of a bucket');
  t.equal(last?.[0], '+Inf');
  const plain = await metrics(relay, 'text/plain');
  t.notOk(
    plain.some((line) => line.includes(' # ')),
    'the older format knows none',
  );
});

t.test('with spans an exemplar names carpool’s own, and one that waited is an example of waiting', async (t) => {
  const settings = { defaults: { pool: { maxConnections: 1 } } };
  const relay = await startTraced(t, {}, settings, { exemplars: true });
  const first = await relay.client();
  first.write(relay.head('GET', '/first', `traceparent: ${NOT_SAMPLED}\r\n`));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('/first');
  const second = await relay.client();
  second.write(relay.head('GET', '/second', `traceparent: ${SAMPLED}\r\n`));
  await eventually(() => relay.stats().pending === 1);
  relay.clock.advance(300);
  upstream.write(OK);
  await upstream.untilReceived('/second');
  upstream.write(OK);
  await second.untilReceived('ok');
  const { spanId } = spanOf(await relay.spans(2), 1);
  const named = `{trace_id="${TRACE}",span_id="${spanId}"} 0.3 `;
  for (const name of ['request_duration_seconds', 'pool_acquire_duration_seconds']) {
    const [found, ...others] = await exemplars(relay, name);
    t.equal(found?.[0], '0.5', name);
    t.equal(found?.[1].slice(0, named.length), named, name);
    t.equal(others.length, 0, name);
  }
});

t.test('exemplars are off by default, and a reload switches them', async (t) => {
  const relay = await startTraced(t);
  await pass(relay, `traceparent: ${SAMPLED}\r\n`, 60);
  t.same(await exemplars(relay, 'request_duration_seconds'), []);
  await retune(relay, { exemplars: true, tracing: { enabled: false } });
  await pass(relay, `traceparent: ${SAMPLED}\r\n`, 60);
  t.equal((await exemplars(relay, 'request_duration_seconds')).length, 1);
  await retune(relay, { exemplars: false, tracing: { enabled: false } });
  await pass(relay, `traceparent: ${SAMPLED}\r\n`, 700);
  t.equal((await exemplars(relay, 'request_duration_seconds')).length, 1, 'no new one');
});

t.test(
  'of destinations that share a label the last exemplar stands, and one that was moved on does not come again',
  (t) => {
    const [one, other, label] = [
      new DestinationObserver('a'),
      new DestinationObserver('b'),
      new DestinationObserver('other'),
    ];
    const count = (observer: DestinationObserver, traceId: string | null): void => {
      observer.requestEnded(0, 200, 60);
      if (traceId !== null) {
        observer.requestDuration.exemplify({ traceId, spanId: PARENT, valueSeconds: 0.06, timeSeconds: 1 });
      }
      moveCounters(observer, label);
    };
    const shown = () => (label.requestDuration.exemplars ?? []).map((exemplar) => exemplar?.traceId ?? null);
    count(one, 'first');
    count(other, 'second');
    count(one, null);
    t.same(
      shown().filter((traceId) => traceId !== null),
      ['second'],
    );
    t.equal(label.requestDuration.total, 3);
    t.end();
  },
);
