import t from 'tap';
import { eventually, useOnce } from '../relay/relay-fixture.ts';
import { fieldOf, OK, SAMPLED, spanOf, startTraced, TRACE } from './traced-fixture.ts';

const POLICY = { retry: { attempts: 3, backoffBase: '1s', statusCodes: [503] } };
const NOT_NOW = 'HTTP/1.1 503 Not Now\r\nContent-Length: 2\r\n\r\nno';

t.test('a request that is sent again: a span for each attempt, each with an id of its own upstream', async (t) => {
  const relay = await startTraced(t, {}, { defaults: POLICY });
  const client = await relay.client();
  client.write(relay.head('GET', '/', `traceparent: ${SAMPLED}\r\n`));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  const first = fieldOf(upstream.received, 'traceparent');
  upstream.write(NOT_NOW);
  await eventually(() => relay.stats().active === 0);
  relay.clock.advance(1000);
  await upstream.until(({ received }) => received.split('\r\n\r\n').length === 3);
  const second = fieldOf(upstream.received.slice(upstream.received.indexOf('\r\n\r\n') + 4), 'traceparent');
  upstream.write(OK);
  await client.untilReceived('ok');
  const spans = await relay.spans(3);
  const [one, two] = [spanOf(spans, 3, 0), spanOf(spans, 3, 1)];
  t.equal(first, `00-${TRACE}-${one.spanId}-01`);
  t.equal(second, `00-${TRACE}-${two.spanId}-01`);
  t.match(one, { status: 2, attributes: { 'http.response.status_code': 503, 'error.type': '503' } });
  t.notOk('http.request.resend_count' in one.attributes);
  t.match(two, { status: 0, attributes: { 'http.response.status_code': 200, 'http.request.resend_count': 1 } });
  t.equal(two.attributes['carpool.connection.reused'], true);
  t.ok(two.startMs - one.endMs >= 500, 'the wait before it belongs to neither');
  t.match(spanOf(spans, 1), { status: 0, attributes: { 'carpool.attempts': 2, 'http.response.status_code': 200 } });
});

t.test('an attempt that got no answer in time has failed, and ends before the next one begins', async (t) => {
  const retry = { attempts: 2, backoffBase: '1s' };
  const relay = await startTraced(t, {}, { defaults: { retry, timeouts: { response: '4s' } } });
  const client = await relay.client();
  client.write(relay.head('GET', '/', `traceparent: ${SAMPLED}\r\n`));
  const first = await relay.origin.connection(0);
  await first.untilReceived('\r\n\r\n');
  relay.clock.advance(4500);
  await first.until(({ ended }) => ended);
  relay.clock.advance(1000);
  const second = await relay.origin.connection(1);
  await second.untilReceived('\r\n\r\n');
  second.write(OK);
  await client.untilReceived('ok');
  const spans = await relay.spans(3);
  const [one, two] = [spanOf(spans, 3, 0), spanOf(spans, 3, 1)];
  t.match(one, { status: 2, attributes: { 'error.type': 'RESPONSE_TIMEOUT' } });
  t.match(two, { status: 0, attributes: { 'http.response.status_code': 200 } });
  t.ok(two.startMs >= one.endMs);
});

t.test('an answer that is given up unread ends its attempt with its status', async (t) => {
  const relay = await startTraced(t, {}, { defaults: POLICY });
  const client = await relay.client();
  client.write(relay.head('GET', '/', `traceparent: ${SAMPLED}\r\n`));
  const first = await relay.origin.connection(0);
  await first.untilReceived('\r\n\r\n');
  first.write(NOT_NOW.replace('Content-Length: 2\r\n\r\nno', 'Content-Length: 100000000\r\n\r\n'));
  await first.until(({ ended }) => ended);
  relay.clock.advance(1000);
  const second = await relay.origin.connection(1);
  await second.untilReceived('\r\n\r\n');
  second.write(OK);
  await client.untilReceived('ok');
  const spans = await relay.spans(3);
  t.match(spanOf(spans, 3, 0), { status: 2, attributes: { 'http.response.status_code': 503, 'error.type': '503' } });
  t.match(spanOf(spans, 3, 1), { status: 0, attributes: { 'http.response.status_code': 200 } });
});

