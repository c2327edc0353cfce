import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { type OriginConnection, rawClient, rawOrigin } from '../raw-origin.ts';
import { startSidecar } from '../sidecar.ts';
import { checkError, eventually, type Relay, startRelay, useOnce } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const retry = (policy: Record<string, unknown>): Record<string, unknown> => ({ defaults: { retry: policy } });

/** Waits for one whole request on the origin's connection number `index`. */
async function asked(relay: Relay, index: number): Promise<OriginConnection> {
  const upstream = await relay.origin.connection(index);
  await upstream.untilReceived('\r\n\r\n');
  return upstream;
}

const resetAfterHead = async (relay: Relay, index: number): Promise<void> => {
  (await asked(relay, index)).socket.resetAndDestroy();
};

for (const [how, act] of [
  ['closes', (upstream: OriginConnection) => upstream.socket.end()],
  ['resets', (upstream: OriginConnection) => upstream.socket.resetAndDestroy()],
] as const) {
  t.test(`a fresh connection that the upstream ${how} before the answer: GET is sent again, once`, async (t) => {
    const relay = await startRelay(t);
    const client = await relay.client();
    client.write(relay.head('GET', '/a'));
    const first = await asked(relay, 0);
    act(first);
    const second = await asked(relay, 1);
    t.equal(second.received, first.received);
    second.write(OK);
    await client.untilReceived('ok');
    t.equal(client.received, OK);
    const reason = `reason="upstream_${how === 'closes' ? 'closed' : 'reset'}"`;
    t.equal(await relay.metric('retries_total', reason, 'outcome="success"'), 1);
    t.equal(await relay.metric('errors_total'), 0);
  });
}

t.test('a second fresh connection that is reset is the answer, where there is no retry policy', async (t) => {
  const relay = await startRelay(t);
  const client = await relay.client();
  client.write(relay.head('GET', '/a'));
  await resetAfterHead(relay, 0);
  await resetAfterHead(relay, 1);
  await client.untilReceived('}');
  checkError(t, client.received, { status: 502, code: 'UPSTREAM_RESET', error: 'connection_terminated' });
  t.equal(relay.origin.connections.length, 2);
  t.equal(await relay.metric('retries_total', 'reason="upstream_reset"', 'outcome="failure"'), 1);
});

t.test('a fresh connection that is reset under a POST is the answer', async (t) => {
  for (const policy of [{}, { attempts: 3 }]) {
    const relay = await startRelay(t, retry(policy));
    const client = await relay.client();
    client.write(relay.head('POST', '/a', 'Content-Length: 0\r\n'));
    await resetAfterHead(relay, 0);
    await client.untilReceived('}');
    t.equal(relay.origin.connections.length, 1);
    t.equal(await relay.metric('retries_total'), 0);
  }
});

t.test('attempts: 1 is one try, but for what is safe by its kind', async (t) => {
  const relay = await startRelay(t, retry({ attempts: 1 }));
  const client = await relay.client();
  client.write(relay.head('GET', '/a'));
  await resetAfterHead(relay, 0);
  await client.untilReceived('}');
  t.equal(relay.origin.connections.length, 1);
  const used = await useOnce(relay, client);
  client.write(relay.head('GET', '/b'));
  await used.untilReceived('/b ');
  used.socket.end();
  await asked(relay, 2);
  t.pass();
});

t.test(
  'attempts: 3 with one endpoint: each new try waits, from half to the whole of a time that doubles',
  async (t) => {
    const relay = await startRelay(t, retry({ attempts: 3, backoffBase: '1s' }));
    const client = await relay.client();
    client.write(relay.head('GET', '/a'));
    for (const [index, whole] of [1000, 2000].entries()) {
      await resetAfterHead(relay, index);
      await eventually(() => relay.stats().active === 0);
      relay.clock.advance(whole / 2 - 1);
      t.equal(relay.stats().connecting, 0, 'not yet');
      t.equal(relay.stats().active, 0, 'nothing is held');
      relay.clock.advance(whole / 2 + 1);
      t.equal(relay.stats().connecting, 1);
    }
    await resetAfterHead(relay, 2);
    await client.untilReceived('UPSTREAM_RESET');
    t.equal(await relay.metric('retries_total', 'outcome="failure"'), 2);
  },
);

t.test('the wait is never over backoffMax', async (t) => {
  const relay = await startRelay(t, retry({ attempts: 10, backoffBase: '100ms', backoffMax: '200ms' }));
  const client = await relay.client();
  client.write(relay.head('GET', '/a'));
  for (let attempt = 0; attempt < 9; attempt++) {
    await resetAfterHead(relay, attempt);
    await eventually(() => relay.stats().active === 0);
    relay.clock.advance(200);
    t.equal(relay.stats().connecting, 1);
  }
  (await asked(relay, 9)).write(OK);
  await client.untilReceived('ok');
  t.equal(await relay.metric('retries_total', 'outcome="failure"'), 8);
  t.equal(await relay.metric('retries_total', 'outcome="success"'), 1);
});

