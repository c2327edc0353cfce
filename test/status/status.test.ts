import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import type { StatusSnapshot } from '../../src/status/types.ts';
import { call } from '../admin/call.ts';
import { rawOrigin } from '../raw-origin.ts';
import { eventually, startRelay, useOnce } from '../relay/relay-fixture.ts';
import { reload } from '../sidecar.ts';

async function statusOf(where: { port: number } | { socketPath: string }, query = ''): Promise<StatusSnapshot> {
  const { status, body } = await call(where, `/status${query}`);
  if (status !== 200) throw new Error(`${status} ${body}`);
  return JSON.parse(body);
}

t.test('a row tells what a destination holds and did in the last minute', async (t) => {
  const relay = await startRelay(t, { destinations: [] });
  const client = await relay.client();
  const upstream = await useOnce(relay, client);
  for (let second = 0; second < 10; second++) relay.clock.advance(1000);
  client.write(relay.head('GET', '/held'));
  await upstream.untilReceived('/held');
  const where = { port: relay.operatorPort };
  const { destinations, sidecar, time, history } = await statusOf(where);
  t.equal(time, relay.clock.wall());
  t.match(sidecar, { version: 'test', state: 'ready', uptimeMs: 10_000, exchanges: 1, upstreamConnections: 1 });
  t.match(sidecar, {
    proxyUrl: `http://127.0.0.1:${relay.port}`,
    configFile: relay.configFile,
    downstreamConnections: 1,
  });
  t.match(destinations, [
    {
      name: relay.target,
      label: relay.target,
      configured: false,
      active: 1,
      idle: 0,
      pending: 0,
      maxConnections: 1024,
      utilization: 0.001,
      endpointsReady: 1,
      endpointsTotal: 1,
      endpointsUnfit: 0,
      discovery: { source: 'literal', state: 'ready', error: null },
      breaker: 'off',
      requestsPerSecond: 0.1,
      failedShare: 0,
      reuseShare: 0,
    },
  ]);
  t.same(
    history[relay.target]?.points.map(({ requests }) => requests),
    [1, 0],
  );
  upstream.write('HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n');
  await client.untilReceived('500');
  t.match((await statusOf(where)).destinations, [
    { active: 0, idle: 1, failedShare: 0.5, reuseShare: 0.5, requestsPerSecond: 0.2 },
  ]);
});

t.test('the name of a destination adds its endpoints and connections, and its label does not', async (t) => {
  const relay = await startRelay(t, { destinations: [{ match: '127.0.0.1', name: 'home' }] });
  const client = await relay.client();
  await useOnce(relay, client);
  relay.clock.advance(2500);
  const where = { port: relay.operatorPort };
  const { detail, destinations } = await statusOf(where, `?destination=${relay.target}`);
  t.match(destinations, [{ name: relay.target, label: 'home', configured: true }]);
  t.match(detail, {
    name: relay.target,
    balancer: 'p2c',
    limit: { configured: 1024, scaled: null, share: null, budget: null },
    endpoints: [{ id: relay.target, state: 'ready', inRotation: true, idle: 1, active: 0, changes: 0 }],
    connections: [
      { state: 'idle', protocol: 'http1', ageMs: 2500, idleMs: 2500, requests: 1, streams: 0, reason: null },
    ],
    connectionsTotal: 1,
  });
  t.equal((await statusOf(where)).detail, null);
  for (const name of ['home', 'nobody:1']) {
    const missing = await call(where, `/status?destination=${name}`);
    t.equal(missing.status, 404, name);
    t.match(JSON.parse(missing.body), { code: 'NO_SUCH_DESTINATION' });
  }
});

t.test('what drains comes before what is idle, the older first', async (t) => {
  const relay = await startRelay(t);
  const { origin, operatorPort } = relay;
  const busy = await relay.client();
  busy.write(relay.head('GET', '/busy'));
  await (await origin.connection(0)).untilReceived('/busy');
  relay.clock.advance(10);
  const other = await relay.client();
  other.write(relay.head('GET', '/other'));
  await (await origin.connection(1)).untilReceived('/other');
  relay.app.steering.evict({ destination: relay.target, idleOnly: false });
  const third = await relay.client();
  await useOnce(relay, third);
  const { detail } = await statusOf({ port: operatorPort }, `?destination=${relay.target}`);
  t.same(
    detail?.connections.map(({ state, reason, requests }) => [state, reason, requests]),
    [
      ['draining', 'admin', 1],
      ['draining', 'admin', 1],
      ['idle', null, 1],
    ],
  );
  t.ok((detail?.connections[0]?.ageMs ?? 0) > (detail?.connections[1]?.ageMs ?? 0), 'the older one first');
});

