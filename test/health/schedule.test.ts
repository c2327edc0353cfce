import t from 'tap';
import { HealthChecks } from '../../src/health/health-checks.ts';
import { DestinationObserver } from '../../src/observer.ts';
import { Destination } from '../../src/routing/destination.ts';
import { until } from '../pool/origins.ts';
import { endpointAt } from '../pool/pool-fixture.ts';
import { rawOrigin } from '../raw-origin.ts';
import { FIRST_MS, HealthFixture, INTERVAL_MS } from './health-fixture.ts';

t.test('the first check comes within a second at a random moment, and then one an interval', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [origin.port]);
  fixture.tick();
  fixture.context.clock.advance(FIRST_MS - 1);
  t.equal(fixture.context.clock.waiting, 1, 'nothing is under way');
  await fixture.round(1, 1);
  fixture.context.clock.advance(INTERVAL_MS - 1);
  t.equal(fixture.ended, 1);
  await fixture.round(1, 1);
  t.equal(origin.connections.length, 2);
});

t.test('an interval is a tenth longer or shorter, and a short one bounds the first wait', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [origin.port], { check: { intervalMs: 200 } });
  const numbers = [0.99, 0, 1];
  const log = { info: () => {} };
  const health = new HealthChecks({ ...fixture.context, random: () => numbers.shift() ?? 0.5, router: fixture, log });
  t.teardown(() => health.close());
  const { clock } = fixture.context;
  health.tick(clock.now());
  const after = async (ms: number, ended: number): Promise<void> => {
    clock.advance(ms - 1);
    t.equal(fixture.ended, ended - 1);
    clock.advance(1.5);
    await until(() => fixture.ended === ended);
  };
  await after(198, 1);
  await after(180, 2);
  await after(220, 3);
});

t.test('a check that takes longer than the interval is not overtaken by the next', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [origin.port], { check: { kind: 'http', intervalMs: 100, timeoutMs: 1000 } });
  fixture.tick();
  fixture.context.clock.advance(50);
  await (await origin.connection(0)).untilReceived('\r\n\r\n');
  fixture.context.clock.advance(900);
  t.equal(origin.connections.length, 1);
  fixture.context.clock.advance(100);
  t.equal(fixture.count('failed'), 1);
  await origin.connection(1);
  t.equal(origin.connections.length, 2);
});

t.test('a hundred endpoints are checked sixteen at a time', async (t) => {
  let most = 0;
  let open = 0;
  const origin = await rawOrigin(t, ({ socket }) => {
    most = Math.max(most, ++open);
    socket.on('close', () => open--);
  });
  const fixture = new HealthFixture(t, [], { check: { kind: 'http' } });
  for (let index = 0; index < 100; index++) fixture.destination.add({ ...endpointAt(origin.port), id: `e${index}` });
  fixture.destination.settled(null);
  fixture.tick();
  fixture.context.clock.advance(FIRST_MS);
  for (let index = 0; index < 100; index++) {
    const connection = await origin.connection(index);
    await connection.untilReceived('\r\n\r\n');
    // Each that ends lets in the next one: the one that is answered here is the oldest.
    if (index < 15) continue;
    const oldest = await origin.connection(index - 15);
    oldest.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    await oldest.until(({ ended }) => ended);
    oldest.socket.end();
  }
  t.ok(most <= 17, `${most} connections at once, one of them perhaps closing`);
  t.ok(most >= 16);
  for (const { socket } of origin.connections) socket.destroy();
  await until(() => fixture.ended === 100);
  t.equal(fixture.count('passed'), 85);
});

t.test('an endpoint that leaves in the middle of its check: the check is given up, and nothing is left', async (t) => {
  const [a, b] = [await rawOrigin(t), await rawOrigin(t)];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: { kind: 'http', threshold: 1 } });
  fixture.tick();
  fixture.context.clock.advance(FIRST_MS);
  const connection = await a.connection(0);
  await connection.untilReceived('\r\n\r\n');
  fixture.destination.remove(`127.0.0.1:${a.port}`);
  fixture.destination.settled(null);
  fixture.tick();
  await connection.until(({ ended, closed }) => ended || closed);
  fixture.context.clock.advance(5000);
  t.equal(fixture.count('failed'), 1, 'the other one alone');
  t.equal(fixture.events('check_failed').length, 1);
  fixture.health.close();
  t.equal(fixture.context.clock.waiting, 0);
});

t.test('checks that are given up make room for others', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [], { check: { kind: 'http' } });
  for (let index = 0; index < 17; index++) fixture.destination.add({ ...endpointAt(origin.port), id: `e${index}` });
  fixture.destination.settled(null);
  fixture.tick();
  fixture.context.clock.advance(FIRST_MS);
  await (await origin.connection(15)).untilReceived('\r\n\r\n');
  // The last one waits for its turn.
  for (let index = 0; index < 16; index++) fixture.destination.remove(`e${index}`);
  fixture.destination.settled(null);
  fixture.tick();
  await (await origin.connection(16)).untilReceived('\r\n\r\n');
  t.equal(fixture.ended, 0);
});

t.test('one that comes later is checked within a second of the tick that sees it', async (t) => {
  const [a, b] = [await rawOrigin(t), await rawOrigin(t)];
  const fixture = new HealthFixture(t, [a.port]);
  await fixture.first();
  fixture.destination.add(endpointAt(b.port));
  fixture.destination.settled(null);
  t.equal(fixture.endpoint(b.port).checked, null);
  fixture.tick();
  t.equal(fixture.endpoint(b.port).checked, 'pending');
  t.equal(fixture.rotation.length, 2, 'and takes requests until then');
  await fixture.round(1, FIRST_MS);
  t.equal(b.connections.length, 1);
  t.equal(fixture.endpoint(b.port).checked, 'passing');
});

