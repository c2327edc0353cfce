import t from 'tap';
import { TokenBucket } from '../../src/routing/rate-limit.ts';
import { type AppClient, answeringOrigin, appClient, metric, ok, statsOf, toOrigins, until } from '../pool/origins.ts';
import { reload, startSidecar } from '../sidecar.ts';

const policy = (requestsPerMinute: number, burst: number | null = null) => ({
  requestsPerMinute,
  burst,
  exceeded: 'refuse' as const,
  maxWaitMs: 30_000,
});

/** Asks one after another until one is answered by another status than 200. @returns how many were let through */
async function passed(client: AppClient): Promise<number> {
  for (let count = 0; ; count++) if ((await client.get(`/${count}`)).status !== 200) return count;
}

t.test('the bucket holds what ten seconds allow, at least one, and fills evenly', async (t) => {
  for (const [perMinute, burst] of [
    [60, 10],
    [1, 1],
    [6, 1],
    [7, 2],
    [6000, 1000],
  ] as const) {
    const bucket = new TokenBucket(policy(perMinute), 0);
    let count = 0;
    while (bucket.take(0)) count++;
    t.equal(count, burst, `${perMinute} per minute`);
    const everyMs = 60_000 / perMinute;
    t.equal(Math.round(bucket.waitMs(0, 0)), Math.round(everyMs));
    t.equal(Math.round(bucket.waitMs(0, 3)), Math.round(4 * everyMs), 'behind three others');
    t.notOk(bucket.take(everyMs - 1));
    t.ok(bucket.take(everyMs));
    t.notOk(bucket.take(everyMs));
  }
});

t.test('in the long run a bucket lets exactly its rate through, whenever it is asked', async (t) => {
  const bucket = new TokenBucket(policy(90, 5), 0);
  let count = 0;
  let now = 0;
  for (let step = 0; now < 600_000; step++) {
    now += (step * 7919) % 997;
    while (bucket.take(now)) count++;
  }
  t.ok(Math.abs(count - (now / 60_000) * 90 - 5) <= 1, `${count} in ${now} ms`);
});

t.test('what was saved is never more than a burst, and the debt of retries neither', async (t) => {
  const bucket = new TokenBucket(policy(60, 3), 0);
  for (let index = 0; index < 100; index++) bucket.borrow(0);
  t.equal(Math.round(bucket.waitMs(0, 0)), 4000, 'three tokens of debt, and one to have');
  let count = 0;
  while (bucket.take(3_600_000)) count++;
  t.equal(count, 3);
});

t.test('another rate holds from the moment on, with what was saved until then', async (t) => {
  const bucket = new TokenBucket(policy(60, 10), 0);
  for (let index = 0; index < 10; index++) bucket.take(0);
  bucket.configure(policy(6, 4), 2000);
  t.ok(bucket.take(2000));
  t.ok(bucket.take(2000));
  t.notOk(bucket.take(2000));
  t.equal(Math.round(bucket.waitMs(2000, 0)), 10_000);
  bucket.configure(policy(600, 1), 2000);
  t.equal(Math.round(bucket.waitMs(2000, 0)), 100);
});

t.test('a request over the limit gets 429 with the seconds until it may come, and is not sent', async (t) => {
  const origin = await answeringOrigin(t);
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { rateLimit: { requestsPerMinute: 20, burst: 2 } })],
  });
  const client = await appClient(t, sidecar);
  t.equal(await passed(client), 2);
  const refused = await client.get('/over');
  t.equal(refused.status, 429);
  t.match(refused.head, /\r\nretry-after: 3\r\n/i);
  t.match(refused.head, /error=http_request_denied/);
  t.equal(JSON.parse(refused.body).code, 'RATE_LIMITED');
  sidecar.clock.advance(2001);
  t.match((await client.get('/over')).head, /\r\nretry-after: 1\r\n/i, 'rounded up, and never 0');
  sidecar.clock.advance(999);
  t.equal((await client.get('/in-turn')).status, 200);
  t.equal(origin.requests.length, 3);
  t.equal(await metric(sidecar, 'carpool_rate_limited_total', 'outcome="refused"'), 3);
});