t.test('a reset sends the request to another endpoint at once; a wait begins when all were tried', async (t) => {
  const origins = [await rawOrigin(t), await rawOrigin(t)];
  const sidecar = await startSidecar(t, {
    destinations: [
      {
        match: 'orders.test:80',
        endpoints: origins.map(({ port }) => `127.0.0.1:${port}`),
        retry: { attempts: 3, backoffBase: '1s' },
      },
    ],
  });
  const app = await rawClient(t, sidecar.port);
  app.write('GET http://orders.test/a HTTP/1.1\r\nHost: orders.test\r\n\r\n');
  await eventually(() => origins.some(({ connections }) => connections.length === 1));
  const [first, second] = origins[0]?.connections.length === 1 ? origins : [...origins].reverse();
  const one = await first?.connection(0);
  await one?.untilReceived('\r\n\r\n');
  one?.socket.resetAndDestroy();
  const two = await second?.connection(0);
  await two?.untilReceived('\r\n\r\n');
  two?.socket.resetAndDestroy();
  const stats = () => sidecar.app.destinations()[0];
  await eventually(() => stats()?.active === 0);
  sidecar.clock.advance(999);
  t.equal(stats()?.connecting, 0);
  sidecar.clock.advance(1001);
  t.equal(stats()?.connecting, 1);
});

t.test('no answer in timeouts.response: GET is sent again where attempts says so, POST is not', async (t) => {
  for (const [method, policy, again] of [
    ['GET', { attempts: 2, backoffBase: '1s' }, true],
    ['POST', { attempts: 2, backoffBase: '1s' }, false],
    ['GET', { attempts: 2, on: ['reset', 'status'] }, false],
    ['GET', {}, false],
  ] as const) {
    const relay = await startRelay(t, { defaults: { retry: policy, timeouts: { response: '4s' } } });
    const client = await relay.client();
    client.write(relay.head(method, '/a', method === 'POST' ? 'Content-Length: 0\r\n' : ''));
    const first = await asked(relay, 0);
    relay.clock.advance(4500);
    await first.until(({ ended }) => ended);
    if (!again) {
      await client.untilReceived('RESPONSE_TIMEOUT');
      t.equal(relay.stats().connecting + relay.stats().active, 0);
      continue;
    }
    relay.clock.advance(1000);
    const second = await asked(relay, 1);
    second.write(OK);
    await client.untilReceived('ok');
    t.equal(client.received, OK);
    t.equal(await relay.metric('retries_total', 'reason="response_timeout"', 'outcome="success"'), 1);
  }
});

t.test('a POST with an Idempotency-Key is sent again like a GET, where policy says so', async (t) => {
  const fields = 'Idempotency-Key: "a1"\r\nContent-Length: 3\r\n';
  for (const idempotencyKey of [true, false]) {
    const relay = await startRelay(t, retry({ idempotencyKey }));
    const client = await relay.client();
    const used = await useOnce(relay, client);
    client.write(`${relay.head('POST', '/pay', fields)}abc`);
    await used.untilReceived('abc');
    used.socket.end();
    if (!idempotencyKey) {
      await client.untilReceived('UPSTREAM_CLOSED');
      t.equal(relay.origin.connections.length, 1);
      continue;
    }
    const second = await asked(relay, 1);
    await second.untilReceived('abc');
    second.socket.resetAndDestroy();
    const third = await asked(relay, 2);
    await third.untilReceived('abc');
    third.write(OK);
    await client.untilReceived('ok');
    t.equal(third.received, second.received);
  }
});

t.test('a body over replayBytes is not sent again, and the error says why', async (t) => {
  const relay = await startRelay(t, retry({ replayBytes: 1000 }));
  const client = await relay.client();
  client.write(relay.head('PUT', '/a', 'Content-Length: 1001\r\n') + 'x'.repeat(1001));
  const first = await relay.origin.connection(0);
  await first.until(({ received }) => received.endsWith('x'.repeat(1001)));
  first.socket.resetAndDestroy();
  await client.untilReceived('}');
  const { message } = checkError(t, client.received, {
    status: 502,
    code: 'UPSTREAM_RESET',
    error: 'connection_terminated',
  });
  t.match(message, /cannot be sent again, for its body was longer than retry\.replayBytes$/);
  t.equal(await relay.metric('retries_total', 'reason="upstream_reset"', 'outcome="not_allowed"'), 1);
});