t.test('one that is not ready is not checked, and begins anew when it is', async (t) => {
  const [a, b] = [await rawOrigin(t), await rawOrigin(t)];
  const fixture = new HealthFixture(t, [a.port, b.port]);
  await fixture.first(2);
  fixture.destination.unready(`127.0.0.1:${a.port}`);
  fixture.destination.settled(null);
  fixture.tick();
  t.equal(fixture.endpoint(a.port).checked, null);
  await fixture.round();
  t.equal(a.connections.length, 1);
  fixture.destination.add(endpointAt(a.port));
  fixture.destination.settled(null);
  await fixture.first();
  t.equal(a.connections.length, 2);
});

t.test('what a reload says applies at once: off, on, another kind', async (t) => {
  const [a, b] = [await rawOrigin(t), await rawOrigin(t, (connection) => connection.socket.on('data', () => {}))];
  const fixture = new HealthFixture(t, [a.port, b.port], { check: { threshold: 1, port: 1 } });
  await fixture.first(2);
  t.equal(fixture.events('check_failed').length, 2);
  const { destination, health, context } = fixture;
  const apply = (policy: ReturnType<typeof fixture.policy>): void => {
    destination.setPolicy(policy);
    health.reconfigure();
  };
  apply(fixture.policy({ enabled: false }));
  t.equal(fixture.endpoint(a.port).checked, null);
  t.equal(fixture.state(a.port), 'ready');
  context.clock.advance(60_000);
  t.equal(fixture.ended, 2);
  t.equal(context.clock.waiting, 0);
  apply(fixture.policy());
  t.equal(fixture.endpoint(a.port).checked, 'pending');
  await fixture.round(2, FIRST_MS);
  t.equal(fixture.endpoint(a.port).checked, 'failing');
  apply(fixture.policy({ port: null }));
  t.equal(fixture.endpoint(a.port).checked, 'failing', 'until a check says otherwise');
  await fixture.round(2, FIRST_MS);
  t.equal(fixture.endpoint(a.port).checked, 'passing');
  apply(fixture.policy({ port: null }));
  fixture.context.clock.advance(1000);
  t.equal(fixture.ended, 6, 'a reload that changes nothing of it does not hurry the checks');
});

t.test('a destination that is dropped, or closed, or unused for a quarter of an hour is not checked', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [origin.port], { check: { intervalMs: 600_000 } });
  const { clock } = fixture.context;
  await fixture.first();
  await fixture.round(1, 600_000);
  fixture.tick();
  t.equal(fixture.endpoint(origin.port).checked, 'passing');
  clock.advance(300_000);
  fixture.tick();
  t.equal(clock.waiting, 0);
  t.equal(fixture.endpoint(origin.port).checked, null);
  fixture.destination.usedAt = clock.now();
  await fixture.first();
  t.equal(fixture.ended, 3, 'until it is used again');
  fixture.destinations.pop();
  fixture.tick();
  t.equal(clock.waiting, 0);
  fixture.destinations.push(fixture.destination);
  await fixture.first();
  fixture.destination.close();
  fixture.tick();
  t.equal(clock.waiting, 0);
});

t.test('one that is kept warm is checked whether it is used or not', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, [origin.port], { minConnections: 1, check: { intervalMs: 600_000 } });
  await fixture.first();
  await fixture.round(1, 600_000);
  fixture.context.clock.advance(300_000);
  fixture.health.tick(fixture.context.clock.now());
  t.equal(fixture.endpoint(origin.port).checked, 'passing');
});

t.test('endpoints behind a parent proxy are not checked, which is said once', async (t) => {
  const origin = await rawOrigin(t);
  const fixture = new HealthFixture(t, []);
  const proxy = { url: 'http://proxy.corp:3128', secure: () => null, credentials: () => null };
  fixture.destination.add({ ...endpointAt(origin.port), proxied: { host: 'orders.shop', port: 8080, proxy } });
  fixture.destination.settled(null);
  fixture.tick();
  fixture.tick();
  fixture.context.clock.advance(60_000);
  t.strictSame(fixture.said, ['orders.shop:8080 is not health checked: it is reached through the parent proxy']);
  t.equal(fixture.endpoint(origin.port).checked, null);
  t.equal(fixture.context.clock.waiting, 0);
});

t.test(
  'names of the outside by the thousand, all behind a parent proxy, are neither remembered nor told one by one',
  async (t) => {
    const fixture = new HealthFixture(t, []);
    const proxy = { url: 'http://proxy.corp:3128', secure: () => null, credentials: () => null };
    const { identity } = fixture.destination;
    for (let count = 0; count < 300; count++) {
      const name = `host-${count}.example:8080`;
      const observer = new DestinationObserver(name);
      const each = new Destination({ ...identity, name }, fixture.policy(), observer, () => null, fixture.context);
      each.add({ ...endpointAt(1), proxied: { host: name, port: 8080, proxy } });
      each.settled(null);
      fixture.destinations.push(each);
      t.teardown(() => each.pool.destroy());
    }
    fixture.tick();
    fixture.tick();
    t.equal(fixture.said.length, 101);
    t.match(fixture.said.at(-1), 'more destinations are not health checked');
  },
);