t.test(
  'requests that queue for their turn go in their order, at the rate, and one that would wait too long is refused',
  async (t) => {
    const origin = await answeringOrigin(t);
    const rateLimit = { requestsPerMinute: 60, burst: 1, exceeded: 'queue', maxWait: '3s' };
    const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { rateLimit })] });
    const clients = await Promise.all([0, 1, 2, 3, 4].map(() => appClient(t, sidecar)));
    for (const [index, client] of clients.entries()) {
      client.send(`/${index}`);
      await until(() => index === 4 || origin.requests.length + statsOf(sidecar).pending === index + 1);
    }
    const refused = await clients[4]?.response();
    t.equal(refused?.status, 429);
    t.match(refused?.head, /\r\nretry-after: 4\r\n/i);
    const { hint } = JSON.parse(refused?.body ?? '');
    t.match(hint, /rateLimit\.maxWait/);
    t.notMatch(hint, /exceeded: queue/);
    t.equal(statsOf(sidecar).pending, 3);
    for (const count of [1, 2, 3]) {
      sidecar.clock.advance(999);
      t.equal(origin.requests.length, count);
      sidecar.clock.advance(1);
      await clients[count]?.response();
    }
    t.same(
      origin.requests.map(({ path }) => path),
      ['/0', '/1', '/2', '/3'],
    );
    t.equal(statsOf(sidecar).pending, 0);
    t.equal(await metric(sidecar, 'carpool_rate_limited_total', 'outcome="queued"'), 3);
  },
);

t.test('nobody takes the token of who waits for it, in the moment before that one is told', async (t) => {
  const origin = await answeringOrigin(t);
  const rateLimit = { requestsPerMinute: 70, burst: 1, exceeded: 'queue' };
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { rateLimit })] });
  const clients = await Promise.all([0, 1, 2].map(() => appClient(t, sidecar)));
  await clients[0]?.get('/0');
  clients[1]?.send('/1');
  await until(() => statsOf(sidecar).pending === 1);
  // A token every 857.14 ms; timers are of whole ones.
  sidecar.clock.advance(857.5);
  clients[2]?.send('/2');
  await until(() => statsOf(sidecar).pending + origin.requests.length === 3);
  sidecar.clock.advance(0.5);
  t.equal((await clients[1]?.response())?.body, '/1');
  sidecar.clock.advance(1000);
  t.equal((await clients[2]?.response())?.body, '/2');
});

t.test('an app that leaves while it waits for its turn gives it to the next', async (t) => {
  const origin = await answeringOrigin(t);
  const rateLimit = { requestsPerMinute: 60, burst: 1, exceeded: 'queue' };
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { rateLimit })] });
  const [first, leaves, last] = [await appClient(t, sidecar), await appClient(t, sidecar), await appClient(t, sidecar)];
  await first.get('/first');
  leaves.send('/leaves');
  await until(() => statsOf(sidecar).pending === 1);
  last.send('/last');
  await until(() => statsOf(sidecar).pending === 2);
  leaves.connection.socket.resetAndDestroy();
  await until(() => statsOf(sidecar).pending === 1);
  sidecar.clock.advance(1000);
  t.equal((await last.response()).body, '/last');
  t.equal(origin.requests.length, 2);
});

t.test('pool.maxPending bounds what waits for its turn too', async (t) => {
  const origin = await answeringOrigin(t);
  const rateLimit = { requestsPerMinute: 60, burst: 1, exceeded: 'queue' };
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { rateLimit, pool: { maxPending: 2 } })],
  });
  const clients = await Promise.all([0, 1, 2, 3].map(() => appClient(t, sidecar)));
  await clients[0]?.get('/first');
  for (const [index, client] of clients.slice(1).entries()) {
    client.send('/waits');
    if (index < 2) await until(() => statsOf(sidecar).pending === index + 1);
  }
  t.equal((await clients[3]?.response())?.status, 429);
});

