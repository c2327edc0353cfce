import t from 'tap';
import { rawClient } from '../raw-origin.ts';
import { startRelay, useOnce } from './relay-fixture.ts';

t.test('a body with a length passes up and down to the byte', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7) % 256));
  client.write(relay.head('POST', '/', `Content-Length: ${bytes.length}\r\n`));
  client.write(bytes);
  const upstream = await relay.origin.connection(0);
  await upstream.until(({ received }) => received.length >= bytes.length + received.indexOf('\r\n\r\n') + 4);
  t.ok(upstream.received.endsWith(bytes.toString('latin1')));
  upstream.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  upstream.write(bytes);
  await client.until(({ received }) => received.length >= bytes.length + 40);
  t.ok(client.received.endsWith(`\r\n\r\n${bytes.toString('latin1')}`));
  t.equal(relay.stats().idle, 1);
});

t.test('a chunked body passes both ways, without its extensions', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  await useOnce(relay, client);
  client.write(
    `${relay.head('POST', '/', 'Transfer-Encoding: chunked\r\n')}3;ext=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n`,
  );
  const [upstream] = relay.origin.connections;
  if (upstream === undefined) throw new Error('no connection');
  await upstream.untilReceived('0\r\n\r\n');
  t.match(upstream.received, 'transfer-encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nde\r\n0\r\n\r\n');
  await client.untilReceived('0\r\n\r\n');
  t.ok(client.received.endsWith('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n'));
  t.equal(relay.stats().idle, 1);
});

t.test('rule 3: trailers pass both ways, those that may not stand there are dropped', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  await useOnce(relay, client);
  const trailers =
    'X-Sum: 1\r\nContent-Length: 9\r\nHost: evil\r\nAuthorization: x\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\nX-End: 2\r\n';
  client.write(
    `${relay.head('POST', '/', 'Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n')}3\r\nabc\r\n0\r\n${trailers}\r\n`,
  );
  const [upstream] = relay.origin.connections;
  if (upstream === undefined) throw new Error('no connection');
  await upstream.untilReceived('X-End: 2\r\n\r\n');
  t.ok(upstream.received.endsWith('\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-End: 2\r\n\r\n'));
  t.match(upstream.received, '\r\nTrailer: X-Sum\r\n');
  upstream.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n${trailers}\r\n`);
  await client.untilReceived('X-End: 2\r\n\r\n');
  t.ok(client.received.endsWith('\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-End: 2\r\n\r\n'));
  t.equal(relay.stats().idle, 1);
});

t.test('a request that had to wait for its connection has its body and its trailers', async (t) => {
  const relay = await startRelay(t, { defaults: { pool: { maxConnections: 1 } } });
  const first = await relay.client();
  first.write(relay.head('GET', '/first'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  const second = await rawClient(t, relay.port);
  second.write(
    `${relay.head('POST', '/second', 'Transfer-Encoding: chunked\r\n')}3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\nHost: evil\r\n\r\n`,
  );
  // A third one behind it has been read when the second has.
  const third = await rawClient(t, relay.port);
  third.write(`GET / HTTP/1.1\r\nHost: x\r\n\r\n`);
  await third.untilReceived('\r\n\r\n');
  t.equal(relay.stats().pending, 1);
  upstream.write('HTTP/1.1 204 No Content\r\n\r\n');
  await upstream.untilReceived('X-Sum');
  await upstream.until(({ received }) => received.endsWith('\r\n\r\n'));
  t.ok(
    upstream.received.endsWith(
      `POST /second HTTP/1.1\r\nHost: ${relay.target}\r\ntransfer-encoding: chunked\r\n\r\n7\r\nabcdefg\r\n0\r\nX-Sum: 7\r\n\r\n`,
    ),
    upstream.received,
  );
});

t.test('rule 17: a close-delimited body is chunked to HTTP/1.1, and its connection is not pooled', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nabc');
  await client.untilReceived('abc\r\n');
  upstream.write('defg');
  await client.untilReceived('defg\r\n');
  upstream.socket.end();
  await client.untilReceived('0\r\n\r\n');
  t.equal(
    client.received,
    'HTTP/1.1 200 OK\r\nX-A: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n',
  );
  await upstream.until(({ closed }) => closed);
  t.equal(relay.stats().idle, 0);
  await useOnce(relay, client);
  t.equal(relay.origin.connections.length, 2, 'the app’s connection goes on');
});

t.test('rule 17: a close-delimited body to HTTP/1.0 ends with the connection', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`GET http://${relay.target}/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.0 200 OK\r\n\r\nall');
  upstream.socket.end();
  await client.until(({ ended }) => ended);
  t.equal(client.received, 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall');
});

