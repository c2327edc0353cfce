import t from 'tap';
import { answeringOrigin, until } from '../pool/origins.ts';
import { silentPort } from '../pool/silent-port.ts';
import { HealthFixture } from './health-fixture.ts';

const NO = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n';
const YES = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const HTTP = { kind: 'http', path: '/health' } as const;

/** An origin whose health the test sets, and that leaves other requests to the test. */
async function patient(t: Parameters<typeof answeringOrigin>[0]) {
  const health = { well: true };
  const origin = await answeringOrigin(t, ({ path }) => (path === '/health' ? (health.well ? YES : NO) : null));
  return {
    port: origin.port,
    health,
    /** All of them, those of checks too. */
    connections: origin.connections,
    /** Requests that are no checks. */
    get requests() {
      return origin.requests.filter(({ path }) => path !== '/health');
    },
  };
}

t.test(
  'an endpoint that fails `threshold` checks in a row is drained: idle ones close, active ones finish',
  async (t) => {
    const [a, b] = [await patient(t), await patient(t)];
    const fixture = new HealthFixture(t, [a.port, b.port], { check: HTTP });
    const requests = [0, 1, 2, 3].map(() => fixture.request());
    await until(() => a.requests.length === 2 && b.requests.length === 2);
    // One connection to `a` goes idle, the other goes on.
    a.requests[0]?.connection.write(YES);
    await until(() => requests.some(({ ended }) => ended === 1));
    a.health.well = false;
    await fixture.first(2);
    await fixture.round(2);
    t.strictSame(fixture.rotation, [a.port, b.port], 'two failures are not enough');
    await fixture.round(2);
    t.strictSame(fixture.rotation, [b.port]);
    t.equal(fixture.state(a.port), 'failing');
    t.equal(fixture.endpoint(a.port).idle.length, 0);
    await until(() => a.requests[0]?.connection.ended === true);
    t.notOk(a.requests[1]?.connection.ended, 'an exchange is not cut');
    a.requests[1]?.connection.write(YES);
    await until(() => a.requests[1]?.connection.ended === true);
    const reasons = fixture
      .events('connection_closed')
      .map((event) => event.type === 'connection_closed' && event.reason);
    t.strictSame(reasons, ['health_check', 'health_check']);
    t.match(fixture.events('check_failed'), [{ endpoint: `127.0.0.1:${a.port}`, message: 'status 503' }]);
    for (let count = 0; count < 6; count++) fixture.request();
    await until(() => b.requests.length === 8);
    t.equal(a.requests.length, 2, 'no request goes there');
    t.equal(fixture.count('failed'), 3);
    t.equal(fixture.count('passed'), 3);
  },
);

t.test('two good checks in a row bring it back, with a small share that grows', async (t) => {
  const [a, b] = [await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: HTTP });
  a.health.well = false;
  await fixture.first(2);
  await fixture.round(2);
  await fixture.round(2);
  t.strictSame(fixture.rotation, [b.port]);
  a.health.well = true;
  await fixture.round(2);
  t.strictSame(fixture.rotation, [b.port], 'one is not enough');
  t.equal(fixture.events('check_passed').length, 0);
  await fixture.round(2);
  t.strictSame(fixture.rotation, [a.port, b.port]);
  t.match(fixture.events('check_passed'), [{ endpoint: `127.0.0.1:${a.port}` }]);
  t.equal(fixture.state(a.port), 'ready');
  t.equal(fixture.endpoint(a.port).dialing + fixture.endpoint(a.port).open.size, 0, 'nothing is opened ahead');
  const share = (): number => {
    let picked = 0;
    for (let index = 0; index < 400; index++)
      if (fixture.destination.pool.pick([], fixture.context.clock.now())?.spec.port === a.port) picked++;
    return picked;
  };
  t.ok(share() <= 40, 'slowly, though slowStart is off');
  fixture.context.clock.advance(10_000);
  t.ok(share() >= 195);
});

t.test('with a threshold of 1 one good check is enough', async (t) => {
  const [a, b] = [await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: { ...HTTP, threshold: 1 } });
  a.health.well = false;
  await fixture.first(2);
  t.strictSame(fixture.rotation, [b.port]);
  a.health.well = true;
  await fixture.round(2);
  t.strictSame(fixture.rotation, [a.port, b.port]);
});

t.test('an endpoint that flaps stays where it is, in rotation or out', async (t) => {
  const [a, b] = [await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: HTTP });
  fixture.tick();
  await fixture.first(2);
  for (let round = 0; round < 8; round++) {
    // Two bad ones, a good one, two bad ones, …
    a.health.well = round % 3 === 2;
    await fixture.round(2);
    t.equal(fixture.rotation.length, 2);
  }
  a.health.well = false;
  await fixture.round(2);
  await fixture.round(2);
  await fixture.round(2);
  t.equal(fixture.rotation.length, 1);
  for (let round = 0; round < 6; round++) {
    a.health.well = round % 2 === 0;
    await fixture.round(2);
    t.equal(fixture.rotation.length, 1);
  }
  t.equal(fixture.events('check_failed').length, 1);
  t.equal(fixture.events('check_passed').length, 0);
});