t.test(
  'a reload that raises the rate lets those go who wait, and one that lowers it refuses who cannot have its turn',
  async (t) => {
    const origin = await answeringOrigin(t);
    const rateLimit = { requestsPerMinute: 6, burst: 1, exceeded: 'queue', maxWait: '60s' };
    const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { rateLimit })] });
    const clients = await Promise.all([0, 1, 2, 3].map(() => appClient(t, sidecar)));
    await clients[0]?.get('/0');
    for (const index of [1, 2, 3]) {
      clients[index]?.send(`/${index}`);
      await until(() => statsOf(sidecar).pending === index);
    }
    await reload(sidecar, {
      destinations: [toOrigins([origin], { rateLimit: { ...rateLimit, requestsPerMinute: 1 } })],
    });
    t.equal(statsOf(sidecar).pending, 1, 'two of them had their turn in over a minute now');
    t.equal((await clients[3]?.response())?.status, 429);
    t.equal((await clients[2]?.response())?.status, 429);
    await reload(sidecar, {
      destinations: [toOrigins([origin], { rateLimit: { ...rateLimit, requestsPerMinute: 60 } })],
    });
    sidecar.clock.advance(1000);
    t.equal((await clients[1]?.response())?.body, '/1');
    await reload(sidecar, { destinations: [toOrigins([origin])] });
    for (let index = 0; index < 20; index++) t.equal((await clients[0]?.get('/free'))?.status, 200);
  },
);

t.test('a reload that takes the limit away lets all go who wait for it', async (t) => {
  const origin = await answeringOrigin(t);
  const rateLimit = { requestsPerMinute: 1, burst: 1, exceeded: 'queue', maxWait: '10m' };
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { rateLimit })] });
  const clients = await Promise.all([0, 1, 2, 3].map(() => appClient(t, sidecar)));
  await clients[0]?.get('/0');
  for (const index of [1, 2, 3]) {
    clients[index]?.send(`/${index}`);
    await until(() => statsOf(sidecar).pending === index);
  }
  await reload(sidecar, { destinations: [toOrigins([origin])] });
  for (const index of [1, 2, 3]) t.equal((await clients[index]?.response())?.body, `/${index}`);
});

t.test('another attempt takes a token and is never refused for want of one', async (t) => {
  let resets = 1;
  const origin = await answeringOrigin(t, ({ connection, path }) => {
    if (path === '/first' || resets-- <= 0) return ok(path);
    connection.socket.resetAndDestroy();
    return null;
  });
  const rateLimit = { requestsPerMinute: 60, burst: 2 };
  const sidecar = await startSidecar(t, { destinations: [toOrigins([origin], { rateLimit })] });
  const client = await appClient(t, sidecar);
  await client.get('/first');
  t.equal((await client.get('/again')).status, 200);
  t.equal(origin.requests.length, 3);
  sidecar.clock.advance(1000);
  t.equal((await client.get('/early')).status, 429, 'its token went to the attempt before');
  sidecar.clock.advance(1000);
  t.equal((await client.get('/in-turn')).status, 200);
});

t.test('a request that finds no room to wait for its turn hears of that, and not of its turn', async (t) => {
  const origin = await answeringOrigin(t);
  const rateLimit = { requestsPerMinute: 60, burst: 1, exceeded: 'queue', maxWait: '30s' };
  const sidecar = await startSidecar(t, {
    destinations: [toOrigins([origin], { rateLimit, pool: { maxPending: 1 } })],
  });
  const [first, second, third] = await Promise.all([0, 1, 2].map(() => appClient(t, sidecar)));
  t.equal((await first?.get('/0'))?.status, 200);
  second?.send('/1');
  await until(() => statsOf(sidecar).pending === 1);
  const refused = await third?.get('/2');
  t.equal(refused?.status, 429);
  t.match(JSON.parse(refused?.body ?? '{}').hint, /pool\.maxPending/);
});
