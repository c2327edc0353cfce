import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import { CarpoolError } from '../../src/errors.ts';
import { parseExposition } from '../telemetry/exposition-parser.ts';
import { connection, destination, endpoint, processStats } from '../telemetry/fake-inspector.ts';
import { call } from './call.ts';
import { makeOperator } from './operator-fixture.ts';
import { portOf } from './port-of.ts';

const PATHS = [
  '/',
  '/metrics',
  '/livez',
  '/readyz',
  '/stats',
  '/status',
  '/health',
  '/health/connections',
  '/health/destinations',
  '/health/circuit-breakers',
  '/debug/config',
  '/debug/memory',
  '/debug/latency',
];

t.test('every page answers GET, and HEAD with the same head and no body', async (t) => {
  const { operator, faults } = makeOperator(t);
  const where = await operator.start();
  for (const path of [...PATHS, '/stats/']) {
    const get = await call(where, path);
    t.equal(get.status, 200, path);
    t.not(get.body, '', path);
    t.equal(get.headers['x-content-type-options'], 'nosniff');
    t.equal(get.headers['cache-control'], 'no-store');
    const head = await call(where, path, { method: 'HEAD' });
    t.equal(head.status, 200, path);
    t.equal(head.headers['content-type'], get.headers['content-type'], path);
    t.equal(head.body, '', path);
  }
  t.same(faults, []);
});

t.test('the index page links to every page and lets nothing run or load but its own', async (t) => {
  const { operator } = makeOperator(t);
  const where = await operator.start();
  const { body, headers } = await call(where, '/');
  t.match(headers['content-type'], 'text/html');
  t.match(headers['content-security-policy'], "default-src 'none'");
  t.equal(headers['x-frame-options'], 'DENY');
  for (const path of PATHS.slice(1)) t.ok(body.includes(`href="${path.slice(1)}"`), path);
});

t.test('anything but GET and HEAD is refused with the methods that are allowed', async (t) => {
  const { operator } = makeOperator(t);
  const where = await operator.start();
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const reply = await call(where, '/stats', { method, body: 'x' });
    t.equal(reply.status, 405, method);
    t.equal(reply.headers.allow, 'GET, HEAD');
    t.match(JSON.parse(reply.body), { code: 'METHOD_NOT_ALLOWED' });
  }
});

t.test('an unknown path lists the paths that there are', async (t) => {
  const { operator } = makeOperator(t);
  const where = await operator.start();
  for (const path of ['/nothing', '/__proto__', '/constructor', '/stats/more', '//']) {
    const reply = await call(where, path);
    if (path === '//') continue;
    t.equal(reply.status, 404, path);
    t.same(JSON.parse(reply.body).paths.toSorted(), PATHS.toSorted());
  }
});

t.test('the names that pool guides use lead to ours, query included', async (t) => {
  const { operator } = makeOperator(t);
  const where = await operator.start();
  for (const [from, to] of [
    ['/api/http-client/pool/stats', '/stats'],
    ['/api/http-client/pool/stats?destination=a:80', '/stats?destination=a:80'],
    ['/api/http-client/pool/connections', '/health/connections'],
    ['/health/providers', '/health/destinations'],
    ['/metrics/prometheus', '/metrics'],
    ['/healthz', '/livez'],
  ] as const) {
    const reply = await call(where, from);
    t.equal(reply.status, 308, from);
    t.equal(reply.headers.location, to);
    if (!from.includes('?')) t.equal((await call(where, to)).status, 200, to);
  }
});

t.test('readyz is 200 only while requests are taken, livez always', async (t) => {
  const { operator, inspector } = makeOperator(t);
  const where = await operator.start();
  for (const [state, status] of [
    ['starting', 503],
    ['ready', 200],
    ['draining', 503],
  ] as const) {
    inspector.processStats = processStats({ state });
    const ready = await call(where, '/readyz');
    t.equal(ready.status, status);
    t.equal(ready.body.trim(), state);
    t.equal((await call(where, '/livez')).status, 200);
  }
});