t.test('when all fail all serve, and keep their connections; the first that passes takes over', async (t) => {
  const [a, b] = [await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: { ...HTTP, threshold: 1 } });
  const requests = [fixture.request(), fixture.request()];
  await until(() => a.requests.length === 1 && b.requests.length === 1);
  for (const origin of [a, b]) origin.requests[0]?.connection.write(YES);
  await until(() => requests.every(({ ended }) => ended === 1));
  a.health.well = false;
  await fixture.first(2);
  t.strictSame(fixture.rotation, [b.port]);
  b.health.well = false;
  await fixture.round(2);
  t.strictSame(fixture.rotation, [a.port, b.port]);
  t.equal(fixture.endpoint(b.port).idle.length, 1, 'the one that failed last keeps its connection');
  t.match(fixture.reasons[1], 'status 503; it serves on, for no other one is fit');
  fixture.tick();
  t.equal(fixture.endpoint(b.port).idle.length, 1);
  t.equal(fixture.state(b.port), 'failing');
  t.ok(fixture.destination.stats().endpoints.every(({ inRotation, check }) => inRotation && check === 'failing'));
  a.health.well = true;
  await fixture.round(2);
  t.strictSame(fixture.rotation, [a.port]);
  t.equal(fixture.endpoint(b.port).idle.length, 0, 'and the other one is drained after all');
});

t.test('a failing endpoint serves when the last good one leaves, and is drained when a new one comes', async (t) => {
  const [a, b, c] = [await patient(t), await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: { ...HTTP, threshold: 1 } });
  a.health.well = false;
  await fixture.first(2);
  t.strictSame(fixture.rotation, [b.port]);
  fixture.destination.remove(`127.0.0.1:${b.port}`);
  fixture.destination.settled(null);
  t.strictSame(fixture.rotation, [a.port]);
  const request = fixture.request();
  await until(() => a.requests.length === 1);
  a.requests[0]?.connection.write(YES);
  await until(() => request.ended === 1);
  t.equal(fixture.endpoint(a.port).idle.length, 1);
  fixture.destination.add({ id: `127.0.0.1:${c.port}`, address: '127.0.0.1', port: c.port });
  fixture.destination.settled(null);
  fixture.tick();
  // It is joining as long as its first connection is opened ahead.
  await until(() => fixture.rotation[0] === c.port);
  fixture.tick();
  t.strictSame(fixture.rotation, [c.port], 'one that was not checked yet is better than one that failed');
  t.equal(fixture.endpoint(a.port).idle.length, 0);
});

t.test('requests whose connect to a failing endpoint is under way go on elsewhere', async (t) => {
  const [silent, b] = [await silentPort(t), await patient(t)];
  const fixture = new HealthFixture(t, [silent, b.port], { check: { threshold: 1, timeoutMs: 400 } });
  fixture.tick();
  fixture.context.clock.advance(500);
  await until(() => fixture.ended === 1);
  const requests = [fixture.request(), fixture.request()];
  await until(() => b.requests.length === 1);
  t.equal(fixture.endpoint(silent).dialing, 1);
  fixture.context.clock.advance(400);
  t.match(fixture.reasons, [/timed out after 400 ms, connecting/]);
  t.equal(fixture.endpoint(silent).dialing, 0);
  await until(() => b.requests.length === 2);
  t.ok(requests.every(({ error }) => error === null));
});

t.test('a good check ends an ejection by failed connects, and none by failed requests', async (t) => {
  const [a, b, c, d] = [await patient(t), await patient(t), await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port, c.port, d.port], { check: HTTP });
  const { evidence } = fixture.destination.pool;
  evidence.eject(fixture.endpoint(a.port), 'connect', 'ECONNREFUSED');
  evidence.eject(fixture.endpoint(b.port), 'failures', 'reset');
  t.strictSame(fixture.rotation, [c.port, d.port]);
  await fixture.first(4);
  t.strictSame(fixture.rotation, [a.port, c.port, d.port]);
  t.match(fixture.events('endpoint_restored'), [{ endpoint: `127.0.0.1:${a.port}` }]);
  t.equal(fixture.state(b.port), 'ejected');
});

t.test('a check at another port says nothing of whether this one can be connected to', async (t) => {
  const [a, b, health] = [await patient(t), await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: { ...HTTP, port: health.port } });
  fixture.destination.pool.evidence.eject(fixture.endpoint(a.port), 'connect', 'ECONNREFUSED');
  await fixture.first(2);
  t.equal(fixture.count('passed'), 2);
  t.strictSame(fixture.rotation, [b.port]);
});

