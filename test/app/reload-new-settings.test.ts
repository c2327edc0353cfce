import t from 'tap';
import { answeringOrigin, toOrigins, until } from '../pool/origins.ts';
import { rawClient } from '../raw-origin.ts';
import { reload, startSidecar } from '../sidecar.ts';

t.test(
  'a reload that asks for a warm destination where limits.destinations are all in use is taken, and the process lives',
  async (t) => {
    const busy = await answeringOrigin(t, () => null);
    const warm = await answeringOrigin(t);
    const sidecar = await startSidecar(t, { limits: { destinations: 1 } });
    const client = await rawClient(t, sidecar.port);
    client.write(`GET http://127.0.0.1:${busy.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until(() => busy.requests.length === 1);
    const lines = await reload(sidecar, {
      destinations: [toOrigins([warm], { pool: { minConnections: 1 } })],
      telemetry: { logLevel: 'debug' },
    });
    t.match(lines.join('\n'), 'added');
    busy.requests[0]?.connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await client.untilReceived('ok');
  },
);

t.test('what is paused and has no room when a reload makes it anew is paused when a request makes it', async (t) => {
  const busy = await answeringOrigin(t, () => null);
  const held = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([held])] });
  const { steering } = sidecar.app;
  const name = String(toOrigins([held]).match);
  t.equal(steering.pause(name), true);
  const client = await rawClient(t, sidecar.port);
  client.write(`GET http://127.0.0.1:${busy.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until(() => busy.requests.length === 1);
  await reload(sidecar, { destinations: [toOrigins([held], { name: 'shop' })], limits: { destinations: 1 } });
  busy.requests[0]?.connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await client.untilReceived('ok');
  client.write(`GET http://${name}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until(() => sidecar.app.destinations().some((each) => each.name === name && each.pending === 1));
  t.equal(held.connections.length, 0);
  t.equal(steering.resume(name), true);
  await until(() => held.requests.length === 1);
});
