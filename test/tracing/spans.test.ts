import t from 'tap';
import { eventually } from '../relay/relay-fixture.ts';
import { fieldOf, NOT_SAMPLED, OK, PARENT, SAMPLED, spanOf, startTraced, TRACE } from './traced-fixture.ts';

t.test(
  'a request that the app has sampled: its span, and one of the attempt, whose id the upstream gets',
  async (t) => {
    const relay = await startTraced(t, { serviceName: 'shop' });
    const client = await relay.client();
    client.write(
      relay.head('GET', '/secret?token=1', `traceparent: ${SAMPLED}\r\ntracestate: a=1, b=2\r\nX-Last: 1\r\n`),
    );
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    relay.clock.advance(250);
    upstream.write(OK);
    await client.untilReceived('ok');
    const spans = await relay.spans(2);
    t.equal(spans.length, 2);
    const request = spanOf(spans, 1);
    const attempt = spanOf(spans, 3);
    t.equal(fieldOf(upstream.received, 'traceparent'), `00-${TRACE}-${attempt.spanId}-01`);
    t.equal(fieldOf(upstream.received, 'tracestate'), 'a=1, b=2', 'it is the app’s own');
    t.equal(fieldOf(upstream.received, 'x-last'), '1');
    t.match(request, { traceId: TRACE, parentSpanId: PARENT, name: 'carpool GET', status: 0 });
    t.match(attempt, { traceId: TRACE, parentSpanId: request.spanId, name: 'GET', status: 0, traceState: 'a=1,b=2' });
    t.equal(attempt.endMs - attempt.startMs, 250);
    t.equal(request.endMs - request.startMs, 250);
    t.ok(
      request.startMs >= Date.UTC(2026, 0, 1) && request.endMs < Date.UTC(2026, 0, 2),
      'times are those of the clock',
    );
    t.match(attempt.attributes, {
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'url.scheme': 'http',
      'server.address': '127.0.0.1',
      'server.port': relay.origin.port,
      'network.peer.address': '127.0.0.1',
      'network.peer.port': relay.origin.port,
      'network.protocol.name': 'http',
      'network.protocol.version': '1.1',
      'carpool.destination': relay.target,
      'carpool.connection.reused': false,
    });
    t.match(request.attributes, {
      'http.response.status_code': 200,
      'carpool.attempts': 1,
      'http.request.body.size': 0,
      'http.response.body.size': 2,
    });
    t.notOk(JSON.stringify(spans).includes('secret'), 'no path is told');
    t.match(request.resource, { 'service.name': 'shop', 'telemetry.distro.name': 'carpool' });
    t.same(
      relay.collector.requests.map(({ path }) => path),
      ['/v1/traces'],
    );
  },
);

