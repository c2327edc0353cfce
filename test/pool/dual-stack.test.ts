import { once } from 'node:events';
import net from 'node:net';
import t, { type Test } from 'tap';
import { Dial } from '../../src/connection/dial.ts';
import type { DialFailure } from '../../src/connection/dial-failure.ts';
import type { ByteSocket } from '../../src/transport/byte-socket.ts';
import { TestClock } from '../test-clock.ts';
import { until } from './origins.ts';
import { poolContext, TestRequest, testPool } from './pool-fixture.ts';
import { silentPort } from './silent-port.ts';

/** A multicast address: to the kernel there is no way to it for TCP. */
const UNREACHABLE = '224.0.0.1';
const OPTIONS = { connectMs: 10_000, attemptMs: 1000, keepAliveMs: 30_000, secure: null };

/** A dial, and how it ended. */
function dialTo(t: Test, port: number, ...addresses: readonly string[]) {
  const clock = new TestClock();
  const told = {
    clock,
    address: null as string | null,
    socket: null as ByteSocket | null,
    failure: null as DialFailure | null,
    slow: 0,
    ended: 0,
  };
  const dial = new Dial({ addresses, port }, OPTIONS, clock, {
    dialed: (socket, _ms, address) => Object.assign(told, { socket, address, ended: told.ended + 1 }),
    dialFailed: (failure) => Object.assign(told, { failure, ended: told.ended + 1 }),
    dialSlow: () => told.slow++,
  });
  t.teardown(() => {
    dial.cancel();
    told.socket?.destroy();
  });
  return Object.assign(told, { dial });
}

/** Listens on `address` at a port, and says how many connections came. */
async function listen(t: Test, address: string, port = 0) {
  const server = net.createServer();
  const sockets: net.Socket[] = [];
  server.on('connection', (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.resume();
  });
  server.listen(port, address);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const bound = server.address();
  return { port: typeof bound === 'object' && bound !== null ? bound.port : 0, sockets };
}

t.test('where the first address refuses the other one is dialled at once', async (t) => {
  const { port } = await listen(t, '127.0.0.2');
  const told = dialTo(t, port, '127.0.0.1', '127.0.0.2');
  await until(() => told.ended > 0);
  t.equal(told.address, '127.0.0.2');
  t.equal(told.clock.waiting, 0);
});

t.test('a family that this host has not is no matter', async (t) => {
  const { port } = await listen(t, '127.0.0.1');
  const told = dialTo(t, port, UNREACHABLE, '127.0.0.1');
  await until(() => told.ended > 0);
  t.equal(told.address, '127.0.0.1');
});

t.test(
  'an address that has not answered for 250 ms has the other one tried beside it; the loser is given up',
  async (t) => {
    const port = await silentPort(t);
    const { sockets } = await listen(t, '127.0.0.2', port);
    const told = dialTo(t, port, '127.0.0.1', '127.0.0.2');
    told.clock.advance(249);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    t.equal(sockets.length + told.ended, 0);
    told.clock.advance(1);
    await until(() => told.ended > 0);
    t.equal(told.address, '127.0.0.2');
    t.equal(told.clock.waiting, 0);
    t.equal(told.slow, 0);
  },
);

t.test('where both answer the first one wins and the other connection is closed', async (t) => {
  const one = await listen(t, '127.0.0.1');
  const two = await listen(t, '127.0.0.2', one.port);
  const told = dialTo(t, one.port, '127.0.0.1', '127.0.0.2');
  told.clock.advance(250);
  await until(() => told.ended > 0 && one.sockets.length + two.sockets.length > 0);
  const open = () => [...one.sockets, ...two.sockets].filter(({ destroyed }) => !destroyed).length;
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  await until(() => open() === 1);
  t.equal(told.ended, 1);
});

t.test('when both fail the failure that tells more is told, once', async (t) => {
  const { port } = await listen(t, '127.0.0.3');
  for (const addresses of [
    ['127.0.0.1', UNREACHABLE],
    [UNREACHABLE, '127.0.0.1'],
  ]) {
    const told = dialTo(t, port, ...addresses);
    await until(() => told.ended > 0);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    t.equal(told.ended, 1);
    t.equal(told.failure?.errno, 'ECONNREFUSED');
    t.equal(told.clock.waiting, 0);
  }
});

t.test('the deadline holds for both together, and names both', async (t) => {
  const port = await silentPort(t);
  const told = dialTo(t, port, '127.0.0.1', '127.0.0.1');
  told.clock.advance(1000);
  t.equal(told.slow, 1);
  told.clock.advance(9000);
  t.match(told.failure, {
    errno: 'ETIMEDOUT',
    timedOut: true,
    message: /127\.0\.0\.1:\d+ and 127\.0\.0\.1:\d+ did not/,
  });
  t.equal(told.clock.waiting, 0);
});

t.test('a dial that is given up leaves nothing', async (t) => {
  const port = await silentPort(t);
  const told = dialTo(t, port, '127.0.0.1', '127.0.0.1');
  told.clock.advance(300);
  told.dial.cancel();
  told.clock.advance(10_000);
  t.equal(told.ended, 0);
  t.equal(told.clock.waiting, 0);
});

t.test('an endpoint remembers which of its addresses took the last connection', async (t) => {
  const { port, sockets } = await listen(t, '127.0.0.2');
  const pool = testPool(t, poolContext());
  pool.add({ id: 'pod', address: '127.0.0.1', otherAddress: '127.0.0.2', port });
  const [endpoint] = pool.endpoints;
  t.same(endpoint?.addresses, ['127.0.0.1', '127.0.0.2']);
  pool.acquire(new TestRequest('/'));
  await until(() => sockets.length === 1 && pool.totals().active === 1);
  t.same(endpoint?.addresses, ['127.0.0.2', '127.0.0.1']);
  pool.add({ id: 'pod', address: '127.0.0.1', port });
  t.same(endpoint?.addresses, ['127.0.0.1'], 'what discovery takes back is dialled no more');
});

t.test('an endpoint that refuses at both addresses is said so with both', async (t) => {
  const { port } = await listen(t, '127.0.0.3');
  const pool = testPool(t, poolContext());
  pool.add({ id: 'pod', address: '127.0.0.1', otherAddress: '127.0.0.2', port });
  const request = new TestRequest('/');
  pool.acquire(request);
  await until(() => request.error !== null);
  t.match(request.error?.message, `no connection to 127.0.0.1:${port} and 127.0.0.2:${port}: ECONNREFUSED`);
});
