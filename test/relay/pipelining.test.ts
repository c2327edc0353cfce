import t from 'tap';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { eventually, ownAnswer, startRelay } from './relay-fixture.ts';

const ok = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

t.test('rule 12: pipelined requests are answered in order, whatever connection serves them', async (t) => {
  const relay = await startRelay(t);
  const other = await rawOrigin(t);
  const client = await relay.client();
  const elsewhere = `127.0.0.1:${other.port}`;
  client.write(
    relay.head('GET', '/1') +
      `GET http://${elsewhere}/2 HTTP/1.1\r\nHost: ${elsewhere}\r\n\r\n` +
      relay.head('POST', '/3', 'Content-Length: 4\r\n') +
      `body${relay.head('GET', '/4')}`,
  );
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('GET /1 ');
  t.equal(other.connections.length, 0, 'the second waits for the first answer');
  upstream.write(ok('one'));
  const second = await other.connection(0);
  await second.untilReceived('GET /2 ');
  t.notMatch(upstream.received, 'POST');
  second.write(ok('two'));
  await upstream.untilReceived('body');
  upstream.write(ok('three'));
  await upstream.untilReceived('GET /4 ');
  upstream.write(ok('four'));
  await client.untilReceived('four');
  t.equal(client.received, ok('one') + ok('two') + ok('three') + ok('four'));
});

t.test('rule 12: a local error keeps its place among pipelined answers', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('GET', '/1')}GET /local HTTP/1.1\r\nHost: x\r\n\r\n${relay.head('GET', '/3')}`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('GET /1 ');
  upstream.write(ok('one'));
  await upstream.untilReceived('GET /3 ');
  upstream.write(ok('three'));
  await client.untilReceived('three');
  t.equal(client.received.indexOf(ok('one')), 0);
  const second = ownAnswer(client.received.slice(ok('one').length));
  t.equal(second.status, 400);
  t.ok(second.body.endsWith(ok('three')), 'a request without a body leaves the connection open');
});

t.test('rule 12: what follows a local error with an unread body is not read as requests', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const smuggled = relay.head('GET', '/smuggled');
  client.write(`POST /local HTTP/1.1\r\nHost: x\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`);
  await client.until(({ ended }) => ended);
  const answer = ownAnswer(client.received);
  t.equal(answer.status, 400);
  t.equal(answer.fields.get('connection'), 'close');
  t.equal(client.received.split('HTTP/1.1').length, 2, 'one answer and no more');
  t.equal(relay.origin.connections.length, 0);
});

t.test('rule 12: a refused head ends the connection, with what was pipelined behind it', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(`${relay.head('GET', '/1')}BAD\x01 / HTTP/1.1\r\n\r\n${relay.head('GET', '/3')}`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('GET /1 ');
  upstream.write(ok('one'));
  await client.until(({ ended }) => ended);
  t.match(client.received.slice(ok('one').length), /^HTTP\/1\.1 400 /);
  t.equal(client.received.split('HTTP/1.1 ').length, 3);
  t.notMatch(upstream.received, '/3');
});

t.test('pipelined requests arrive in any pieces', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const whole = `${relay.head('POST', '/1', 'Transfer-Encoding: chunked\r\n')}3\r\nabc\r\n0\r\n\r\n${relay.head('GET', '/2')}`;
  const cut = Math.floor(whole.length / 3);
  for (let at = 0; at < whole.length; at += cut) {
    client.write(whole.slice(at, at + cut));
    await eventually(() => client.socket.writableLength === 0);
  }
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('0\r\n\r\n');
  upstream.write(ok('one'));
  await upstream.untilReceived('GET /2 ');
  upstream.write(ok('two'));
  await client.untilReceived('two');
  t.equal(client.received, ok('one') + ok('two'));
});

t.test('a head that comes byte by byte is read, and its body too', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  const whole = relay.head('PUT', '/slow', 'Content-Length: 3\r\n');
  for (const byte of `${whole}abc`) {
    client.write(byte);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('abc');
  t.equal(upstream.received, `PUT /slow HTTP/1.1\r\nHost: ${relay.target}\r\nContent-Length: 3\r\n\r\nabc`);
});

t.test('rule 31: requests sent ahead wait within bounds: the app cannot write on', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/1'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('GET /1 ');
  const next = relay.head('GET', '/2', `X-Fill: ${'x'.repeat(8000)}\r\n`);
  let sent = 0;
  // The kernel takes some megabytes on its own; beyond them only a reader could make room.
  while (sent < 64 * 1024 * 1024 && client.socket.write(next)) sent += next.length;
  let turns = 0;
  while (client.socket.writableLength > 0 && turns++ < 2000)
    await new Promise<void>((resolve) => setImmediate(resolve));
  t.ok(relay.app.process().bufferedBytes < 256 * 1024, `${relay.app.process().bufferedBytes} bytes are held`);
  upstream.write(ok('one'));
  await upstream.untilReceived('GET /2 ');
  t.pass('and they are read on when their turn comes');
});

t.test('two apps never see each other’s answers over shared connections', async (t) => {
  const relay = await startRelay(t, { defaults: { pool: { maxConnections: 2 } } }, (connection) => {
    let at = 0;
    connection.socket.on('data', () => {
      for (;;) {
        const end = connection.received.indexOf('\r\n\r\n', at);
        if (end < 0) return;
        connection.write(ok(`<${connection.received.slice(at).split(' ')[1]}>`));
        at = end + 4;
      }
    });
  });
  const clients = await Promise.all(Array.from({ length: 8 }, () => rawClient(t, relay.port)));
  clients.forEach((client, index) => {
    for (let count = 0; count < 25; count++) client.write(relay.head('GET', `/${index}-${count}`));
  });
  await Promise.all(clients.map((client, index) => client.untilReceived(`</${index}-24>`)));
  clients.forEach((client, index) => {
    const bodies = [...client.received.matchAll(/<\/([^>]+)>/g)].map(([, name]) => name);
    t.same(
      bodies,
      Array.from({ length: 25 }, (_, count) => `${index}-${count}`),
    );
  });
  t.ok(relay.origin.connections.length <= 2);
});

t.test('an app that sends requests ahead and then its FIN gets every answer, and its connection ends', async (t) => {
  const relay = await startRelay(t, {}, (connection) => {
    let answered = 0;
    connection.socket.on('data', () => {
      for (; connection.received.split('\r\n\r\n').length - 1 > answered; answered++) {
        connection.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n#${answered}`);
      }
    });
  });
  const client = await relay.client();
  client.socket.end(['/a', '/b', '/c'].map((path) => relay.head('GET', path)).join(''));
  await client.until(({ ended }) => ended);
  t.match(client.received, /#0.*#1.*#2$/s);
  await eventually(() => relay.app.process().downstreamConnections === 0);
});
