import t from 'tap';
import { startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, closedFor, metric, statsOf, toOrigins, until } from './origins.ts';

t.test('minConnections are opened at the start, spread over the endpoints, and kept', async (t) => {
  const origins = [await answeringOrigin(t), await answeringOrigin(t)];
  const sidecar = await startSidecar(t, { destinations: [toOrigins(origins, { pool: { minConnections: 4 } })] });
  sidecar.clock.advance(1000);
  await until(() => statsOf(sidecar).idle === 4 && origins.every(({ connections }) => connections.length > 1));
  t.same(
    origins.map(({ connections }) => connections.length),
    [2, 2],
  );
  const client = await appClient(t, sidecar);
  t.equal((await client.get('/1')).status, 200);
  t.equal(await metric(sidecar, 'carpool_pool_connections_created_total'), 4, 'a request takes a warm one');
  origins[0]?.connections[0]?.socket.end();
  await until(() => statsOf(sidecar).idle === 3);
  sidecar.clock.advance(1000);
  await until(() => statsOf(sidecar).idle === 4);
  await until(() => origins[0]?.connections.length === 3);
  t.equal(origins[0]?.connections.length, 3, 'replaced where one was missing');
});

t.test(
  'the replacement of an aging warm connection is open before that one retires, and both stay until then',
  async (t) => {
    const origin = await answeringOrigin(t);
    const sidecar = await startSidecar(t, {
      destinations: [toOrigins([origin], { pool: { minConnections: 3, maxAge: '60s', idleTimeout: '300s' } })],
    });
    sidecar.clock.advance(1000);
    await until(() => statsOf(sidecar).idle === 3 && origin.connections.length === 3);
    let least = 3;
    for (let second = 0; second < 200; second++) {
      sidecar.clock.advance(1000);
      await until(() => statsOf(sidecar).connecting === 0);
      least = Math.min(least, statsOf(sidecar).idle);
    }
    t.equal(least, 3, 'there never were fewer');
    t.equal(await closedFor(sidecar, 'rebalance'), 0, 'none was closed as surplus');
    const aged = await closedFor(sidecar, 'max_age');
    t.ok(aged >= 8 && aged <= 12, `${aged} in 200 s`);
    t.equal(
      await metric(sidecar, 'carpool_pool_connections_created_total'),
      aged + statsOf(sidecar).idle,
      'one replacement each',
    );
  },
);

t.test('maxConnections holds for the warm floor too', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, {
    limits: { maxConnections: 2 },
    destinations: [toOrigins([origin], { pool: { minConnections: 3, maxConnections: 3 } })],
  });
  for (let second = 0; second < 5; second++) {
    sidecar.clock.advance(1000);
    await until(() => statsOf(sidecar).connecting === 0);
  }
  await until(() => origin.connections.length >= 2);
  t.equal(await metric(sidecar, 'carpool_pool_connections_created_total'), 2, 'limits.maxConnections');
  t.equal(sidecar.app.process().upstreamConnections, 2);
});
