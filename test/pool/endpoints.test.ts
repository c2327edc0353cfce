import t from 'tap';
import { reload, startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, closedFor, ok, openIdle, statsOf, toOrigins, until } from './origins.ts';
import { endpointAt, openOf, policyWith, poolContext, TestRequest, testPool } from './pool-fixture.ts';

t.test(
  'an endpoint that a reload takes out is evicted: idle connections close at once, active ones finish',
  async (t) => {
    const [old, next] = [await answeringOrigin(t, () => null), await answeringOrigin(t)];
    const sidecar = await startSidecar(t, { destinations: [toOrigins([old])] });
    const [a, b] = [await appClient(t, sidecar), await appClient(t, sidecar)];
    await openIdle([a, b], old);
    a.send('/running');
    await until(() => old.requests.length === 3);
    const running = old.requests[2]?.connection;
    const resting = old.connections.find((connection) => connection !== running);
    await reload(sidecar, { destinations: [toOrigins([next])] });
    await resting?.until(({ ended }) => ended);
    t.notOk(running?.ended, 'what runs is not cut');
    t.equal((await b.get('/elsewhere')).body, '/elsewhere');
    t.equal(next.requests.length, 1);
    running?.write(ok('done'));
    t.equal((await a.response()).body, 'done');
    await running?.until(({ ended }) => ended);
    t.equal(await closedFor(sidecar, 'endpoint_removed'), 2);
    t.same(
      statsOf(sidecar).endpoints.map(({ port }) => port),
      [next.port],
      'the old endpoint is forgotten with its last connection',
    );
    t.equal((await a.get('/again')).body, '/again', 'the app keeps its connection');
  },
);

t.test('requests that wait for a limit go on at the endpoint that a reload brings', async (t) => {
  const [old, next] = [await answeringOrigin(t, () => null), await answeringOrigin(t)];
  const policy = { pool: { maxConnections: 1 } };
  const sidecar = await startSidecar(t, { destinations: [toOrigins([old], policy)] });
  const [a, b] = [await appClient(t, sidecar), await appClient(t, sidecar)];
  a.send('/running');
  await until(() => old.requests.length === 1);
  b.send('/waits');
  await until(() => statsOf(sidecar).pending === 1);
  await reload(sidecar, { destinations: [toOrigins([next], policy)] });
  t.equal((await b.response()).body, '/waits', 'the draining connection counts in the limit no more');
  old.requests[0]?.connection.write(ok('done'));
  t.equal((await a.response()).body, 'done');
});

t.test('a reload that raises maxConnections serves who waits', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { pool: { maxConnections: 1 } })] });
  const [a, b] = [await appClient(t, sidecar), await appClient(t, sidecar)];
  a.send('/running');
  await until(() => origin.requests.length === 1);
  b.send('/waits');
  await until(() => statsOf(sidecar).pending === 1);
  await reload(sidecar, { destinations: [toOrigins([origin], { pool: { maxConnections: 2 } })] });
  await until(() => origin.requests.length === 2);
  t.equal(origin.requests[1]?.path, '/waits');
});

t.test('requests that wait outlive a reload after which the destination is found in another way', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const target = `127.0.0.1:${origin.port}`;
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { pool: { maxConnections: 1 } }, target)],
  });
  const [a, b] = [await appClient(t, sidecar, target), await appClient(t, sidecar, target)];
  a.send('/running');
  await until(() => origin.requests.length === 1);
  b.send('/waits');
  await until(() => statsOf(sidecar, target).pending === 1);
  await reload(sidecar, { destinations: [] });
  await until(() => origin.requests.length === 2);
  origin.requests[1]?.connection.write(ok('waited'));
  t.equal((await b.response()).body, 'waited');
  origin.requests[0]?.connection.write(ok('done'));
  t.equal((await a.response()).body, 'done');
  await origin.connections[0]?.until(({ ended }) => ended);
  a.send('/new');
  await until(() => origin.requests.length === 3);
  origin.requests[2]?.connection.write(ok('new'));
  t.equal((await a.response()).body, 'new');
  sidecar.clock.advance(2000);
  t.equal(sidecar.app.destinations().length, 1, 'the old one is gone');
});