t.test('failing endpoints count among those that are out: the last good one is not ejected', async (t) => {
  const [a, b, c] = [await patient(t), await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port, c.port], { check: { ...HTTP, threshold: 1 } });
  a.health.well = false;
  await fixture.first(3);
  t.strictSame(fixture.rotation, [b.port, c.port]);
  fixture.destination.pool.evidence.eject(fixture.endpoint(b.port), 'failures', 'reset');
  t.strictSame(fixture.rotation, [b.port, c.port]);
});

t.test('a request that waits takes no connection of a failing endpoint', async (t) => {
  const [a, b] = [await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: { ...HTTP, threshold: 1 } });
  const limited = { ...fixture.policy(), pool: { ...fixture.policy().pool, maxConnections: 2 } };
  fixture.destination.setPolicy(limited);
  const [first, second] = [fixture.request(), fixture.request()];
  await until(() => a.requests.length === 1 && b.requests.length === 1);
  const waiting = fixture.request();
  t.ok(waiting.waiting);
  a.health.well = false;
  await fixture.first(2);
  t.strictSame(fixture.rotation, [b.port]);
  // What drains counts in the limit no more: the request goes to the other endpoint, while that connection still works.
  await until(() => b.requests.length === 2);
  a.requests[0]?.connection.write(YES);
  await until(() => first.ended + second.ended === 1);
  t.equal(a.requests.length, 1);
});

t.test('an endpoint that is ejected comes back when one that fails its checks makes them more than half', async (t) => {
  const origins = [await patient(t), await patient(t), await patient(t), await patient(t)];
  const [a, b, c, d] = origins.map(({ port }) => port);
  const fixture = new HealthFixture(
    t,
    origins.map(({ port }) => port),
    { check: { ...HTTP, threshold: 1 } },
  );
  if (a === undefined || b === undefined) throw new Error('no ports');
  fixture.destination.pool.evidence.eject(fixture.endpoint(a), 'failures', 'reset');
  fixture.destination.pool.evidence.eject(fixture.endpoint(b), 'failures', 'reset');
  t.strictSame(fixture.rotation, [c, d]);
  for (const origin of origins.slice(2)) origin.health.well = false;
  await fixture.first(4);
  t.strictSame(fixture.rotation, [a, b], 'better than those that say themselves that they are not well');
});

t.test('checks slow down no endpoint that is merely new', async (t) => {
  const [a, b] = [await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port], { check: HTTP });
  fixture.destination.add({ id: 'new', address: '127.0.0.1', port: b.port });
  fixture.destination.settled(null);
  let picked = 0;
  for (let index = 0; index < 100; index++)
    if (fixture.destination.pool.pick([], fixture.context.clock.now())?.spec.id === 'new') picked++;
  t.equal(picked, 50);
});

/** Two endpoints, of which the first fails its checks, and the second has six idle connections. */
async function oneFails(t: Parameters<typeof answeringOrigin>[0], eject: boolean) {
  const [a, b] = [await patient(t), await patient(t)];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: { ...HTTP, threshold: 1 } });
  const { pool } = fixture.destination;
  fixture.destination.setPolicy({ ...fixture.policy(), pool: { ...fixture.policy().pool, maxConnections: 6 } });
  a.health.well = false;
  if (eject) pool.evidence.eject(fixture.endpoint(a.port), 'connect', 'ECONNREFUSED');
  await fixture.first(2);
  t.equal(fixture.state(a.port), 'failing');
  const requests = [0, 1, 2, 3, 4, 5].map(() => fixture.request());
  await until(() => b.requests.length === 6);
  for (const { connection } of b.requests) connection.write(YES);
  await until(() => requests.every(({ ended }) => ended === 1));
  return { a, b, fixture };
}

t.test('a failing endpoint gets no trial connect, for which another one would have to make room', async (t) => {
  const { b, fixture } = await oneFails(t, true);
  // Its ejection is over, and would be put to the test.
  fixture.context.clock.advance(2000);
  fixture.tick();
  t.equal(fixture.endpoint(b.port).idle.length, 6);
});

t.test('a failing endpoint gets no share of the connections that move to a new one', async (t) => {
  const { a, b, fixture } = await oneFails(t, false);
  const c = await patient(t);
  fixture.destination.add({ id: 'c', address: '127.0.0.1', port: c.port });
  fixture.destination.settled(null);
  for (let tick = 0; tick < 6; tick++) {
    fixture.context.clock.advance(1000);
    fixture.tick();
    await until(() => fixture.endpoint(c.port).dialing + fixture.endpoint(a.port).dialing === 0);
  }
  t.equal(fixture.endpoint(b.port).open.size, 3);
  t.equal(fixture.endpoint(c.port).open.size, 3);
  t.equal(a.connections.length, 1, 'only the check came');
});