t.test('metrics come in the format that is asked for', async (t) => {
  const { operator, labels } = makeOperator(t);
  const where = await operator.start();
  labels.open('a:80', null).requestEnded(0, 200, 1);
  const text = await call(where, '/metrics');
  t.match(text.headers['content-type'], 'text/plain; version=0.0.4');
  t.ok(parseExposition(text.body, 'prometheus').get('carpool_requests_total')?.samples.length);
  const open = await call(where, '/metrics', { headers: { accept: 'application/openmetrics-text; version=1.0.0' } });
  t.match(open.headers['content-type'], 'application/openmetrics-text; version=1.0.0');
  t.equal(open.headers.vary, 'accept, accept-encoding');
  t.ok(parseExposition(open.body, 'openmetrics').get('carpool_requests')?.samples.length);
});

t.test('stats hold all pools, or the one that is asked for', async (t) => {
  const { operator, inspector } = makeOperator(t);
  const where = await operator.start();
  inspector.stats = [
    destination('a:80', { endpoints: [endpoint({ connections: [connection('active')] })] }),
    destination('api.openai.com:443', { label: 'openai' }),
  ];
  const names = (body: string) => JSON.parse(body).destinations.map((each: { name: string }) => each.name);
  const all = await call(where, '/stats');
  t.same(names(all.body), ['a:80', 'api.openai.com:443']);
  t.same(JSON.parse(all.body).destinations, JSON.parse(JSON.stringify(inspector.stats)));
  t.equal(JSON.parse(all.body).process.version, '1.2.3');
  t.same(names((await call(where, '/stats?destination=a:80')).body), ['a:80']);
  t.same(names((await call(where, '/stats?destination=openai')).body), ['api.openai.com:443']);
  const none = await call(where, '/stats?destination=b:80');
  t.equal(none.status, 404);
  t.match(JSON.parse(none.body), { code: 'NO_SUCH_DESTINATION', message: /b:80/ });
});

t.test('the health views show what the snapshots hold', async (t) => {
  const { operator, inspector } = makeOperator(t);
  const where = await operator.start();
  inspector.stats = [
    destination('a:80', {
      pending: 2,
      endpoints: [
        endpoint({ connections: [connection('active', { ageMs: 900 }), connection('idle')] }),
        endpoint({ address: '10.0.0.6', state: 'ejected', ejectedForMs: 4000, consecutiveFailures: 5, connectMs: 7 }),
        endpoint({ address: '10.0.0.7', state: 'ejected', ejectedForMs: 0 }),
        endpoint({ address: '10.0.0.8', state: 'failing', check: 'failing' }),
      ],
      paused: true,
      limit: { configured: 20, scaled: null, share: 10, budget: 40 },
      breaker: { state: 'open', failures: 9, triedAgainInMs: 700 },
      signals: ['errors'],
    }),
    destination('b:80', {
      endpoints: [],
      discovery: { source: 'dns', state: 'failing', error: 'SERVFAIL', ageMs: null },
    }),
  ];
  const view = async (path: string) => JSON.parse((await call(where, path)).body).destinations;
  t.match(await view('/health/connections'), [
    {
      destination: 'a:80',
      active: 1,
      idle: 1,
      pending: 2,
      maxConnections: 10,
      utilization: 0.1,
      limit: { configured: 20, share: 10, budget: 40 },
      paused: true,
      signals: ['errors'],
    },
    { destination: 'b:80', active: 0, paused: false, signals: [] },
  ]);
  t.match(await view('/health/destinations'), [
    {
      status: 'ok',
      endpoints: [
        { state: 'ready', check: null },
        { state: 'ejected', consecutiveFailures: 5 },
        { state: 'ejected' },
        { state: 'failing', check: 'failing' },
      ],
    },
    { status: 'unavailable', discovery: { state: 'failing', error: 'SERVFAIL' } },
  ]);
  t.match(await view('/health/circuit-breakers'), [
    {
      breaker: { state: 'open', failures: 9, triedAgainInMs: 700 },
      endpoints: [
        { state: 'closed' },
        { state: 'open', triedAgainInMs: 4000 },
        { state: 'half_open', triedAgainInMs: 0 },
        { state: 'closed' },
      ],
    },
    { breaker: { state: 'off' } },
  ]);
  t.match(await view('/debug/latency'), [{ endpoints: [{ connectMs: 0.8 }, { connectMs: 7 }, {}, {}] }, {}]);
  t.equal((await view('/health/connections?destination=b:80')).length, 1);
});