t.test('a connection that was stale: the attempt on it failed, the next one did not', async (t) => {
  const relay = await startTraced(t);
  const client = await relay.client();
  const stale = await useOnce(relay, client);
  client.write(relay.head('GET', '/second', `traceparent: ${SAMPLED}\r\n`));
  await stale.untilReceived('/second');
  stale.socket.resetAndDestroy();
  const fresh = await relay.origin.connection(1);
  await fresh.untilReceived('\r\n\r\n');
  fresh.write(OK);
  await client.untilReceived('ok');
  const spans = (await relay.spans(5)).filter(({ traceId }) => traceId === TRACE);
  t.match(spanOf(spans, 3, 0), {
    status: 2,
    attributes: { 'error.type': 'UPSTREAM_RESET', 'carpool.connection.reused': true },
  });
  t.match(spanOf(spans, 3, 1), { status: 0, attributes: { 'carpool.connection.reused': false } });
  t.equal(spanOf(spans, 1).status, 0);
});

t.test('a status of the server’s own: 4xx is an error to the client alone, 5xx to both', async (t) => {
  const relay = await startTraced(t);
  const client = await relay.client();
  for (const status of [404, 500]) {
    client.write(relay.head('GET', `/${status}`));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived(`/${status} `);
    upstream.write(`HTTP/1.1 ${status} So\r\nContent-Length: 4\r\n\r\n${status}x`);
    await client.untilReceived(`${status}x`);
  }
  const spans = await relay.spans(4);
  const statuses = (kind: number) =>
    spans.filter((span) => span.kind === kind).map(({ status, attributes }) => [status, attributes['error.type']]);
  t.same(statuses(3), [
    [2, '404'],
    [2, '500'],
  ]);
  t.same(statuses(1), [
    [0, undefined],
    [2, '500'],
  ]);
});

t.test('no connection can be made: no attempt, and the request says why', async (t) => {
  const relay = await startTraced(t, {}, { defaults: { retry: { attempts: 1 } } });
  const client = await relay.client();
  // Nobody listens at port 1.
  client.write('GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n');
  await client.untilReceived('CONNECT_FAILED');
  const spans = await relay.spans(1);
  t.equal(spans.length, 1);
  const request = spanOf(spans, 1);
  t.match(request, {
    status: 2,
    attributes: { 'error.type': 'CONNECT_FAILED', 'http.response.status_code': 502, 'carpool.attempts': 0 },
  });
  t.match(request.events, [{ name: 'carpool.no_connection', attributes: { 'error.type': 'CONNECT_FAILED' } }]);
});

t.test('an upstream that says nothing in time, and an app that does not wait for it', async (t) => {
  const relay = await startTraced(t, {}, { defaults: { timeouts: { response: '5s' } } });
  const patient = await relay.client();
  patient.write(relay.head('POST', '/late', 'Content-Length: 0\r\n'));
  await (await relay.origin.connection(0)).untilReceived('/late');
  for (let second = 0; second < 7; second++) relay.clock.advance(1000);
  await patient.untilReceived('RESPONSE_TIMEOUT');
  const hasty = await relay.client();
  hasty.write(relay.head('GET', '/left'));
  const upstream = await relay.origin.connection(1);
  await upstream.untilReceived('/left');
  hasty.socket.resetAndDestroy();
  await upstream.until(({ ended }) => ended);
  const spans = await relay.spans(4);
  const outcome = (kind: number) =>
    spans.filter((span) => span.kind === kind).map(({ status, attributes }) => [status, attributes['error.type']]);
  const expected = [
    [2, 'RESPONSE_TIMEOUT'],
    [2, 'DOWNSTREAM_ABORTED'],
  ];
  t.same(outcome(3), expected);
  t.same(outcome(1), expected);
});

t.test('an answer that is cut in the middle', async (t) => {
  const relay = await startTraced(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
  await client.untilReceived('half');
  upstream.socket.destroy();
  await client.until(({ ended }) => ended);
  const spans = await relay.spans(2);
  for (const kind of [1, 3]) {
    t.match(spanOf(spans, kind), {
      status: 2,
      attributes: { 'error.type': 'UPSTREAM_CLOSED', 'http.response.status_code': 200 },
    });
  }
});

t.test('interim responses are no answers, and a 101 is one', async (t) => {
  const relay = await startTraced(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/hints'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`);
  await client.untilReceived('ok');
  client.write(relay.head('GET', '/socket', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
  await upstream.untilReceived('/socket');
  upstream.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  await client.untilReceived('101 Switching');
  const spans = await relay.spans(4);
  t.same(
    spans.filter(({ kind }) => kind === 3).map(({ attributes }) => attributes['http.response.status_code']),
    [200, 101],
  );
});
