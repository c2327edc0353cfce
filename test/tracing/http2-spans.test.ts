import t, { type Test } from 'tap';
import { type Behind, http1Answer, toHttp1, toHttp2 } from '../relay/http2-app-fixture.ts';
import { type Collector, collector } from './collector.ts';
import { fieldOf, SAMPLED, spanOf, TRACE, tracingStands } from './traced-fixture.ts';

const settingsFor = ({ url }: Collector) => ({
  telemetry: { tracing: { enabled: true, endpoint: url, sampleRatio: 1 } },
});

async function spansOf({ clock }: Behind, receiver: Collector, count: number) {
  clock.advance(6000);
  await receiver.until((spans) => spans.length >= count);
  return receiver.spans;
}

/** A gRPC call that the app has sampled. */
const CALL = [
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
  ['traceparent', SAMPLED],
  ['tracestate', 'a=1'],
] as const;

async function behind(t: Test) {
  const receiver = await collector(t);
  const sidecar = await toHttp2(t, {}, settingsFor(receiver));
  await tracingStands(sidecar);
  return { receiver, sidecar, app: await sidecar.client(t) };
}

t.test('gRPC: the status of the trailers is the span’s, and the attempt’s id goes upstream', async (t) => {
  const { receiver, sidecar, app } = await behind(t);
  for (const status of ['0', '14']) {
    const stream = app.post(`/orders.Orders/Get${status}`, CALL);
    app.data(stream, 'body', true);
    const { connection, request } = await sidecar.server.arrived(`/orders.Orders/Get${status}`);
    t.equal(request.fields.filter(([name]) => name === 'traceparent').length, 1);
    t.same(
      request.fields.find(([name]) => name === 'tracestate'),
      ['tracestate', 'a=1'],
    );
    connection.headers(request.stream, [
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ]);
    connection.headers(request.stream, [['grpc-status', status]], true);
    await app.answer(stream);
  }
  const spans = await spansOf(sidecar, receiver, 4);
  const upstreamIds = (sidecar.server.connections[0]?.requests ?? []).map(
    ({ fields }) => fields.find(([name]) => name === 'traceparent')?.[1],
  );
  t.same(
    upstreamIds,
    [0, 1].map((index) => `00-${TRACE}-${spanOf(spans, 3, index).spanId}-01`),
  );
  t.match(spanOf(spans, 3, 0), {
    status: 0,
    attributes: {
      'rpc.system.name': 'grpc',
      'rpc.status_code': 'OK',
      'network.protocol.version': '2',
      'http.request.method': 'POST',
    },
  });
  const failed = { status: 2, attributes: { 'rpc.status_code': 'UNAVAILABLE', 'error.type': 'UNAVAILABLE' } };
  t.match(spanOf(spans, 3, 1), failed);
  t.match(spanOf(spans, 1, 1), failed);
});

t.test('gRPC whose answer is its head alone', async (t) => {
  const { receiver, sidecar, app } = await behind(t);
  const stream = app.post('/a.B/C', CALL);
  app.data(stream, '', true);
  const { connection, request } = await sidecar.server.arrived('/a.B/C');
  connection.headers(
    request.stream,
    [
      [':status', '200'],
      ['content-type', 'application/grpc'],
      ['grpc-status', '5'],
    ],
    true,
  );
  await app.answer(stream);
  const spans = await spansOf(sidecar, receiver, 2);
  t.match(spanOf(spans, 3), { status: 2, attributes: { 'rpc.status_code': 'NOT_FOUND' } });
});

t.test('a stream that the upstream refuses is another attempt on the next one', async (t) => {
  const { receiver, sidecar, app } = await behind(t);
  const stream = app.get('/refused', [['traceparent', SAMPLED]]);
  const first = await sidecar.server.arrived('/refused');
  first.connection.rstStream(first.request.stream, 7);
  const second = await sidecar.server.arrived('/refused', 1);
  second.connection.answer(second.request.stream, 'ok');
  await app.answer(stream);
  const spans = await spansOf(sidecar, receiver, 3);
  t.match(spanOf(spans, 3, 0), { status: 2, attributes: { 'error.type': 'STREAM_REFUSED' } });
  t.match(spanOf(spans, 3, 1), { status: 0, attributes: { 'http.request.resend_count': 1 } });
});

t.test('an app that resets its stream', async (t) => {
  const { receiver, sidecar, app } = await behind(t);
  const stream = app.get('/left');
  await sidecar.server.arrived('/left');
  app.rstStream(stream, 8);
  await app.settled();
  const spans = await spansOf(sidecar, receiver, 2);
  for (const kind of [1, 3])
    t.match(spanOf(spans, kind), { status: 2, attributes: { 'error.type': 'DOWNSTREAM_ABORTED' } });
});

t.test('from HTTP/2 to HTTP/1.1 the field is one line', async (t) => {
  const receiver = await collector(t);
  const sidecar = await toHttp1(t, {}, settingsFor(receiver));
  await tracingStands(sidecar);
  const app = await sidecar.client(t);
  const stream = app.get('/', [['traceparent', SAMPLED]]);
  const upstream = await sidecar.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(http1Answer('ok'));
  await app.answer(stream);
  const spans = await spansOf(sidecar, receiver, 2);
  t.equal(fieldOf(upstream.received, 'traceparent'), `00-${TRACE}-${spanOf(spans, 3).spanId}-01`);
  t.equal(spanOf(spans, 3).attributes['network.protocol.version'], '1.1');
});

t.test('a CONNECT by HTTP/2 has one span', async (t) => {
  const receiver = await collector(t);
  const sidecar = await toHttp1(t, {}, settingsFor(receiver));
  await tracingStands(sidecar);
  const app = await sidecar.client(t);
  const stream = app.open(
    [
      [':method', 'CONNECT'],
      [':authority', sidecar.authority],
      ['traceparent', SAMPLED],
    ],
    false,
  );
  app.data(stream, 'hello');
  const upstream = await sidecar.origin.connection(0);
  await upstream.untilReceived('hello');
  app.rstStream(stream, 8);
  await upstream.until(({ closed }) => closed);
  const spans = await spansOf(sidecar, receiver, 1);
  t.equal(spans.length, 1);
  t.match(spanOf(spans, 3), { traceId: TRACE, name: 'CONNECT', status: 0 });
});
