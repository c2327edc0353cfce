import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import t from 'tap';
import { endedByCloseNotify } from '../../src/transport/node-handle.ts';
import { rawOrigin } from '../raw-origin.ts';
import { eventually, ownAnswer } from './relay-fixture.ts';
import { API, answering, authority, isWhole, startTlsRelay, type TlsConnection, tlsOrigin } from './tls-fixture.ts';

const MIB = 1024 * 1024;

/** Ends TCP below TLS, without close_notify: a message that was cut by somebody in between looks like this. */
async function cut(socket: tls.TLSSocket, under: net.Socket): Promise<void> {
  await eventually(() => socket.writableLength === 0);
  under.end();
}

/** An origin whose TLS stands on sockets that the test can end by themselves. */
async function cuttable(onRequest: (socket: tls.TLSSocket, under: net.Socket) => void) {
  const own = await authority.issue('server', { names: [API] });
  const secureContext = tls.createSecureContext(own);
  return (under: net.Socket): void => {
    const socket = new tls.TLSSocket(under, { isServer: true, secureContext });
    socket.on('error', () => {});
    socket.once('data', () => onRequest(socket, under));
  };
}

const bytes = (length: number): Buffer => {
  const buffer = Buffer.alloc(length);
  let state = length;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    buffer[at] = state >>> 24;
  }
  return buffer;
};
const digest = (buffer: Buffer): string => createHash('sha256').update(buffer).digest('hex');

