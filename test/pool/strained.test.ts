import { readFileSync } from 'node:fs';
import t from 'tap';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, ok, statsOf, toOrigins, until } from './origins.ts';

/** The lines of the log that tell this event. */
const logged = ({ logFile }: Sidecar, event: string): Record<string, unknown>[] =>
  readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`"event":"${event}"`))
    .map((line) => JSON.parse(line));

t.test(
  'a sidecar tells once that a limit is used up and by what it is helped, and once that it is no more',
  async (t) => {
    const origin = await answeringOrigin(t, () => null);
    const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxConnections: 2 } })] });
    const clients = [await appClient(t, sidecar), await appClient(t, sidecar)];
    for (const [index, client] of clients.entries()) {
      client.send(`/${index}`);
      await until(() => origin.requests.length === index + 1);
    }
    sidecar.clock.advance(1000);
    t.same(statsOf(sidecar).signals, []);
    sidecar.clock.advance(5000);
    t.same(statsOf(sidecar).signals, ['utilization']);
    for (const { connection } of origin.requests) connection.write(ok('x'));
    for (const client of clients) await client.response();
    sidecar.clock.advance(10_000);
    t.same(statsOf(sidecar).signals, ['utilization'], 'ten seconds below it, not nine');
    sidecar.clock.advance(1000);
    t.same(statsOf(sidecar).signals, []);
    await until(() => logged(sidecar, 'pool_relieved').length > 0);
    const [strained] = logged(sidecar, 'pool_strained');
    t.match(strained, { destination: 'orders.shop:8080', signal: 'utilization', value: 1, threshold: 0.9 });
    t.match(String(strained?.hint), /2 of 2 connections are in use: raise pool\.maxConnections/);
    t.equal(logged(sidecar, 'pool_strained').length, 1);
  },
);

t.test('a sidecar tells that requests fail, whatever is scraped meanwhile', async (t) => {
  const origin = await answeringOrigin(t, ({ path }) =>
    path === '/bad' ? 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n' : ok('x'),
  );
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { retry: { attempts: 1 }, breaker: { failures: 1000 } })],
  });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 30; index++) {
    await client.get(index % 5 === 0 ? '/bad' : '/good');
    if (index % 10 === 5) await fetch(`http://127.0.0.1:${sidecar.operatorPort}/metrics`);
  }
  sidecar.clock.advance(1000);
  t.same(statsOf(sidecar).signals, ['errors']);
  await until(() => logged(sidecar, 'pool_strained').length > 0);
  t.match(logged(sidecar, 'pool_strained')[0], { signal: 'errors', value: 0.2 });
});

t.test('a sidecar scales the limit of a destination as its configuration says, and shows it', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { pool: { maxConnections: 2, scaling: 'load' }, scaling: { cooldown: '10s' } })],
  });
  const clients = await Promise.all([0, 1, 2, 3].map(() => appClient(t, sidecar)));
  for (const [index, client] of clients.slice(0, 2).entries()) {
    client.send(`/${index}`);
    await until(() => origin.requests.length === index + 1);
  }
  clients[2]?.send('/2');
  await until(() => statsOf(sidecar).pending === 1);
  sidecar.clock.advance(1000);
  await until(() => origin.requests.length === 3);
  t.same(statsOf(sidecar).limit, { configured: 2, scaled: 3, share: null, budget: null });
  t.equal(statsOf(sidecar).maxConnections, 3);
  clients[3]?.send('/3');
  await until(() => statsOf(sidecar).pending === 1);
  for (const { connection } of origin.requests.slice(0, 3)) connection.write(ok('x'));
  await until(() => origin.requests.length === 4);
  origin.requests[3]?.connection.write(ok('x'));
  for (const client of clients) t.equal((await client.response()).status, 200);
  for (let second = 0; second < 75; second++) sidecar.clock.advance(1000);
  t.equal(statsOf(sidecar).maxConnections, 1, 'nothing was in use for a minute');
  await until(() => logged(sidecar, 'limit_scaled').length === 2);
  t.same(
    logged(sidecar, 'limit_scaled').map(({ from, to }) => [from, to]),
    [
      [2, 3],
      [3, 1],
    ],
  );
});

t.test('a sidecar keeps warm what it has learned, and shows it', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { minConnections: 'auto' } })] });
  const clients = await Promise.all([0, 1, 2].map(() => appClient(t, sidecar)));
  for (const [index, client] of clients.entries()) {
    client.send(`/${index}`);
    await until(() => origin.requests.length === index + 1);
  }
  for (const { connection } of origin.requests) connection.write(ok('x'));
  for (const client of clients) await client.response();
  for (let second = 0; second < 90; second++) {
    sidecar.clock.advance(1000);
    await until(() => statsOf(sidecar).connecting === 0);
  }
  t.equal(statsOf(sidecar).floor, 3);
  t.equal(statsOf(sidecar).idle, 3);
});
