import t from 'tap';
import { eventually } from '../relay/relay-fixture.ts';
import { OK, PARENT, SAMPLED, spanOf, startTraced, TRACE } from './traced-fixture.ts';

const tlsPort = (port: number) => ({ connect: { tlsPorts: [port] } });

t.test('a CONNECT has one span, from its head to the end of its tunnel', async (t) => {
  const relay = await startTraced(t, {}, { connect: { sniffTimeout: '1s' } });
  const client = await relay.client();
  client.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\ntraceparent: ${SAMPLED}\r\n\r\n`);
  await client.untilReceived('200');
  client.write('\x16\x03\x01 what looks like TLS');
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('looks like TLS');
  relay.clock.advance(2000);
  t.equal(relay.collector.spans.length, 0, 'not before it ends');
  client.socket.end();
  upstream.socket.end();
  await upstream.until(({ closed }) => closed);
  await eventually(() => relay.app.process().tunnels === 0);
  const spans = await relay.spans(1);
  t.equal(spans.length, 1);
  const span = spanOf(spans, 3);
  t.match(span, {
    traceId: TRACE,
    parentSpanId: PARENT,
    name: 'CONNECT',
    status: 0,
    attributes: { 'http.response.status_code': 200, 'network.peer.port': relay.origin.port },
    events: [{ name: 'carpool.connected' }],
  });
  t.ok(span.endMs - span.startMs >= 2000);
});

t.test('a CONNECT to a port of TLS that leads nowhere: one span, with the reason', async (t) => {
  const relay = await startTraced(t, {}, { ...tlsPort(1), security: { connectPorts: [1] } });
  const client = await relay.client();
  client.write('CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n');
  await client.untilReceived('502');
  const spans = await relay.spans(1);
  t.match(spanOf(spans, 3), {
    name: 'CONNECT',
    status: 2,
    attributes: { 'error.type': 'CONNECT_FAILED', 'http.response.status_code': 502 },
  });
});

t.test('an app that leaves before its tunnel is dialled', async (t) => {
  const name = 'nowhere.test:7001';
  const relay = await startTraced(
    t,
    {},
    { ...tlsPort(7001), destinations: [{ match: name, endpoints: ['127.0.0.1:1'] }] },
  );
  t.equal(relay.app.steering.pause(name), true, 'it waits at the gate');
  const client = await relay.client();
  client.write(`CONNECT ${name} HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
  await eventually(() => relay.app.process().exchanges === 1);
  client.socket.resetAndDestroy();
  await eventually(() => relay.app.process().exchanges === 0);
  const spans = await relay.spans(1);
  t.match(spanOf(spans, 3), { status: 2, attributes: { 'error.type': 'DOWNSTREAM_ABORTED' } });
});

t.test('HTTP inside of a CONNECT: its requests have spans, and the CONNECT none', async (t) => {
  const relay = await startTraced(t);
  const client = await relay.client();
  client.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await client.untilReceived('200');
  client.write(`GET /inside HTTP/1.1\r\nHost: ${relay.target}\r\ntraceparent: ${SAMPLED}\r\n\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('/inside');
  upstream.write(OK);
  await client.untilReceived('ok');
  client.socket.destroy();
  await eventually(() => relay.app.process().downstreamConnections === 0);
  const spans = await relay.spans(2);
  t.same(spans.map(({ name }) => name).sort(), ['GET', 'carpool GET']);
});