t.test('rule 15: HEAD, 204 and 304 have no body whatever they declare', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const upstream = await useOnce(relay, client);
  const exchange = async (method: string, path: string, answer: string): Promise<string> => {
    const before = client.received.length;
    client.write(relay.head(method, path));
    await upstream.untilReceived(`${method} ${path} `);
    upstream.write(answer);
    await client.until(({ received }) => received.slice(before).includes('\r\n\r\n'));
    return client.received.slice(before);
  };
  t.equal(
    await exchange('HEAD', '/1', 'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n'),
    'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n',
  );
  t.equal(
    await exchange('HEAD', '/2', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  t.equal(
    await exchange('GET', '/3', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n'),
    'HTTP/1.1 204 No Content\r\n\r\n',
  );
  t.equal(
    await exchange('GET', '/4', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'),
    'HTTP/1.1 204 No Content\r\n\r\n',
    'a 204 has no Transfer-Encoding (RFC 9112 section 6.1)',
  );
  t.equal(
    await exchange('GET', '/5', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: "x"\r\n\r\n'),
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: "x"\r\n\r\n',
  );
  t.equal(
    await exchange('GET', '/6', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  );
  t.equal(relay.origin.connections.length, 1, 'all over one connection');
});

t.test(
  'rule 15: the bytes after a HEAD, a 204 or a complete body end the connection, and are nobody’s answer',
  async (t) => {
    for (const [method, answer] of [
      ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n'],
      ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
      ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
      ['GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
    ] as const) {
      const relay = await startRelay(t);
      const client = await relay.client();
      client.write(relay.head(method, '/1') + relay.head('GET', '/2'));
      const upstream = await relay.origin.connection(0);
      await upstream.untilReceived('/1 ');
      upstream.write(`${answer}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL`);
      await upstream.until(({ ended }) => ended);
      const second = await relay.origin.connection(1);
      await second.untilReceived('GET /2 ');
      second.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood');
      await client.untilReceived('good');
      t.notMatch(client.received, 'EVIL', `${method}: ${answer}`);
      t.notMatch(upstream.received, '/2', 'the next request never saw that connection');
      t.equal(await relay.metric('pool_connections_closed_total', 'reason="protocol_error"'), 1);
    }
  },
);

t.test('rule 15: bytes after a response are no answer for a request that waits for the connection', async (t) => {
  const relay = await startRelay(t, { defaults: { pool: { maxConnections: 1 } } });
  const client = await relay.client();
  client.write(relay.head('GET', '/1'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('/1 ');
  const waiting = await rawClient(t, relay.port);
  waiting.write(`${relay.head('GET', '/2')}`);
  const barrier = await rawClient(t, relay.port);
  barrier.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await barrier.untilReceived('\r\n\r\n');
  t.equal(relay.stats().pending, 1);
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL');
  const second = await relay.origin.connection(1);
  await second.untilReceived('GET /2 ');
  second.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood');
  await waiting.untilReceived('good');
  t.notMatch(waiting.received, 'EVIL');
  t.ok(client.received.endsWith('ok'));
});