t.test('what drains comes before what is older and busy', async (t) => {
  const match = 'shop.test:80';
  const origins = await Promise.all([rawOrigin(t), rawOrigin(t)]);
  const endpoints = origins.map(({ port }) => `127.0.0.1:${port}`);
  const relay = await startRelay(t, { destinations: [{ match, endpoints }] });
  for (const path of ['/first', '/second']) {
    const client = await relay.client();
    client.write(`GET http://${match}${path} HTTP/1.1\r\nHost: ${match}\r\n\r\n`);
    await eventually(() => relay.app.destinations()[0]?.active === (path === '/first' ? 1 : 2));
    relay.clock.advance(10);
  }
  const rows = async () => (await statusOf({ port: relay.operatorPort }, `?destination=${match}`)).detail?.connections;
  const [older, younger] = (await rows()) ?? [];
  t.ok((older?.ageMs ?? 0) > (younger?.ageMs ?? 0) && older?.endpoint !== younger?.endpoint);
  await reload(relay, { destinations: [{ match, endpoints: [older?.endpoint] }] });
  t.match(await rows(), [
    { id: younger?.id, state: 'draining', reason: 'endpoint_removed' },
    { id: older?.id, state: 'active', reason: null },
  ]);
});

t.test('the control socket says the same', async (t) => {
  const relay = await startRelay(t);
  await useOnce(relay, await relay.client());
  const socketPath = join(dirname(relay.configFile), 'control.sock');
  const [there, here] = await Promise.all([
    statusOf({ socketPath }, `?destination=${relay.target}`),
    statusOf({ port: relay.operatorPort }, `?destination=${relay.target}`),
  ]);
  const { sidecar: _one, ...rest } = there;
  const { sidecar: _other, ...same } = here;
  t.same(rest, same);
  t.equal((await call({ socketPath }, '/status?destination=nobody:1')).status, 404);
});

t.test('the history can be left out, for who asks often', async (t) => {
  const relay = await startRelay(t);
  await useOnce(relay, await relay.client());
  relay.clock.advance(5000);
  t.same((await statusOf({ port: relay.operatorPort }, '?history=none')).history, {});
  t.equal((await statusOf({ port: relay.operatorPort })).history[relay.target]?.points.length, 1);
});

t.test('the endpoints of all destinations are one list', async (t) => {
  const match = 'shop.test:80';
  const relay = await startRelay(t, { destinations: [{ match, endpoints: ['127.0.0.1:1', '127.0.0.1:2'] }] });
  await useOnce(relay, await relay.client());
  relay.app.steering.pause(match);
  const where = { port: relay.operatorPort };
  const list = async (query = '') => JSON.parse((await call(where, `/status/endpoints${query}`)).body).endpoints;
  t.same(
    (await list()).map((row: { destination: string; id: string }) => [row.destination, row.id]),
    [
      [relay.target, relay.target],
      [match, '127.0.0.1:1'],
      [match, '127.0.0.1:2'],
    ],
  );
  t.match(await list(`?destination=${match}`), [{ id: '127.0.0.1:1', state: 'ready' }, { id: '127.0.0.1:2' }]);
  t.equal((await call(where, '/status/endpoints?destination=nobody:1')).status, 404);
});

t.test('a destination that a reload replaced is seen in the row of its name until it has ended', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/long'));
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('/long');
  await reload(relay, { destinations: [{ match: relay.target, vanished: 'evict' }] });
  const next = await relay.client();
  await useOnce(relay, next);
  const where = { port: relay.operatorPort };
  const both = await statusOf(where, `?destination=${relay.target}`);
  t.match(both.destinations, [{ configured: true, idle: 1, draining: 1 }]);
  t.equal(both.destinations.length, 1);
  t.match(both.detail, { connectionsTotal: 2, endpoints: [{ idle: 1 }] });
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  await client.untilReceived('200');
  await eventually(() => relay.app.destinations().length === 2 && relay.stats().draining === 0);
  relay.clock.advance(1000);
  t.match((await statusOf(where)).destinations, [{ idle: 1, draining: 0 }]);
});

t.test('a reload is an event, refused or not, and its lines are in the log once', async (t) => {
  const relay = await startRelay(t);
  await reload(relay, { defaults: { pool: { maxConnections: 7, maxIdle: 5 } } });
  writeFileSync(relay.configFile, 'listener: { prot: 1 }');
  await relay.app.steering.reload();
  const { events, sidecar } = await statusOf({ port: relay.operatorPort });
  t.match(events, [
    { sequence: 2, type: 'config_refused', severity: 'error', destination: null, text: /did you mean port/ },
    {
      sequence: 1,
      type: 'config_applied',
      severity: 'info',
      text: /maxConnections: 1024 → 7.* \(1 more in the log\.\)$/,
    },
  ]);
  t.match(sidecar.reloads, { applied: 1, refused: 1, lastError: /^\S+ \S+ is no setting; did you mean port/ });
  await relay.app.close();
  const lines = readFileSync(relay.logFile, 'utf8').split('\n');
  t.equal(lines.filter((line) => line.includes('maxConnections: 1024 → 7')).length, 1);
  t.equal(lines.filter((line) => line.includes('did you mean port')).length, 1);
  t.notOk(lines.some((line) => line.includes('config_applied')));
});
