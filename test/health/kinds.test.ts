import { once } from 'node:events';
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import { portOf } from '../admin/port-of.ts';
import { until } from '../pool/origins.ts';
import { rawOrigin } from '../raw-origin.ts';
import { HealthFixture, outcome } from './health-fixture.ts';

const OK = 'HTTP/1.1 204 No Content\r\n\r\n';

/** An HTTP/1.1 server that answers each request with `answer`. */
const answering = (t: Test, answer: string) =>
  rawOrigin(t, (connection) => {
    connection.socket.on('data', () => {
      if (connection.received.endsWith('\r\n\r\n')) connection.write(answer);
    });
    connection.socket.on('end', () => connection.socket.end());
  });

/** A port at which nothing listens. */
async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

t.test('tcp: a connection is enough, and it is closed at once', async (t) => {
  const origin = await rawOrigin(t);
  t.equal(await outcome(t, origin.port, {}), null);
  const connection = await origin.connection(0);
  await connection.until(({ ended }) => ended);
  t.equal(connection.received, '');
});

t.test('tcp: a port where nothing listens fails, with the errno', async (t) => {
  const port = await unusedPort();
  t.match(await outcome(t, port, {}), `connect ECONNREFUSED 127.0.0.1:${port}`);
});

t.test('tcp: healthCheck.port is asked instead of the endpoint’s', async (t) => {
  const [service, health] = [await rawOrigin(t), await rawOrigin(t)];
  t.equal(await outcome(t, service.port, { check: { port: health.port } }), null);
  await health.connection(0);
  t.equal(service.connections.length, 0);
});

t.test('http: asks for the path, in the destination’s name, on a connection that it closes', async (t) => {
  const origin = await answering(t, OK);
  t.equal(await outcome(t, origin.port, { check: { kind: 'http', path: '/ready?full' } }), null);
  const connection = await origin.connection(0);
  await connection.until(({ ended }) => ended);
  t.match(connection.received, /^GET \/ready\?full HTTP\/1\.1\r\n/);
  t.match(connection.received, /\r\nhost: orders\.shop:8080\r\n/i);
  t.match(connection.received, /\r\nuser-agent: carpool-health-check\r\n/i);
  t.match(connection.received, /\r\nconnection: close\r\n/i);
});

t.test('http: an empty path is the root', async (t) => {
  const origin = await answering(t, OK);
  t.equal(await outcome(t, origin.port, { check: { kind: 'http', path: '' } }), null);
  t.match((await origin.connection(0)).received, /^GET \/ HTTP/);
});

for (const [status, good] of [
  [200, true],
  [302, true],
  [399, true],
  [400, false],
  [404, false],
  [503, false],
] as const)
  t.test(`http: ${status} ${good ? 'passes' : 'fails'}`, async (t) => {
    const origin = await answering(t, `HTTP/1.1 ${status} Some\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nno`);
    t.equal(
      await outcome(t, origin.port, { check: { kind: 'http' } }),
      good ? null : `status ${status}; it serves on, for no other one is fit`,
    );
    t.equal(origin.connections.length, 1, 'no redirect is followed');
  });

t.test('http: a body is read to its end, but no more than a bound of it', async (t) => {
  const cut = await rawOrigin(t, ({ socket }) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')),
  );
  const reason = await outcome(t, cut.port, { check: { kind: 'http' } });
  t.match(reason, /the connection was closed .*in the body of a response of status 200/);
  const endless = await rawOrigin(t, (connection) => {
    connection.socket.once('data', () => {
      connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
      const more = () => {
        while (!connection.socket.destroyed && connection.socket.write(chunk));
      };
      connection.socket.on('drain', more);
      more();
    });
  });
  t.equal(await outcome(t, endless.port, { check: { kind: 'http' } }), null);
  await (await endless.connection(0)).until(({ closed }) => closed);
});

t.test('http: what is no HTTP, and a connection that ends without an answer, fail', async (t) => {
  const noise = await answering(t, 'SSH-2.0-OpenSSH\r\n');
  t.match(await outcome(t, noise.port, { check: { kind: 'http' } }), /HTTP/);
  const silent = await rawOrigin(t, (connection) => connection.socket.once('data', () => connection.socket.end()));
  t.match(await outcome(t, silent.port, { check: { kind: 'http' } }), 'the connection was closed');
});

t.test('http: a server that never answers fails when the time-out is over, and is let go', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [origin.port], { check: { kind: 'http', threshold: 1, timeoutMs: 2000 } });
  fixture.tick();
  fixture.context.clock.advance(500);
  const connection = await origin.connection(0);
  await connection.untilReceived('\r\n\r\n');
  fixture.context.clock.advance(1999);
  t.equal(fixture.ended, 0);
  fixture.context.clock.advance(1);
  t.equal(fixture.count('failed'), 1);
  t.match(fixture.reasons[0], 'timed out after 2000 ms, waiting for the response');
  await connection.until(({ closed, ended }) => closed || ended);
});

t.test('http: a slow server passes as long as it keeps within the time-out', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [origin.port], { check: { kind: 'http', timeoutMs: 2000 } });
  fixture.tick();
  fixture.context.clock.advance(500);
  const connection = await origin.connection(0);
  await connection.untilReceived('\r\n\r\n');
  fixture.context.clock.advance(1999);
  connection.write(OK);
  await until(() => fixture.ended === 1);
  t.equal(fixture.count('passed'), 1);
});

t.test('of two addresses of an endpoint one that takes the connection is enough', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [], { check: { threshold: 1 } });
  const both = { address: '::1', otherAddress: '127.0.0.1' };
  fixture.destination.add({ id: 'both', port: origin.port, ...both });
  fixture.destination.add({ id: 'none', port: await unusedPort(), ...both });
  fixture.destination.settled(null);
  await fixture.first(2);
  t.equal(fixture.count('passed'), 1);
  t.match(fixture.events('check_failed'), [{ endpoint: 'none', message: /connect E.*::1.*; connect E.*127\.0\.0\.1/ }]);
});
