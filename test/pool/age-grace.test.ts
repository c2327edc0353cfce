import t from 'tap';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';

const get = (port: number, path: string): string =>
  `GET http://127.0.0.1:${port}${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;

/** What is not sent again when its connection is cut. */
const post = (port: number, path: string): string =>
  `POST http://127.0.0.1:${port}${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 0\r\n\r\n`;

t.test('pool.maxAgeGrace bounds an exchange on a connection past its age; without it nothing does', async (t) => {
  for (const grace of ['30s', 0]) {
    const origin = await rawOrigin(t);
    const { port, clock } = await startSidecar(t, {
      defaults: { pool: { maxAge: '60s', maxAgeGrace: grace }, timeouts: { response: '1h' } },
    });
    const client = await rawClient(t, port);
    client.write(post(origin.port, '/slow'));
    const upstream = await origin.connection(0);
    await upstream.untilReceived('/slow');
    clock.advance(70_000);
    upstream.write('HTTP/1.1 103 Early Hints\r\n\r\n');
    await client.untilReceived('103 Early Hints');
    t.notOk(upstream.ended, 'past its age it finishes what it has');
    clock.advance(40_000);
    if (grace === 0) {
      upstream.write('HTTP/1.1 204 No Content\r\n\r\n');
      await client.untilReceived('204');
    } else {
      await upstream.until(({ closed, ended }) => closed || ended);
      await client.untilReceived('502 Bad Gateway');
    }
    t.pass('as told');
  }
});

t.test('pool.sweepInterval says how often idle connections are looked at', async (t) => {
  const origin = await rawOrigin(t);
  const { port, clock } = await startSidecar(t, {
    defaults: { pool: { idleTimeout: '10s', sweepInterval: '30s' } },
  });
  const client = await rawClient(t, port);
  clock.advance(1000);
  client.write(get(origin.port, '/'));
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 204 No Content\r\n\r\n');
  await client.untilReceived('204');
  clock.advance(15_000);
  // Barrier: a new connection to the origin is seen only after what was closed before it.
  const other = await rawClient(t, origin.port);
  await origin.connection(1);
  other.socket.destroy();
  t.notOk(upstream.ended, 'it is too old, and nobody has looked');
  clock.advance(30_000);
  await upstream.until(({ ended }) => ended);
});