t.test('the path is told where the access log may tell it, and never its query', async (t) => {
  const relay = await startTraced(t, {}, {}, { accessLogPath: true });
  const client = await relay.client();
  client.write(relay.head('GET', '/orders/7?token=secret'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(OK);
  await client.untilReceived('ok');
  const spans = await relay.spans(2);
  t.equal(spanOf(spans, 1).attributes['url.path'], '/orders/7');
  t.notOk(JSON.stringify(spans).includes('secret'));
});

t.test('a request that the app has not sampled passes as it came, whatever the ratio', async (t) => {
  const relay = await startTraced(t);
  const client = await relay.client();
  const fields = `TraceParent: ${NOT_SAMPLED}\r\nTracestate: a=1\r\n`;
  client.write(relay.head('GET', '/', fields));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, `GET / HTTP/1.1\r\nHost: ${relay.target}\r\n${fields}\r\n`);
  upstream.write(OK);
  await client.untilReceived('ok');
  client.write(relay.head('GET', '/sampled', `traceparent: ${SAMPLED}\r\n`));
  await upstream.untilReceived('/sampled');
  upstream.write(OK);
  await client.until(({ received }) => received.length === 2 * OK.length);
  t.equal((await relay.spans(2)).length, 2, 'the second alone has spans');
});

t.test('a request without a traceparent begins a trace where the ratio says so', async (t) => {
  const relay = await startTraced(t, { sampleRatio: 1 });
  const client = await relay.client();
  client.write(relay.head('GET', '/', 'tracestate: stray=1\r\n'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(OK);
  await client.untilReceived('ok');
  const spans = await relay.spans(2);
  const attempt = spanOf(spans, 3);
  t.equal(spanOf(spans, 1).parentSpanId, '');
  t.equal(fieldOf(upstream.received, 'traceparent'), `00-${attempt.traceId}-${attempt.spanId}-01`);
  t.equal(fieldOf(upstream.received, 'tracestate'), null, 'a state without a parent is of no trace');
});

t.test('with a ratio of 0 a request without a traceparent gets none', async (t) => {
  const relay = await startTraced(t, { sampleRatio: 0 });
  const client = await relay.client();
  client.write(relay.head('GET', '/', 'tracestate: stray=1\r\n'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, `GET / HTTP/1.1\r\nHost: ${relay.target}\r\ntracestate: stray=1\r\n\r\n`);
});

const BROKEN = [
  ['of another version than may be', `ff-${TRACE}-${PARENT}-01`],
  ['with an id of zeros', `00-${'0'.repeat(32)}-${PARENT}-01`],
  ['with a parent of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['in upper case', SAMPLED.toUpperCase()],
  ['that is too long for version 0', `${SAMPLED}-more`],
  ['that is too short', SAMPLED.slice(0, -1)],
  ['that goes on without a dash', `01-${TRACE}-${PARENT}-01x`],
  ['with another separator', SAMPLED.replaceAll('-', '_')],
] as const;

t.test('a traceparent that cannot be read is as none: a new trace begins', async (t) => {
  const relay = await startTraced(t);
  const client = await relay.client();
  for (const [index, [what, value]] of BROKEN.entries()) {
    client.write(relay.head('GET', `/${index}`, `traceparent: ${value}\r\ntracestate: a=1\r\n`));
    const upstream = await relay.origin.connection(0);
    await upstream.until(({ received }) => received.includes(`/${index} `) && received.endsWith('\r\n\r\n'));
    const head = upstream.received.slice(upstream.received.indexOf(`GET /${index} `));
    t.match(fieldOf(head, 'traceparent'), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/, what);
    t.notOk(head.includes(PARENT), `${what}: nothing of it goes on`);
    t.equal(fieldOf(head, 'tracestate'), null, `${what}: nor does its state`);
    upstream.write(OK);
    await client.until(({ received }) => received.length === (index + 1) * OK.length);
  }
});

t.test('two traceparents are none, and one goes on', async (t) => {
  const relay = await startTraced(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/', `traceparent: ${SAMPLED}\r\nTraceparent: ${SAMPLED}\r\n`));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.not(fieldOf(upstream.received, 'traceparent'), null);
  t.notOk(upstream.received.includes(TRACE));
});

t.test('a traceparent of a version to come is read as far as it is known, and goes on as one of ours', async (t) => {
  const relay = await startTraced(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/', `traceparent: cc-${TRACE}-${PARENT}-03-what-the-future-brings\r\n`));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.match(
    fieldOf(upstream.received, 'traceparent'),
    new RegExp(`^00-${TRACE}-[0-9a-f]{16}-03$`),
    'the id is random still',
  );
});

t.test('a request that waits: when it began to, and that its connection was opened for it', async (t) => {
  const relay = await startTraced(t, {}, { defaults: { pool: { maxConnections: 1 } } });
  const first = await relay.client();
  first.write(relay.head('GET', '/first', `traceparent: ${NOT_SAMPLED}\r\n`));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('/first');
  const second = await relay.client();
  second.write(relay.head('GET', '/second'));
  await eventually(() => relay.stats().pending === 1);
  relay.clock.advance(300);
  upstream.write(OK);
  await upstream.untilReceived('/second');
  upstream.write(OK);
  await second.untilReceived('ok');
  const spans = await relay.spans(2);
  const { events, startMs } = spanOf(spans, 1);
  t.same(
    events.map(({ name, ms }) => [name, ms - startMs]),
    [
      ['carpool.pending', 0],
      ['carpool.acquired', 300],
    ],
  );
  t.equal(spanOf(spans, 3).startMs - startMs, 300);
  t.equal(spanOf(spans, 3).attributes['carpool.connection.reused'], true);
});

t.test('the field that a destination sets or removes by itself is left to it', async (t) => {
  const relay = await startTraced(t, {}, { defaults: { headers: { remove: ['Traceparent'], set: { 'x-key': 'k' } } } });
  const client = await relay.client();
  client.write(relay.head('GET', '/', `traceparent: ${SAMPLED}\r\n`));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(fieldOf(upstream.received, 'traceparent'), null);
  t.equal(fieldOf(upstream.received, 'x-key'), 'k');
});

t.test('fields that a destination sets stay beside the trace', async (t) => {
  const relay = await startTraced(t, {}, { defaults: { headers: { set: { 'x-key': 'k' }, remove: ['x-gone'] } } });
  const client = await relay.client();
  client.write(relay.head('GET', '/', `traceparent: ${SAMPLED}\r\nX-Gone: 1\r\nX-Key: mine\r\n`));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.match(fieldOf(upstream.received, 'traceparent'), new RegExp(`^00-${TRACE}-`));
  t.equal(fieldOf(upstream.received, 'x-key'), 'k');
  t.equal(fieldOf(upstream.received, 'x-gone'), null);
});
