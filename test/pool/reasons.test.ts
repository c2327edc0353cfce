import t from 'tap';
import { startSidecar } from '../sidecar.ts';
import { answeringOrigin, appClient, closedFor, ok, statsOf, toOrigins, until } from './origins.ts';
import { endpointAt, poolContext, TestRequest, testPool } from './pool-fixture.ts';

t.test('a connection whose app left in mid-exchange is closed as aborted', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  client.send('/1');
  await until(() => origin.requests.length === 1);
  client.connection.socket.resetAndDestroy();
  await origin.connections[0]?.until(({ ended }) => ended);
  t.equal(await closedFor(sidecar, 'aborted'), 1);
  t.equal(sidecar.app.process().upstreamConnections, 0);
});

t.test('a connection that fails in mid-exchange is closed with error', async (t) => {
  const origin = await answeringOrigin(t, ({ connection }) => {
    connection.socket.resetAndDestroy();
    return null;
  });
  const sidecar = await startSidecar(t, { defaults: { retry: { attempts: 1 } }, destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  t.equal((await client.get('/1')).status, 502);
  t.equal(await closedFor(sidecar, 'error'), 1);
});

t.test('a response that cannot be read closes its connection with protocol_error', async (t) => {
  const origin = await answeringOrigin(t, () => 'HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx');
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  t.equal((await client.get('/1')).status, 502);
  t.equal(await closedFor(sidecar, 'protocol_error'), 1);
});

t.test('bytes on an idle connection close it with protocol_error before anybody gets it', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  await client.get('/1');
  origin.connections[0]?.write(ok('unasked'));
  await until(() => statsOf(sidecar).idle === 0);
  t.equal(await closedFor(sidecar, 'protocol_error'), 1);
  t.equal((await client.get('/2')).body, '/2');
  t.equal(origin.connections.length, 2);
});

t.test('a response with Connection: close, or without a length, closes its connection as not_reusable', async (t) => {
  const origin = await answeringOrigin(t, ({ path, connection }) => {
    if (path === '/close') return ok('x', 'Connection: close\r\n');
    connection.socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end');
    return null;
  });
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin])] });
  const client = await appClient(t, sidecar);
  await client.get('/close');
  await origin.connections[0]?.until(({ ended }) => ended);
  t.equal(await closedFor(sidecar, 'not_reusable'), 1);
  client.send('/endless');
  await client.connection.untilReceived('until the end');
  await origin.connections[1]?.until(({ closed }) => closed);
  t.equal(await closedFor(sidecar, 'not_reusable'), 2);
});

t.test('terminating endpoints and pools that close have reasons of their own', async (t) => {
  const origin = await answeringOrigin(t, () => null);
  const context = poolContext();
  const pool = testPool(t, context);
  const endpoint = endpointAt(origin.port);
  pool.add(endpoint);
  const reasons = (): string[] =>
    context.seen.flatMap((event) => (event.type === 'connection_closed' ? [event.reason] : []));
  const first = new TestRequest('/1');
  pool.acquire(first);
  await until(() => origin.requests.length === 1);
  pool.setState(endpoint.id, 'terminating');
  t.same(pool.stats()[0]?.connections[0]?.reason, 'endpoint_terminating', 'it drains for this reason');
  origin.requests[0]?.connection.write(ok('x'));
  await until(() => first.ended === 1);
  t.same(reasons(), ['endpoint_terminating']);
  pool.add(endpoint);
  const [second, third] = [new TestRequest('/2'), new TestRequest('/3')];
  pool.acquire(second);
  await until(() => origin.requests.length === 2);
  pool.close();
  t.notOk(origin.connections[1]?.ended, 'what runs is not cut');
  origin.requests[1]?.connection.write(ok('x'));
  await until(() => second.ended === 1);
  t.same(reasons(), ['endpoint_terminating', 'shutdown']);
  pool.acquire(third);
  await until(() => origin.requests.length === 3);
  t.equal(third.error, null, 'a retry of what ran is still served');
  pool.destroy();
  t.equal(third.failure?.code, 'UPSTREAM_CLOSED');
  t.same(reasons(), ['endpoint_terminating', 'shutdown', 'shutdown']);
  t.equal(context.capacity.used, 0);
});
