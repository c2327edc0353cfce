import t, { type Test } from 'tap';
import { answeringOrigin, ok, statsOf, toOrigins, until } from '../pool/origins.ts';
import { type OriginConnection, rawClient } from '../raw-origin.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';

/**
 * An app that keeps this connection asks once a minute, for longer than an unused destination is kept.
 * @returns how many destinations there were after each minute
 */
async function askFor16Minutes(sidecar: Sidecar, client: OriginConnection): Promise<number[]> {
  const counts: number[] = [];
  for (let minute = 0; minute < 16; minute++) {
    const before = client.received.length;
    client.write('GET /x HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => client.received.slice(before).endsWith('\r\n\r\nx'));
    for (let second = 0; second < 60; second++) sidecar.clock.advance(1000);
    counts.push(sidecar.app.destinations().length);
  }
  return counts;
}

const origin = (t: Test) => answeringOrigin(t, () => ok('x'));

t.test('a destination whose app keeps one connection to its local port is in use, and is checked on', async (t) => {
  const entry = toOrigins([await origin(t)], { healthCheck: { enabled: true, interval: '1h' }, localPort: 0 });
  const sidecar = await startSidecar(t, { destinations: [entry] });
  await until(() => {
    sidecar.clock.advance(100);
    return statsOf(sidecar).endpoints[0]?.check === 'passing';
  });
  await askFor16Minutes(sidecar, await rawClient(t, sidecar.localPorts[0]?.port ?? 0));
  t.equal(statsOf(sidecar).endpoints[0]?.check, 'passing');
});

t.test('a destination whose app keeps one CONNECT to it is in use, and is not dropped', async (t) => {
  const { port } = await origin(t);
  const sidecar = await startSidecar(t);
  const client = await rawClient(t, sidecar.port);
  client.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  await client.untilReceived('\r\n\r\n');
  t.same(await askFor16Minutes(sidecar, client), new Array(16).fill(1));
});
