import t from 'tap';
import { startRelay, useOnce } from './relay-fixture.ts';

t.test('rule 32: a jump of the wall clock, forward or back, closes no connection and ends no exchange', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  await useOnce(relay, client);
  const upstream = await relay.origin.connection(0);
  client.write(relay.head('GET', '/slow'));
  await upstream.untilReceived('GET /slow');
  for (const hours of [25, -50, 24 * 365]) {
    relay.clock.jumpWall(hours * 3_600_000);
    relay.clock.advance(1500);
  }
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow');
  await client.untilReceived('slow');
  client.write(relay.head('GET', '/after'));
  await upstream.untilReceived('GET /after');
  upstream.write('HTTP/1.1 204 No Content\r\n\r\n');
  await client.untilReceived('204 No Content');
  t.equal(relay.origin.connections.length, 1, 'all over the connection that was open before the clock jumped');
});

t.test('rule 32: after the event loop stood still for 500 ms everything goes on where it was', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  await useOnce(relay, client);
  const upstream = await relay.origin.connection(0);
  client.write(relay.head('GET', '/during'));
  const until = performance.now() + 500;
  while (performance.now() < until) Math.sqrt(until);
  relay.clock.advance(500);
  await upstream.untilReceived('GET /during');
  upstream.write('HTTP/1.1 204 No Content\r\n\r\n');
  await client.untilReceived('204 No Content');
  t.equal(relay.origin.connections.length, 1);
  t.equal(relay.stats().active, 0);
});