t.test('nor one that memory is too short for', async (t) => {
  const relay = await startRelay(t, { limits: { bufferBytes: '1MiB' }, defaults: { pool: { maxConnections: 1 } } });
  const client = await relay.client();
  client.write(relay.head('PUT', '/a', 'Content-Length: 2\r\n'));
  const first = await asked(relay, 0);
  // Uploads that wait for the one connection hold more than a quarter of the memory.
  for (let each = 0; each < 6; each++) {
    const other = await relay.client();
    other.write(relay.head('POST', '/b', 'Content-Length: 65000\r\n') + 'x'.repeat(65_000));
  }
  await eventually(() => relay.app.process().bufferedBytes > 300_000);
  client.write('ab');
  await first.untilReceived('ab');
  first.socket.resetAndDestroy();
  await client.untilReceived('}');
  t.match(client.received, /cannot be sent again, for memory was too short to keep it/);
});

t.test('a retry budget that is used up: the error is passed on, and says so', async (t) => {
  const relay = await startRelay(t, retry({ budget: 0, budgetMinimum: 1 }));
  const [one, two] = [await relay.client(), await relay.client()];
  one.write(relay.head('GET', '/1'));
  await resetAfterHead(relay, 0);
  (await asked(relay, 1)).write(OK);
  await one.untilReceived('ok');
  relay.clock.advance(5000);
  const idle = await relay.origin.connection(1);
  idle.socket.end();
  await eventually(() => relay.stats().idle === 0);
  two.write(relay.head('GET', '/2'));
  await resetAfterHead(relay, 2);
  await two.untilReceived('}');
  t.match(two.received, /and it is not sent again, for the retry budget is used up/);
  t.equal(await relay.metric('retries_total', 'reason="upstream_reset"', 'outcome="budget"'), 1);
  relay.clock.advance(6000);
  one.write(relay.head('GET', '/3'));
  await resetAfterHead(relay, 3);
  (await asked(relay, 4)).write(OK);
  await one.untilReceived(`${OK}${OK}`);
  t.pass('ten seconds later it is not');
});

t.test('an app that leaves during the wait costs no try, and its share of the budget is another’s', async (t) => {
  const relay = await startRelay(t, retry({ attempts: 2, backoffBase: '1s', budget: 0, budgetMinimum: 1 }));
  const [one, two] = [await relay.client(), await relay.client()];
  one.write(relay.head('GET', '/1'));
  await resetAfterHead(relay, 0);
  await eventually(() => relay.stats().active === 0);
  const timers = relay.clock.waiting;
  one.socket.resetAndDestroy();
  await eventually(() => relay.app.process().exchanges === 0);
  t.equal(relay.clock.waiting, timers - 1, 'the wait is over');
  relay.clock.advance(2000);
  t.equal(relay.stats().connecting, 0, 'nothing is sent for it');
  two.write(relay.head('GET', '/2'));
  await resetAfterHead(relay, 1);
  await eventually(() => relay.stats().active === 0);
  relay.clock.advance(1000);
  (await asked(relay, 2)).write(OK);
  await two.untilReceived('ok');
  t.equal(two.received, OK);
});

t.test('a wait that would end after the deadline of the request is not begun', async (t) => {
  const relay = await startRelay(t, retry({ attempts: 3, backoffBase: '10s' }));
  const client = await relay.client();
  client.write(relay.head('GET', '/a', 'X-Request-Timeout: 4\r\n'));
  await resetAfterHead(relay, 0);
  await client.untilReceived('}');
  t.match(client.received, /UPSTREAM_RESET.*its deadline leaves no time for another try/);
});

t.test('the deadline ends a request that waits for its next try', async (t) => {
  const relay = await startRelay(t, retry({ attempts: 3, backoffBase: '2s' }));
  const client = await relay.client();
  client.write(relay.head('GET', '/a', 'X-Request-Timeout: 5\r\n'));
  await resetAfterHead(relay, 0);
  await eventually(() => relay.stats().active === 0);
  relay.clock.advance(2000);
  await asked(relay, 1);
  relay.clock.advance(3000);
  await client.untilReceived('DEADLINE');
  t.equal(relay.stats().active, 0);
});

t.test('another policy applies to the requests that come after it', async (t) => {
  const relay = await startRelay(t, retry({ attempts: 1 }));
  const client = await relay.client();
  client.write(relay.head('GET', '/1'));
  await resetAfterHead(relay, 0);
  await client.untilReceived('}');
  const written: Record<string, unknown> = parse(readFileSync(relay.configFile, 'utf8'));
  writeFileSync(relay.configFile, stringify({ ...written, ...retry({ attempts: 2, backoffBase: 0 }) }));
  t.match(await relay.app.steering.reload(), { applied: true });
  client.write(relay.head('GET', '/2'));
  await resetAfterHead(relay, 1);
  (await asked(relay, 2)).write(OK);
  await client.until(({ received }) => received.endsWith(OK));
  t.pass();
});