t.test('health says in words what is wrong, and fails only for what is wrong here', async (t) => {
  const { operator, inspector } = makeOperator(t);
  const where = await operator.start();
  const health = async () => {
    const { status, body } = await call(where, '/health');
    return { http: status, ...JSON.parse(body) };
  };
  const good = await health();
  t.match(good, { checks: { pools: { status: 'ok' }, discovery: { status: 'ok' }, memory: { status: 'ok' } } });
  t.equal(good.checks.eventLoop.message, 'measuring has just begun');
  inspector.stats = [
    destination('a:80', { pending: 101 }),
    destination('b:80', { active: 9, connecting: 1 }),
    destination('c:80', { discovery: { source: 'dns', state: 'failing', error: 'x', ageMs: 1 } }),
  ];
  t.match(await health(), {
    http: 200,
    status: 'warn',
    checks: {
      pools: { status: 'warn', message: /wait for a connection to a:80; over 90 % .* for b:80$/ },
      discovery: { status: 'warn', message: /c:80/ },
    },
  });
  inspector.stats = [
    destination('a:80', { paused: true }),
    destination('b:80', { breaker: { state: 'open', failures: 5, triedAgainInMs: 9 } }),
  ];
  const fleet = { coordinator: 'redis', state: 'failover', peers: 3, problem: 'ECONNREFUSED' } as const;
  inspector.processStats = processStats({ fleet });
  t.match(await health(), {
    http: 200,
    checks: {
      pools: {
        status: 'warn',
        message:
          'the circuit breaker is open for b:80; paused by an operator: a:80; the coordinator of the fleet is away: ECONNREFUSED',
      },
    },
  });
  const problems = [{ message: 'the API server is away', hint: 'Look at it.' }];
  inspector.processStats = processStats({ kubernetes: { connected: false, watches: 1, problems } });
  t.match(await health(), { http: 200, checks: { discovery: { status: 'warn', message: /is away\. Look at it\.$/ } } });
  inspector.processStats = processStats({ kubernetes: { connected: true, watches: 1, problems } });
  t.match(await health(), { checks: { discovery: { message: /^Kubernetes discovery: .* is away\. Look at it\.$/ } } });
  const limits = { maxConnections: 10, bufferBytes: 1000, fileDescriptors: 10 };
  inspector.processStats = processStats({ bufferedBytes: 500, limits });
  t.match(await health(), { http: 200, checks: { memory: { status: 'warn' } } });
  inspector.processStats = processStats({ bufferedBytes: 960, limits });
  t.match(await health(), { http: 503, checks: { memory: { status: 'fail', message: /refused/ } } });
});

t.test('a destination without a fit endpoint, or with a target that is not found, is a warning', async (t) => {
  const { operator, inspector } = makeOperator(t);
  const where = await operator.start();
  const read = async () => {
    const health = JSON.parse((await call(where, '/health')).body);
    const { destinations } = JSON.parse((await call(where, '/health/destinations')).body);
    return [health.checks.discovery, ...destinations.map(({ status }: { status: string }) => status)];
  };
  const failing = endpoint({ state: 'failing', check: 'failing' });
  const out = endpoint({ state: 'ejected', inRotation: false });
  inspector.stats = [
    destination('a:80', { endpoints: [failing, failing] }),
    destination('b:80', { endpoints: [out] }),
    destination('c:80', { endpoints: [failing, out, endpoint()] }),
  ];
  t.match(await read(), [
    { status: 'warn', message: 'all endpoints fail, by their health checks or requests, of a:80, b:80' },
    'warn',
    'unavailable',
    'ok',
  ]);
  const error = 'no-such-canary.example:80: no such name';
  inspector.stats = [destination('a:80', { discovery: { source: 'dns', state: 'ready', error, ageMs: 5 } })];
  t.match(await read(), [{ status: 'warn', message: `not all endpoints are known of a:80 (${error})` }, 'warn']);
  const problems = [{ message: 'the API server is away', hint: 'Look at it.' }];
  inspector.processStats = processStats({ kubernetes: { connected: true, watches: 1, problems } });
  t.match(await read(), [{ message: /^Kubernetes discovery: .* Look at it\.$/ }], 'and is not told twice');
});

