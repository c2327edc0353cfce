import t from 'tap';
import { type OriginConnection, rawOrigin } from '../raw-origin.ts';
import { eventually, type Relay, startRelay, useOnce } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const CHALLENGE = 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 2\r\n\r\nno';

/** Sends `path` and lets `upstream` answer it. */
async function exchange(
  relay: Relay,
  client: OriginConnection,
  upstream: OriginConnection,
  path: string,
  fields = '',
  answer = OK,
) {
  const before = client.received.length;
  client.write(relay.head('GET', path, fields));
  await upstream.untilReceived(`GET ${path} `);
  upstream.write(answer);
  await client.until(({ received }) => received.slice(before).includes('\r\n\r\n'));
}

for (const [what, fields, answer] of [
  ['a challenge of the server (NTLM)', '', CHALLENGE],
  ['a challenge of the server (Negotiate)', '', CHALLENGE.replace('NTLM', 'negotiate oYG2MIGz')],
  ['credentials of the app', 'Authorization: Negotiate YIIJvwYG\r\n', OK],
] as const) {
  t.test(`rule 17a: ${what} pins the connection to the app’s connection`, async (t) => {
    const relay = await startRelay(t);
    const one = await relay.client();
    const first = await useOnce(relay, one);
    await exchange(relay, one, first, '/auth', fields, answer);
    t.equal(relay.stats().idle, 0, 'it is not to be had by others');
    const other = await relay.client();
    const second = await useOnce(relay, other);
    t.not(second, first);
    await exchange(relay, one, first, '/same');
    t.notMatch(second.received, '/same', 'the app’s own requests stay on it');
    one.socket.end();
    await first.until(({ ended }) => ended);
    await eventually(() => relay.stats().active === 0);
    t.equal(relay.stats().idle, 1, 'it closes with the app’s connection, the other one stays');
  });
}

t.test('rule 17a: a request on a fresh connection pins it too', async (t) => {
  const relay = await startRelay(t);
  const one = await relay.client();
  one.write(relay.head('GET', '/auth', 'Authorization: NTLM TlRMTVNTUAAB\r\n'));
  const first = await relay.origin.connection(0);
  await first.untilReceived('\r\n\r\n');
  first.write(OK);
  await one.untilReceived('ok');
  t.equal(relay.stats().idle, 0);
  const other = await relay.client();
  t.not(await useOnce(relay, other), first);
});

t.test('rule 17a: other schemes pin nothing', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const upstream = await useOnce(relay, client);
  await exchange(
    relay,
    client,
    upstream,
    '/1',
    'Authorization: Bearer x\r\n',
    CHALLENGE.replace('NTLM', 'Basic realm="NTLM"'),
  );
  t.equal(relay.stats().idle, 1);
});

t.test('rule 17a: requests of the same app to another destination leave the pinned connection pinned', async (t) => {
  const relay = await startRelay(t);
  const elsewhere = await rawOrigin(t);
  const client = await relay.client();
  const first = await useOnce(relay, client);
  await exchange(relay, client, first, '/auth', '', CHALLENGE);
  const target = `127.0.0.1:${elsewhere.port}`;
  client.write(`GET http://${target}/other HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  const other = await elsewhere.connection(0);
  await other.untilReceived('/other');
  const before = client.received.length;
  other.write(CHALLENGE);
  await client.until(({ received }) => received.length > before);
  client.socket.end();
  await first.until(({ ended }) => ended);
  await other.until(({ ended }) => ended);
  await eventually(() => relay.app.destinations().every(({ active, idle }) => active + idle === 0));
  t.pass('both close with the app’s connection: no lease is left');
});

t.test('rule 17a: a pinned connection that the server closes is replaced', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const first = await useOnce(relay, client);
  await exchange(relay, client, first, '/auth', '', CHALLENGE);
  first.socket.end();
  await eventually(() => relay.stats().active === 0);
  await useOnce(relay, client);
  t.equal(relay.stats().idle, 1);
});

t.test('rule 17a: a pinned connection that is retired between two requests closes at once', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const first = await useOnce(relay, client);
  await exchange(relay, client, first, '/auth', '', CHALLENGE);
  relay.app.steering.evict({ destination: relay.target, idleOnly: false });
  await first.until(({ ended }) => ended);
  t.same([relay.stats().active, relay.stats().draining], [0, 0]);
  await useOnce(relay, client);
});

t.test('rule 17a: a tunnel on the app’s connection lets a pinned one go', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const first = await useOnce(relay, client);
  await exchange(relay, client, first, '/auth', '', CHALLENGE);
  client.write(`CONNECT ${relay.target} HTTP/1.1\r\nHost: ${relay.target}\r\n\r\n`);
  await client.untilReceived('Connection established');
  await first.until(({ ended }) => ended);
  t.equal(relay.stats().active, 0);
});