t.test('a body without length that TLS ends is whole, and one that TCP alone ends is cut', async (t) => {
  for (const whole of [true, false]) {
    await t.test(whole ? 'close_notify' : 'FIN alone', async (t) => {
      const server = net.createServer(
        await cuttable((socket, under) => {
          socket.write('HTTP/1.1 200 OK\r\n\r\nthe first half and ');
          if (whole) socket.end('the second');
          else void cut(socket, under);
        }),
      );
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.teardown(() => server.close());
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const relay = await startTlsRelay(t, port);
      const client = await relay.client();
      client.write(`GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
      await client.until(({ closed, ended, received }) => closed || ended || received.endsWith('\r\n0\r\n\r\n'));
      if (whole) t.match(client.received, /the second\r\n0\r\n\r\n$/);
      else t.notMatch(client.received, /\r\n0\r\n\r\n$/, 'the app sees that the end is missing');
    });
  }
});

t.test('a body without length is whole also where its end is read while the app does not read', async (t) => {
  const body = bytes(5 * MIB);
  const origin = await tlsOrigin(t, {}, ({ socket }) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.end(body);
    });
  });
  const relay = await startTlsRelay(t, origin.port);
  for (let round = 0; round < 5; round++) {
    const client = net.connect(relay.port, '127.0.0.1');
    t.teardown(() => client.destroy());
    client.write(`GET https://${API}/ HTTP/1.0\r\nHost: ${API}\r\n\r\n`);
    let length = 0;
    client.on('data', (chunk: Buffer) => {
      length += chunk.length;
      client.pause();
      setImmediate(() => client.resume());
    });
    let failed: unknown = null;
    client.on('error', (error) => {
      failed = error;
    });
    await once(client, 'close');
    t.equal(failed, null);
    t.ok(length > body.length, `${length} bytes`);
  }
});

t.test('a server that ends TCP alone in place of an answer has reset the connection', async (t) => {
  const server = net.createServer(await cuttable((socket, under) => void cut(socket, under)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const relay = await startTlsRelay(t, typeof address === 'object' && address !== null ? address.port : 0);
  const { body } = ownAnswer(await relay.fetch(`https://${API}/`));
  t.match(JSON.parse(body), { code: 'UPSTREAM_RESET', message: /without close_notify/ });
});

t.test('large bodies pass whole in both directions, at the pace of a slow reader', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await t.test(maxVersion, async (t) => {
      const up = bytes(5 * MIB + 17);
      const down = bytes(7 * MIB + 4093);
      let received = Buffer.alloc(0);
      const origin = await tlsOrigin(t, { maxVersion }, ({ socket }) => {
        socket.removeAllListeners('data');
        const chunks: Buffer[] = [];
        let length = 0;
        let headEnd = -1;
        socket.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          length += chunk.length;
          // A reader that stops now and then.
          socket.pause();
          setImmediate(() => socket.resume());
          if (headEnd < 0) headEnd = chunk.indexOf('\r\n\r\n') + 4;
          if (length < headEnd + up.length) return;
          received = Buffer.concat(chunks).subarray(headEnd);
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${down.length}\r\n\r\n`);
          socket.write(down);
        });
      });
      const relay = await startTlsRelay(t, origin.port);
      const client = net.connect(relay.port, '127.0.0.1');
      t.teardown(() => client.destroy());
      client.write(`POST https://${API}/ HTTP/1.1\r\nHost: ${API}\r\nContent-Length: ${up.length}\r\n\r\n`);
      client.write(up);
      const chunks: Buffer[] = [];
      let length = 0;
      let head = -1;
      await new Promise<void>((resolve) => {
        client.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          length += chunk.length;
          client.pause();
          setImmediate(() => client.resume());
          if (head < 0) head = chunk.indexOf('\r\n\r\n') + 4;
          if (length >= head + down.length) resolve();
        });
      });
      t.equal(digest(received), digest(up));
      t.equal(digest(Buffer.concat(chunks).subarray(head)), digest(down));
    });
  }
});

t.test('an app that does not read holds the server back, and little is kept in between', async (t) => {
  const connections: TlsConnection[] = [];
  const origin = await tlsOrigin(t, {}, (connection) => {
    connections.push(connection);
  });
  const relay = await startTlsRelay(t, origin.port);
  const client = await relay.client();
  client.socket.pause();
  client.write(`GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  const size = 64 * MIB;
  upstream.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  const chunk = bytes(MIB);
  let sent = 0;
  while (sent < size && upstream.socket.writableLength < 8 * MIB) {
    upstream.socket.write(chunk);
    sent += MIB;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(upstream.socket.writableLength >= 8 * MIB, 'the server could not get rid of it');
  t.ok(relay.app.process().bufferedBytes < MIB, `${relay.app.process().bufferedBytes} bytes are kept`);
  client.socket.resume();
  while (sent < size) {
    upstream.socket.write(chunk);
    sent += MIB;
  }
  let got = 0;
  client.socket.removeAllListeners('data');
  await new Promise<void>((resolve) => {
    client.socket.on('data', (bytes: Buffer) => {
      got += bytes.length;
      if (got >= size) resolve();
    });
  });
  t.ok(got >= size);
});

t.test('a server that does not read holds the app back', async (t) => {
  const origin = await tlsOrigin(t, {}, (connection) => {
    connection.socket.removeAllListeners('data');
    connection.socket.pause();
  });
  const relay = await startTlsRelay(t, origin.port);
  const client = net.connect(relay.port, '127.0.0.1');
  t.teardown(() => client.destroy());
  const size = 64 * MIB;
  client.write(`POST https://${API}/ HTTP/1.1\r\nHost: ${API}\r\nContent-Length: ${size}\r\n\r\n`);
  const upstream = await origin.connection(0);
  const chunk = bytes(MIB);
  let sent = 0;
  while (sent < size && client.writableLength < 8 * MIB) {
    client.write(chunk);
    sent += MIB;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(client.writableLength >= 8 * MIB, 'the app could not get rid of it');
  t.ok(relay.app.process().bufferedBytes < MIB, `${relay.app.process().bufferedBytes} bytes are kept`);
  let got = 0;
  upstream.socket.on('data', (bytes: Buffer) => {
    got += bytes.length;
  });
  upstream.socket.resume();
  while (sent < size) {
    client.write(chunk);
    sent += MIB;
  }
  await eventually(() => got >= size);
  // What a socket's queue has left with is counted at the ticks.
  await eventually(() => {
    relay.clock.advance(1000);
    return relay.app.process().bufferedBytes < 4096;
  });
  t.pass('nothing of the body stays counted');
});

t.test('a connection that carpool closes says so by close_notify', async (t) => {
  const ends: boolean[] = [];
  const origin = await answering(t);
  const relay = await startTlsRelay(t, origin.port);
  await relay.fetch(`https://${API}/`);
  const { socket } = await origin.connection(0);
  socket.once('end', () => ends.push(endedByCloseNotify(socket)));
  relay.app.steering.evict({ destination: null, idleOnly: true });
  await eventually(() => ends.length > 0);
  t.same(ends, [true]);
});

t.test('an upgrade by TLS is a tunnel in both directions, to its end', async (t) => {
  const origin = await tlsOrigin(t);
  const relay = await startTlsRelay(t, origin.port);
  const client = await relay.client();
  client.write(`GET https://${API}/chat HTTP/1.1\r\nHost: ${API}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello');
  await client.untilReceived('hello');
  client.write('up');
  await upstream.untilReceived('up');
  upstream.write('down');
  await client.untilReceived('down');
  client.socket.end();
  await upstream.until(({ ended }) => ended);
  upstream.write(' and out');
  await client.untilReceived('and out');
  upstream.socket.end();
  await client.until(({ ended }) => ended);
  await eventually(() => relay.app.process().tunnels === 0);
});

t.test('a server that closes an idle connection is not sent the next request', async (t) => {
  const origin = await answering(t);
  const relay = await startTlsRelay(t, origin.port);
  await relay.fetch(`https://${API}/`);
  (await origin.connection(0)).socket.end();
  await eventually(() => relay.app.destinations().every(({ idle }) => idle === 0));
  t.match(await relay.fetch(`https://${API}/`), /connection 1$/);
});

t.test('a connection that the server resets while it is idle is dropped', async (t) => {
  const origin = await answering(t);
  const relay = await startTlsRelay(t, origin.port);
  await relay.fetch(`https://${API}/`);
  (await origin.connection(0)).socket.destroy();
  await eventually(() => relay.app.destinations().every(({ idle }) => idle === 0));
  t.match(await relay.fetch(`https://${API}/`), /connection 1$/);
});

t.test('garbage in place of a record breaks the connection, and nothing of it reaches the app', async (t) => {
  const own = await authority.issue('server', { names: [API] });
  const secureContext = tls.createSecureContext(own);
  const origin = await rawOrigin(t, ({ socket: under }) => {
    under.removeAllListeners('data');
    const socket = new tls.TLSSocket(under, { isServer: true, secureContext });
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome', () => {
        net.Socket.prototype.write.call(under, Buffer.from('this is no record at all'));
      });
    });
  });
  const relay = await startTlsRelay(t, origin.port);
  const client = await relay.client();
  client.write(`GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`);
  await client.until(({ ended }) => ended);
  t.notMatch(client.received, 'no record');
  t.notOk(isWhole(client.received));
});
