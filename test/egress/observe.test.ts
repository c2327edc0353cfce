import t, { type Test } from 'tap';
import { type OriginConnection, rawClient } from '../raw-origin.ts';
import { type Relay, startRelay } from '../relay/relay-fixture.ts';
import { reload } from '../sidecar.ts';
import { answering, OK } from './egress-fixture.ts';

const saved = (relay: Relay): Promise<number> => relay.metric('observe_would_reuse_total');

/** Sends a request and waits for its answer and for the end of its connection to the origin. */
async function one(relay: Relay, client: OriginConnection, method = 'GET'): Promise<void> {
  const before = client.received.length;
  const index = relay.origin.connections.length;
  client.write(relay.head(method, '/', method === 'POST' ? 'Content-Length: 0\r\n' : ''));
  const upstream = await relay.origin.connection(index);
  await client.until(({ received }) => received.slice(before).endsWith('ok'));
  await upstream.until(({ ended }) => ended);
}

const startObserving = (t: Test, settings: Record<string, unknown> = {}): Promise<Relay> =>
  startRelay(t, { mode: 'observe', ...settings }, (connection) => answering(connection));

t.test(
  'with mode observe every request has a connection of its own, and what pooling would save is counted',
  async (t) => {
    const relay = await startObserving(t);
    const client = await relay.client();
    for (let count = 0; count < 5; count++) await one(relay, client);
    t.equal(relay.origin.connections.length, 5);
    t.match(relay.origin.connections[0]?.received, /connection: close/);
    t.equal(await saved(relay), 4);
    t.equal(await relay.metric('requests_total'), 5);
  },
);

t.test('what an idle connection would not have outlived is not saved', async (t) => {
  const relay = await startObserving(t);
  const client = await relay.client();
  await one(relay, client);
  relay.clock.advance(49_000);
  await one(relay, client);
  t.equal(await saved(relay), 1);
  relay.clock.advance(51_000);
  await one(relay, client);
  t.equal(await saved(relay), 1);
});

t.test('requests at the same time need as many connections', async (t) => {
  const relay = await startRelay(t, { mode: 'observe' });
  const clients = await Promise.all([relay.client(), relay.client(), relay.client()]);
  for (let round = 0; round < 2; round++) {
    for (const client of clients) client.write(relay.head('GET', '/'));
    for (const index of clients.keys()) {
      const upstream = await relay.origin.connection(round * 3 + index);
      await upstream.untilReceived('\r\n\r\n');
    }
    for (const upstream of relay.origin.connections.slice(round * 3)) upstream.write(OK);
    for (const upstream of relay.origin.connections) await upstream.until(({ ended }) => ended);
    t.equal(await saved(relay), round * 3);
  }
});

t.test('a connection that became a tunnel would not have come back', async (t) => {
  const relay = await startRelay(t, { mode: 'observe' }, (connection) => {
    connection.socket.once('data', () =>
      connection.write(
        connection.received.includes('websocket')
          ? 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n'
          : OK,
      ),
    );
  });
  const app = await relay.client();
  app.write(relay.head('GET', '/ws', 'Upgrade: websocket\r\nConnection: upgrade\r\n'));
  await app.untilReceived('101');
  app.socket.resetAndDestroy();
  await relay.origin.connections[0]?.until(({ ended }) => ended);
  const client = await relay.client();
  await one(relay, client);
  t.equal(await saved(relay), 0);
  await one(relay, client);
  t.equal(await saved(relay), 1);
});

t.test('a POST would have taken a recent connection only, while the server’s idle time is not known', async (t) => {
  const relay = await startObserving(t);
  const client = await relay.client();
  await one(relay, client, 'POST');
  relay.clock.advance(3000);
  await one(relay, client, 'POST');
  t.equal(await saved(relay), 1);
  relay.clock.advance(5000);
  await one(relay, client, 'POST');
  t.equal(await saved(relay), 1);
});

t.test('one destination observes while others pool, and a reload changes it', async (t) => {
  const relay = await startRelay(t, {}, (connection) => answering(connection));
  const entry = { match: relay.target };
  await reload(relay, { destinations: [{ ...entry, mode: 'observe' }] });
  const client = await rawClient(t, relay.port);
  await one(relay, client);
  await one(relay, client);
  t.equal(await saved(relay), 1);
  await reload(relay, { destinations: [{ ...entry, mode: 'pool' }] });
  for (let count = 0; count < 3; count++) {
    const before = client.received.length;
    client.write(relay.head('GET', '/'));
    await client.until(({ received }) => received.slice(before).endsWith('ok'));
  }
  t.equal(relay.origin.connections.length, 3, 'the last three on one');
  t.equal(await saved(relay), 1);
});
