import { once } from 'node:events';
import t from 'tap';
import { rawClient } from '../raw-origin.ts';
import { checkError, eventually, startRelay, useOnce } from './relay-fixture.ts';

t.test('rule 25: a head must be complete in listener.headTimeout from its first byte, else 408', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write('GET http://a.exa');
  await eventually(() => relay.app.process().bufferedBytes > 0);
  relay.clock.advance(9000);
  t.equal(client.received, '');
  relay.clock.advance(2000);
  await client.until(({ ended }) => ended);
  checkError(t, client.received, {
    status: 408,
    code: 'HEAD_TIMEOUT',
    error: 'http_request_error',
    close: true,
    destination: null,
  });
  t.equal(relay.app.process().bufferedBytes, 0);
});

t.test('rule 25: bytes that drip in do not prolong it', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  let sent = '';
  for (let step = 0; step < 12; step++) {
    const piece = 'GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.slice(
      sent.length,
      2 ** step,
    );
    sent += piece;
    if (piece !== '') client.write(piece);
    await eventually(() => client.ended || relay.app.process().bufferedBytes >= sent.length);
    relay.clock.advance(1000);
    if (step < 9) t.notOk(client.received, `after ${step + 1} s`);
  }
  await client.until(({ ended }) => ended);
  checkError(t, client.received, { status: 408, code: 'HEAD_TIMEOUT', error: 'http_request_error', close: true });
});

t.test('rule 25: the time of the next head begins with its own first byte', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  await useOnce(relay, client);
  relay.clock.advance(60_000);
  client.write('GET ');
  await eventually(() => relay.app.process().bufferedBytes > 0);
  relay.clock.advance(9000);
  const before = client.received.length;
  client.write('/x HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.until(({ received }) => received.length > before);
  t.match(client.received.slice(before), 'HTTP/1.1 400 ', 'it was read');
});

t.test('rule 25: a connection that has sent nothing may stay, and an idle one too', async (t) => {
  const relay = await startRelay(t);
  const silent = await relay.client();
  const idle = await relay.client();
  await useOnce(relay, idle);
  relay.clock.advance(3_600_000);
  t.equal(relay.app.process().downstreamConnections, 2);
  silent.write(relay.head('GET', '/silent'));
  idle.write(relay.head('GET', '/idle'));
  const [one, two] = [await relay.origin.connection(1), await relay.origin.connection(2)];
  await Promise.all([one.untilReceived('\r\n\r\n'), two.untilReceived('\r\n\r\n')]);
  t.pass();
});

t.test('with listener.idleTimeout an idle connection closes, counted from the end of its last answer', async (t) => {
  const relay = await startRelay(t, { listener: { idleTimeout: '5s' } });
  const client = await relay.client();
  client.write(relay.head('GET', '/slow'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  relay.clock.advance(60_000);
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow');
  await client.untilReceived('slow');
  relay.clock.advance(4000);
  client.write(relay.head('GET', '/next'));
  await upstream.untilReceived('GET /next ');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext');
  await client.untilReceived('next');
  relay.clock.advance(7000);
  await client.until(({ ended }) => ended);
  t.match(client.received, /next$/);
});

t.test('rule 25: over listener.maxConnections a connection is refused with an answer', async (t) => {
  const relay = await startRelay(t, { listener: { maxConnections: 2 } });
  const [first, second] = [await relay.client(), await relay.client()];
  await eventually(() => relay.app.process().downstreamConnections === 2);
  const third = await rawClient(t, relay.port);
  await third.until(({ ended }) => ended);
  const { message } = checkError(t, third.received, {
    status: 503,
    code: 'OVERLOADED',
    error: 'connection_limit_reached',
    close: true,
    destination: null,
  });
  t.match(message, 'listener.maxConnections');
  t.equal(await relay.metric('errors_total', 'code="OVERLOADED"'), 1);
  await useOnce(relay, first);
  second.socket.end();
  await once(second.socket, 'close');
  await eventually(() => relay.app.process().downstreamConnections === 1);
  const fourth = await relay.client();
  fourth.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await fourth.untilReceived('HTTP/1.1 400 ');
});