t.test('a fault inside a page is a 500 that says nothing, and is reported', async (t) => {
  const { operator, inspector, faults } = makeOperator(t);
  const where = await operator.start();
  inspector.counts = () => {
    throw new Error('internal detail');
  };
  const metrics = await call(where, '/metrics');
  t.equal(metrics.status, 500);
  t.notMatch(metrics.body, /internal detail/);
  t.match(faults, [{ message: 'internal detail' }]);
  t.equal((await call(where, '/livez')).status, 200);
});

t.test('a taken port is an error that names the port and the setting', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  t.teardown(() => blocker.close());
  const port = portOf(blocker);
  const { operator } = makeOperator(t, { port });
  const error = await operator.start().then(
    () => null,
    (reason: unknown) => reason,
  );
  t.ok(error instanceof CarpoolError);
  t.match(error, { code: 'CONFIG_INVALID', message: new RegExp(`${port}.*operator\\.port`) });
  await operator.stop();
});

t.test(':: is reached over IPv4 too', async (t) => {
  const { operator } = makeOperator(t, { host: '::' });
  const where = await operator.start();
  t.equal((await call(where, '/livez')).status, 200);
});

t.test('a path that is not well formed is a 400, and the port goes on', async (t) => {
  const { operator, faults } = makeOperator(t);
  const where = await operator.start();
  const socket = connect(where.port, '127.0.0.1');
  socket.end('GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  let reply = '';
  for await (const chunk of socket) reply += String(chunk);
  t.match(reply, /^HTTP\/1.1 400 /);
  t.equal((await call(where, '/livez')).status, 200);
  t.same(faults, []);
});

t.test('probes are answered while readers of big answers stand still, and those are limited', async (t) => {
  const { operator, inspector } = makeOperator(t);
  const where = await operator.start();
  const connections = Array.from({ length: 5000 }, () => connection('active'));
  inspector.stats = Array.from({ length: 20 }, (_, i) =>
    destination(`h${i}:80`, { endpoints: [endpoint({ connections })] }),
  );
  const stuck = [];
  for (let i = 0; i < 8; i++) {
    const socket = connect(where.port, '127.0.0.1');
    socket.write('GET /stats HTTP/1.1\r\nHost: x\r\n\r\n');
    // The head has come, the rest is more than the sockets hold.
    await once(socket, 'readable');
    stuck.push(socket);
  }
  const refused = await call(where, '/stats');
  t.equal(refused.status, 503);
  t.equal(refused.headers['retry-after'], '1');
  t.equal((await call(where, '/readyz')).status, 200);
  stuck[0]?.destroy();
  let status = 503;
  while (status === 503) ({ status } = await call(where, '/stats?destination=h1:80'));
  t.equal(status, 200, 'a place is free again when its reader has gone');
  for (const socket of stuck) socket.destroy();
});

t.test('stop ends idle connections at once, and those that stand still after a second of the clock', async (t) => {
  const { operator, inspector, clock } = makeOperator(t);
  const where = await operator.start();
  const idle = connect(where.port, '127.0.0.1');
  idle.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(idle, 'data');
  const idleEnd = once(idle, 'close');
  const connections = Array.from({ length: 50_000 }, () => connection('active'));
  inspector.stats = [destination('a:80', { endpoints: [endpoint({ connections })] })];
  const stuck = connect(where.port, '127.0.0.1');
  stuck.write('GET /stats HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(stuck, 'readable');
  const stopped = operator.stop();
  idle.resume();
  await idleEnd;
  t.equal(clock.waiting, 1);
  clock.advance(1000);
  await stopped;
  t.equal(clock.waiting, 0);
  stuck.destroy();
});
