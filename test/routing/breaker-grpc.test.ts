import t from 'tap';
import { type Answer, startOrigin } from '../http2/origins.ts';
import { answeringOrigin, appClient, ok, statsOf, toOrigins, until } from '../pool/origins.ts';
import { startSidecar } from '../sidecar.ts';

const GRPC = { 'content-type': 'application/grpc' };
const withStatus = (status: string): Record<'trailers-only' | 'trailers', Answer> => ({
  'trailers-only': { headers: { ...GRPC, 'grpc-status': status }, lengthless: true },
  trailers: { headers: GRPC, body: 'message', trailers: { 'grpc-status': status } },
});

for (const form of ['trailers-only', 'trailers'] as const) {
  t.test(`gRPC's UNAVAILABLE is a failure (${form}), and its other statuses are none`, async (t) => {
    let status = '13';
    const origin = await startOrigin(t, 'http2', () => withStatus(status)[form]);
    const sidecar = await startSidecar(t, {
      destinations: [toOrigins([origin], { protocol: 'http2', breaker: { destinationFailures: 3, recovery: '10s' } })],
    });
    const call = async (): Promise<number> => {
      const client = await appClient(t, sidecar);
      client.connection.write(
        'POST http://orders.shop:8080/call HTTP/1.1\r\nHost: orders.shop:8080\r\nContent-Type: application/grpc\r\nTE: trailers\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
      );
      await client.connection.until(({ ended }) => ended);
      return Number(client.connection.received.slice(9, 12));
    };
    for (status of ['13', '4', '8', '0', '141', '1']) t.equal(await call(), 200);
    t.equal(statsOf(sidecar).breaker.failures, 0);
    status = '14';
    t.equal(await call(), 200);
    t.equal(await call(), 200);
    t.match(statsOf(sidecar).endpoints[0], { consecutiveFailures: 2 });
    status = '0';
    t.equal(await call(), 200);
    t.equal(statsOf(sidecar).breaker.failures, 0, 'one that went well starts the count again');
    status = '14';
    for (let index = 0; index < 3; index++) t.equal(await call(), 200, 'the answer passes as it is');
    t.equal(await call(), 503);
    t.equal(origin.requests.length, 12);
    sidecar.clock.advance(10_000);
    t.equal(await call(), 200);
    t.equal(statsOf(sidecar).breaker.state, 'open', 'a failed trial, also where its head looked well');
    t.equal(statsOf(sidecar).breaker.triedAgainInMs, 20_000);
    sidecar.clock.advance(20_000);
    status = '0';
    for (let index = 0; index < 3; index++) t.equal(await call(), 200);
    t.match(statsOf(sidecar).breaker, { state: 'closed', failures: 0 });
  });
}

t.test('a field grpc-status means nothing outside of gRPC', async (t) => {
  const origin = await answeringOrigin(t, ({ path }) => ok(path, 'Content-Type: text/plain\r\ngrpc-status: 14\r\n'));
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { breaker: { destinationFailures: 2 } })],
  });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 5; index++) t.equal((await client.get('/')).status, 200);
  t.equal(statsOf(sidecar).breaker.failures, 0);
});

t.test('an endpoint of three that says UNAVAILABLE is ejected like one that answers 503', async (t) => {
  const bad = await startOrigin(t, 'http2', () => withStatus('14').trailers);
  const good = [
    await startOrigin(t, 'http2', () => withStatus('0').trailers),
    await startOrigin(t, 'http2', () => withStatus('0').trailers),
  ];
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([bad, ...good], { protocol: 'http2', balancer: 'round_robin', breaker: { failures: 4 } })],
  });
  const client = await appClient(t, sidecar);
  for (let index = 0; index < 30; index++) {
    const before = [bad, ...good].reduce((sum, { requests }) => sum + requests.length, 0);
    client.send('/call', 'POST', 'x');
    await until(() => [bad, ...good].reduce((sum, { requests }) => sum + requests.length, 0) === before + 1);
    await until(() => statsOf(sidecar).active === 0);
  }
  t.equal(bad.requests.length, 4);
  t.equal(statsOf(sidecar).endpoints[0]?.state, 'ejected');
});

t.test(
  'one of three that resets every request: no GET fails, and after five resets none goes there until its trial',
  async (t) => {
    const origins = await Promise.all(
      [0, 1, 2].map((index) =>
        answeringOrigin(t, ({ path, connection }) => {
          if (index > 0) return ok(path);
          connection.socket.resetAndDestroy();
          return null;
        }),
      ),
    );
    const sidecar = await startSidecar(t, {
      destinations: [toOrigins(origins, { balancer: 'round_robin', breaker: { recovery: '30s' } })],
    });
    const client = await appClient(t, sidecar);
    const bad = (): number => origins[0]?.requests.length ?? 0;
    for (let index = 0; index < 60; index++) t.equal((await client.get(`/${index}`)).status, 200);
    t.equal(bad(), 5);
    sidecar.clock.advance(29_000);
    for (let index = 0; index < 60; index++) await client.get('/still');
    t.equal(bad(), 5);
    sidecar.clock.advance(2000);
    for (let index = 0; index < 60; index++) t.equal((await client.get('/trial')).status, 200);
    t.equal(bad(), 6, 'one trial alone');
  },
);