t.test('a suspended endpoint takes no request while another is ready, and keeps its connections', async (t) => {
  const [one, two] = [await answeringOrigin(t), await answeringOrigin(t)];
  const context = poolContext();
  const pool = testPool(t, context);
  pool.add(endpointAt(one.port));
  const first = new TestRequest('/1');
  pool.acquire(first);
  await until(() => first.ended === 1);
  pool.add(endpointAt(two.port));
  pool.setState(endpointAt(one.port).id, 'suspended');
  t.equal(pool.totals().idle, 1);
  for (let index = 0; index < 3; index++) {
    const request = new TestRequest(`/${index}`);
    pool.acquire(request);
    await until(() => request.ended === 1);
    t.equal(request.endpoint?.spec.port, two.port);
  }
  pool.add(endpointAt(one.port));
  const ports = new Set<number | undefined>();
  for (let index = 0; index < 2; index++) {
    const request = new TestRequest(`/back${index}`);
    pool.acquire(request);
    await until(() => request.ended === 1);
    ports.add(request.endpoint?.spec.port);
  }
  t.same(ports, new Set([one.port, two.port]));
  t.equal(one.connections.length, 1, 'it came back with the connection that it had');
});

t.test('endpoints that flap while exchanges run cut nothing and leak nothing', async (t) => {
  const origins = [await answeringOrigin(t, () => null), await answeringOrigin(t, () => null)];
  const context = poolContext();
  const pool = testPool(t, context, policyWith({ pool: { maxConnections: 4 } }));
  const ids = origins.map(({ port }) => endpointAt(port));
  for (const id of ids) pool.add(id);
  const requests: TestRequest[] = [];
  for (let round = 0; round < 12; round++) {
    for (let index = 0; index < 3; index++) {
      const request = new TestRequest(`/${round}.${index}`);
      requests.push(request);
      pool.acquire(request);
    }
    const flapping = ids[round % 2];
    if (flapping === undefined) throw new Error('no endpoint');
    if (round % 3 === 0) pool.setState(flapping.id, 'removed');
    else if (round % 3 === 1) pool.setState(flapping.id, round % 2 === 0 ? 'terminating' : 'terminating_serving');
    else pool.setState(flapping.id, round % 2 === 0 ? 'suspended' : 'unready');
    await until(() => pool.totals().connecting === 0);
    pool.add(flapping);
    await until(() => pool.totals().connecting === 0);
    t.ok(pool.counted <= 4, 'the limit holds');
    t.equal(context.capacity.used, openOf(pool));
    for (const request of origins.flatMap((origin) => origin.requests)) {
      if (!request.connection.ended && request.head !== '') request.connection.write(ok(''));
      Object.assign(request, { head: '' });
    }
    await until(
      () => requests.filter(({ lease }) => lease !== null).length <= pool.totals().active + pool.totals().draining,
    );
  }
  for (;;) {
    for (const request of origins.flatMap((origin) => origin.requests)) {
      if (request.head !== '' && !request.connection.ended) request.connection.write(ok(''));
      Object.assign(request, { head: '' });
    }
    if (requests.every(({ ended }) => ended === 1)) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(requests.every(({ told, error, failure }) => told === 1 && error === null && failure === null));
  pool.evict('admin', false);
  await until(() => openOf(pool) === 0);
  t.equal(context.capacity.used, 0);
});

t.test('every event of an endpoint and of a connection is told', async (t) => {
  const origin = await answeringOrigin(t);
  const context = poolContext();
  const pool = testPool(t, context);
  const endpoint = endpointAt(origin.port);
  pool.add(endpoint);
  const request = new TestRequest('/1');
  pool.acquire(request);
  await until(() => request.ended === 1);
  context.clock.advance(1500);
  pool.setState(endpoint.id, 'suspended');
  pool.setState(endpoint.id, 'suspended');
  pool.add(endpoint);
  pool.setState(endpoint.id, 'unready');
  pool.add(endpoint);
  pool.setState(endpoint.id, 'terminating_serving');
  pool.setState(endpoint.id, 'terminating');
  pool.setState(endpoint.id, 'removed');
  pool.setState(endpoint.id, 'removed');
  const destination = 'orders.shop:8080';
  t.same(context.seen, [
    { type: 'endpoint_added', destination, endpoint: endpoint.id },
    { type: 'endpoint_suspended', destination, endpoint: endpoint.id },
    { type: 'endpoint_unready', destination, endpoint: endpoint.id },
    { type: 'endpoint_ready', destination, endpoint: endpoint.id },
    { type: 'endpoint_terminating', destination, endpoint: endpoint.id },
    {
      type: 'connection_closed',
      destination,
      endpoint: endpoint.id,
      reason: 'endpoint_terminating',
      ageMs: 1500,
      requests: 1,
    },
    { type: 'endpoint_removed', destination, endpoint: endpoint.id },
  ]);
});
