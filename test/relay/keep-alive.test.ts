import t from 'tap';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';

t.test('two requests of one app connection travel over one upstream connection, in origin form', async (t) => {
  const origin = await rawOrigin(t);
  const { port } = await startSidecar(t);
  const client = await rawClient(t, port);
  const target = `127.0.0.1:${origin.port}`;
  client.write(`GET http://${target}/one HTTP/1.1\r\nHost: ${target}\r\nX-App: 1\r\n\r\n`);
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  t.equal(upstream.received, `GET /one HTTP/1.1\r\nHost: ${target}\r\nX-App: 1\r\n\r\n`);
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none');
  await client.untilReceived('one');
  t.equal(client.received, 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none');
  client.write(`GET http://${target}/two HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  await upstream.untilReceived('GET /two HTTP/1.1');
  upstream.write('HTTP/1.1 204 No Content\r\n\r\n');
  await client.untilReceived('204 No Content');
  t.equal(origin.connections.length, 1, 'no second connection was opened');
});
