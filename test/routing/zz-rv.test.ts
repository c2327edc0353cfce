import t from 'tap';
import { answeringOrigin, appClient, ok, statsOf, TARGET, toOrigins, until } from '../pool/origins.ts';
import { startSidecar } from '../sidecar.ts';

t.test('resume of what was paused and is gone', async (t) => {
  const origin = await answeringOrigin(t);
  const target = `127.0.0.1:${origin.port}`;
  const { readFileSync, writeFileSync } = await import('node:fs');
  const { parse, stringify } = await import('yaml');
  const sidecar = await startSidecar(t, {});
  const client = await appClient(t, sidecar, target);
  client.send('/a'); await client.response();
  const s = parse(readFileSync(sidecar.configFile, 'utf8'));
  s.security.allowAddresses = ['127.0.0.0/8', '10.0.0.0/8'];
  const other = await answeringOrigin(t, () => null);
  writeFileSync(sidecar.configFile, stringify(s));
  client.send('/b'); await client.response();
  sidecar.app.steering.pause(target);
  await sidecar.app.steering.reload();
  t.equal(statsOf(sidecar, target).paused, true);
  t.equal(sidecar.app.steering.resume(target), true);
  t.equal((await client.get('/x')).status, 200);
});

t.test('late endpoint failures', async (t) => {
  const silent = { on: true };
  const bad = await answeringOrigin(t, ({ path }) => (silent.on ? null : ok(path)));
  const good = await answeringOrigin(t);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([good, bad], { balancer: 'round_robin', timeouts: { response: '30s' }, breaker: { failures: 2, recovery: '10s' } })],
  });
  const hang = async (n: number) => {
    while (bad.requests.length < n) { const c = await appClient(t, sidecar); c.send('/h', 'POST', 'x'); const b = good.requests.length + bad.requests.length; await until(() => good.requests.length + bad.requests.length > b - 0 || true); await new Promise((r) => setImmediate(r)); await new Promise((r) => setImmediate(r)); await new Promise((r) => setImmediate(r)); }
  };
  await hang(2);
  sidecar.clock.advance(25_000);
  await hang(4);
  sidecar.clock.advance(6_000);
  await until(() => statsOf(sidecar).endpoints[1]?.state === 'ejected');
  silent.on = false;
  sidecar.clock.advance(11_000);
  const c = await appClient(t, sidecar);
  for (let i = 0; i < 6; i++) await c.get('/w');
  t.equal(statsOf(sidecar).endpoints[1]?.state, 'ready');
  sidecar.clock.advance(20_000);
  t.equal(statsOf(sidecar).endpoints[1]?.state, 'ready');
});
