import t from 'tap';
import { PREFACE } from '../../src/protocol/http2/frame-types.ts';
import { type OriginConnection, rawClient } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';
import { checkError, eventually, ownAnswer, startRelay } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** What an HTTP/2 client sends first: the preface, and SETTINGS without any. */
const HELLO = Buffer.concat([PREFACE, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
const SETTINGS = 4;
const METHODS = ['P', 'PR', 'PRI', 'PRIX', 'POST', 'PUT', 'PROPFIND'];

const frameType = ({ received }: OriginConnection): number => received.charCodeAt(3);

/** Writes in two pieces to a connection that was accepted: the sidecar reads whenever a turn begins, so each is a read event of its own. */
async function inTwo(client: OriginConnection, bytes: Buffer, at: number): Promise<void> {
  for (const piece of [Buffer.alloc(0), bytes.subarray(0, at), bytes.subarray(at)]) {
    if (piece.length > 0) client.write(piece);
    for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

t.test('methods that begin as the preface of HTTP/2 does are HTTP/1.1, at any split', async (t) => {
  const relay = await startRelay(t, {}, (connection) => connection.socket.on('data', () => connection.write(OK)));
  for (const method of METHODS) {
    const request = Buffer.from(relay.head(method, '/x'));
    for (let at = 1; at <= 6; at++) {
      const client = await relay.client();
      await inTwo(client, request, at);
      await client.untilReceived('ok');
      client.socket.destroy();
    }
  }
  const seen = relay.origin.connections.map(({ received }) => received).join('');
  const methods = seen.match(/[A-Z]+(?= \/x HTTP\/1\.1\r\n)/g) ?? [];
  for (const method of METHODS) t.equal(methods.filter((each) => each === method).length, 6, method);
});

t.test('a first line that is the preface but for its version is HTTP/1.1, and gets its answer', async (t) => {
  const relay = await startRelay(t);
  const bytes = Buffer.from('PRI * HTTP/1.1\r\nHost: a.example\r\n\r\n');
  for (let at = 1; at < 16; at++) {
    const client = await relay.client();
    await inTwo(client, bytes, at);
    await client.untilReceived('\r\n\r\n');
    t.equal(ownAnswer(client.received).status, 400);
  }
});

t.test('the preface of HTTP/2 opens an HTTP/2 session, at any split', async (t) => {
  const relay = await startRelay(t, { destinations: [{ match: 'orders.shop:8080', localPort: 0 }] });
  for (let at = 1; at < HELLO.length; at++) {
    const client = await relay.client();
    await inTwo(client, HELLO, at);
    await client.until(({ received }) => received.length >= 9);
    t.equal(frameType(client), SETTINGS, `split at ${at}`);
    client.socket.destroy();
  }
  const local = await rawClient(t, relay.localPorts[0]?.port ?? 0);
  local.write(HELLO);
  await local.until(({ received }) => received.length >= 9);
  t.equal(frameType(local), SETTINGS, 'at a local port too');
  local.socket.destroy();
  await eventually(() => relay.app.process().downstreamConnections === 0);
});

t.test('rule 25: bytes that might become the preface have the time of a head, and no more', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write('PR');
  await eventually(() => relay.app.process().downstreamConnections === 1);
  const barrier = await relay.client();
  barrier.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await barrier.untilReceived('400');
  relay.clock.advance(6000);
  client.write('I');
  barrier.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await barrier.until(({ received }) => received.split('400').length > 2);
  t.equal(client.received, '');
  relay.clock.advance(4000);
  await client.until(({ ended }) => ended);
  checkError(t, client.received, { status: 408, code: 'HEAD_TIMEOUT', error: 'http_request_error', close: true });
  client.socket.end();
  await eventually(() => relay.app.process().downstreamConnections === 1);
});

t.test('an app that leaves in the middle of the preface, or without a word, leaves nothing behind', async (t) => {
  const relay = await startRelay(t);
  for (const bytes of ['', 'P', 'PRI * HTTP/']) {
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const client = await relay.client();
      if (bytes !== '') client.write(bytes);
      await eventually(() => relay.app.process().downstreamConnections === 1);
      client.socket[leave]();
      await eventually(() => relay.app.process().downstreamConnections === 0);
    }
  }
  t.equal(relay.app.process().exchanges, 0);
});

t.test('a connection that has said nothing stays as long as listener.idleTimeout lets it', async (t) => {
  const relay = await startRelay(t);
  const patient = await relay.client();
  await eventually(() => relay.app.process().downstreamConnections === 1);
  relay.clock.advance(86_400_000);
  t.equal(relay.app.process().downstreamConnections, 1, 'for ever by default');
  patient.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await patient.untilReceived('400');
  const strict = await startRelay(t, { listener: { idleTimeout: '5s' } });
  const client = await strict.client();
  await eventually(() => strict.app.process().downstreamConnections === 1);
  strict.clock.advance(4000);
  t.equal(strict.app.process().downstreamConnections, 1);
  strict.clock.advance(2000);
  await client.until(({ ended }) => ended);
});

t.test('a stop closes a connection that has said nothing for a second', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  await eventually(() => relay.app.process().downstreamConnections === 1);
  const stopped = relay.app.stop();
  relay.clock.advance(1100);
  await client.until(({ ended }) => ended);
  client.socket.end();
  await eventually(() => relay.app.process().downstreamConnections === 0);
  relay.clock.advance(2100);
  await stopped;
});

t.test('TLS to the main port is told to be plain HTTP', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 1, 0, 0, 1, 0]));
  await client.until(({ ended }) => ended);
  const { message } = checkError(t, client.received, {
    status: 400,
    code: 'BAD_REQUEST',
    error: 'http_request_error',
    close: true,
  });
  t.match(message, 'TLS handshake');
});

t.test('a first line of three words that is no request of HTTP is answered in HTTP/2, in words', async (t) => {
  const { port } = await startSidecar(t);
  const client = await rawClient(t, port);
  client.write('INVALID CONNECTION PREFACE\r\n\r\n');
  await client.until(({ ended }) => ended);
  t.match(client.received, /^\0\0\0\x04.*carpool speaks HTTP\/1\.1 and HTTP\/2: the version must be/s);
});

t.test('a request with a mistyped version is answered in HTTP/1.1', async (t) => {
  const { port } = await startSidecar(t);
  const client = await rawClient(t, port);
  client.write('GET http://orders.test/ HTPP/1.1\r\n\r\n');
  await client.until(({ ended }) => ended);
  t.match(client.received, /^HTTP\/1\.1 400 /);
});
