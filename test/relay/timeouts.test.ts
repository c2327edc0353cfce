import t from 'tap';
import { checkError, eventually, ownAnswer, startRelay, useOnce } from './relay-fixture.ts';

const timeouts = (values: Record<string, string>) => ({ defaults: { timeouts: values } });

t.test('timeouts.response runs from the last byte of the request to the head of the response', async (t) => {
  const relay = await startRelay(t, timeouts({ response: '10s' }));
  const client = await relay.client();
  client.write(`${relay.head('POST', '/', 'Content-Length: 4\r\n')}12`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('12');
  relay.clock.advance(20_000);
  client.write('34');
  await upstream.untilReceived('1234');
  relay.clock.advance(9000);
  upstream.write('HTTP/1.1 103 Early Hints\r\n\r\n');
  await client.untilReceived('103');
  t.equal(relay.stats().active, 1);
  relay.clock.advance(3000);
  await client.untilReceived('}');
  const answer = client.received.slice('HTTP/1.1 103 Early Hints\r\n\r\n'.length);
  checkError(t, answer, {
    status: 504,
    code: 'RESPONSE_TIMEOUT',
    error: 'http_response_timeout',
    close: false,
    destination: relay.target,
  });
  await upstream.until(({ ended }) => ended);
  t.equal(relay.stats().active, 0);
  await useOnce(relay, client);
});

t.test('timeouts.bodyIdle cuts a response that stands still, and bytes prolong it', async (t) => {
  const relay = await startRelay(t, timeouts({ bodyIdle: '10s', response: '1s' }));
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0');
  await client.untilReceived('\r\n\r\n0');
  for (let step = 1; step < 4; step++) {
    relay.clock.advance(8000);
    upstream.write(String(step));
    await client.until(({ received }) => received.endsWith(String(step)));
  }
  relay.clock.advance(12_000);
  await client.until(({ closed }) => closed);
  await upstream.until(({ ended }) => ended);
  t.equal(await relay.metric('errors_total', 'code="BODY_TIMEOUT"'), 1);
  t.equal(relay.stats().active, 0);
});

t.test('timeouts.bodyIdle answers 504 for an upload that stands still before any response', async (t) => {
  const relay = await startRelay(t, timeouts({ bodyIdle: '10s', write: '60s' }));
  const client = await relay.client();
  client.write(`${relay.head('PUT', '/', 'Content-Length: 100\r\n')}abc`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('abc');
  relay.clock.advance(8000);
  client.write('def');
  await upstream.untilReceived('abcdef');
  relay.clock.advance(8000);
  t.equal(client.received, '');
  relay.clock.advance(6000);
  await client.until(({ ended }) => ended);
  checkError(t, client.received, {
    status: 504,
    code: 'BODY_TIMEOUT',
    error: 'connection_read_timeout',
    close: true,
    destination: relay.target,
  });
  await upstream.until(({ ended }) => ended);
});

t.test(
  'time in which the app does not read is not counted against the upstream, but within timeouts.write',
  async (t) => {
    const relay = await startRelay(t, timeouts({ bodyIdle: '10s', write: '60s' }));
    const client = await relay.client();
    client.write(relay.head('GET', '/'));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    client.socket.pause();
    const size = 32 * 1024 * 1024;
    upstream.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    upstream.write(Buffer.alloc(size, 120));
    // Quiet for some turns: everything that could move has moved.
    let left = -1;
    let quiet = 0;
    await eventually(() => {
      quiet = left === upstream.socket.writableLength && relay.stats().active === 1 ? quiet + 1 : 0;
      left = upstream.socket.writableLength;
      return quiet > 200;
    });
    relay.clock.advance(30_000);
    t.equal(relay.stats().active, 1, 'over bodyIdle, and it goes on');
    relay.clock.advance(40_000);
    await upstream.until(({ closed }) => closed);
    t.equal(relay.stats().active, 0);
    t.equal(await relay.metric('errors_total', 'code="BODY_TIMEOUT"'), 1);
  },
);

t.test('timeouts.write ends an upload that the upstream does not read; bodyIdle does not', async (t) => {
  const relay = await startRelay(t, timeouts({ bodyIdle: '10s', write: '60s', response: '1s' }), ({ socket }) =>
    socket.pause(),
  );
  const client = await relay.client();
  const size = 32 * 1024 * 1024;
  client.write(relay.head('PUT', '/', `Content-Length: ${size}\r\n`));
  client.write(Buffer.alloc(size, 120));
  await relay.origin.connection(0);
  let left = -1;
  let quiet = 0;
  await eventually(() => {
    quiet = left === client.socket.writableLength && relay.stats().active === 1 ? quiet + 1 : 0;
    left = client.socket.writableLength;
    return quiet > 200;
  });
  relay.clock.advance(30_000);
  t.equal(relay.stats().active, 1);
  relay.clock.advance(40_000);
  await client.untilReceived('}');
  checkError(t, client.received, { status: 504, code: 'BODY_TIMEOUT', error: 'connection_read_timeout', close: true });
  t.equal(relay.stats().active, 0);
});

t.test('timeouts.streamIdle takes their place for text/event-stream', async (t) => {
  const relay = await startRelay(t, timeouts({ bodyIdle: '10s', write: '10s', streamIdle: '100s' }));
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write(
    'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  await client.untilReceived('\r\n\r\n');
  relay.clock.advance(90_000);
  upstream.write('6\r\ndata: \r\n');
  await client.untilReceived('data: ');
  relay.clock.advance(90_000);
  t.equal(relay.stats().active, 1);
  relay.clock.advance(20_000);
  await client.until(({ closed }) => closed);
  t.equal(relay.stats().active, 0);
});

t.test('timeouts.streamIdle takes the place of timeouts.response for a gRPC request', async (t) => {
  const relay = await startRelay(t, timeouts({ response: '10s', streamIdle: '100s' }));
  const client = await relay.client();
  client.write(relay.head('POST', '/', 'Content-Type: application/grpc+proto\r\nContent-Length: 0\r\n'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  relay.clock.advance(90_000);
  t.equal(relay.stats().active, 1);
  relay.clock.advance(20_000);
  await client.untilReceived('RESPONSE_TIMEOUT');
});

t.test(
  'timeouts.total ends the whole exchange: with an answer before the response, with a cut inside it',
  async (t) => {
    const relay = await startRelay(t, timeouts({ total: '10s' }));
    const client = await relay.client();
    client.write(relay.head('GET', '/'));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    relay.clock.advance(10_000);
    await client.untilReceived('}');
    checkError(t, client.received, {
      status: 504,
      code: 'DEADLINE',
      error: 'http_response_timeout',
      close: false,
      destination: relay.target,
    });
    client.write(relay.head('GET', '/'));
    const second = await relay.origin.connection(1);
    await second.untilReceived('\r\n\r\n');
    second.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
    await client.untilReceived('abc');
    relay.clock.advance(10_000);
    await client.until(({ closed }) => closed);
    await second.until(({ ended }) => ended);
    t.equal(relay.stats().active, 0);
  },
);

t.test('timeouts.total counts the wait for a connection, and ends it', async (t) => {
  const relay = await startRelay(t, { defaults: { timeouts: { total: '3s' }, pool: { maxConnections: 1 } } });
  const [first, second] = [await relay.client(), await relay.client()];
  first.write(relay.head('GET', '/1', 'X-Request-Timeout: 2s\r\n'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('/1 ');
  second.write(relay.head('GET', '/2', 'X-Request-Timeout: 1\r\n'));
  await eventually(() => relay.stats().pending === 1);
  relay.clock.advance(1000);
  await second.untilReceived('DEADLINE');
  t.equal(relay.stats().pending, 0);
  t.equal(relay.stats().active, 1);
  t.equal(first.received, '');
});

for (const [value, ms] of [
  ['2', 2000],
  ['0.5', 500],
  ['1500ms', 1500],
  ['3s', 3000],
  ['1m', 60_000],
  ['90s', 90_000],
] as const) {
  t.test(`X-Request-Timeout: ${value} is a deadline of ${ms} ms`, async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(relay.head('GET', '/', `X-Request-Timeout: ${value}\r\n`));
    const upstream = await relay.origin.connection(0);
    await upstream.untilReceived('\r\n\r\n');
    relay.clock.advance(ms - 1);
    t.equal(relay.stats().active, 1);
    relay.clock.advance(1);
    await client.untilReceived('DEADLINE');
    t.equal(ownAnswer(client.received).status, 504);
  });
}

t.test('X-Request-Timeout lowers timeouts.total and never raises it; nonsense counts for nothing', async (t) => {
  const relay = await startRelay(t, timeouts({ total: '10s' }));
  for (const value of ['60s', '-1', 'soon', '1h', '']) {
    const client = await relay.client();
    client.write(relay.head('GET', '/', `X-Request-Timeout: ${value}\r\n`));
    const upstream = await relay.origin.connection(relay.origin.connections.length);
    await upstream.untilReceived('\r\n\r\n');
    relay.clock.advance(9999);
    t.equal(relay.stats().active, 1, value);
    relay.clock.advance(1);
    await client.untilReceived('DEADLINE');
  }
});
