import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { silentPort } from '../pool/silent-port.ts';
import { eventually, type Relay, startRelay, useOnce } from '../relay/relay-fixture.ts';
import { codesOf, findingOf, pass } from './findings-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

/** So many requests at a time, each on a connection of its own. */
async function send(relay: Relay, count: number): Promise<void> {
  for (let index = 0; index < count; index++) (await relay.client()).write(relay.head('GET', '/'));
}

/** A relay whose pool of `limit` is full, with `waiting` requests behind it. */
async function full(t: Test, limit: number, waiting: number, settings: Record<string, unknown> = {}): Promise<Relay> {
  const relay = await startRelay(t, {
    defaults: { pool: { maxConnections: limit, acquireTimeout: '5s' } },
    ...settings,
  });
  await send(relay, limit + waiting);
  await eventually(() => relay.stats().pending === waiting && relay.stats().active === limit);
  return relay;
}

t.test('a full pool is told after two looks, with the limit to set', async (t) => {
  const relay = await full(t, 4, 20);
  pass(relay, 3);
  const finding = await findingOf(relay, 'pool_exhausted');
  t.equal(finding.destination, relay.target);
  t.match(finding.title, /4 of 4 connections in use, 20 requests waiting/);
  t.match(finding.detail, /No request that was sent has ended/);
  t.match(finding.remedies[0], /Set pool.maxConnections to 16 \(it is 4\)/, 'no step is larger than four times');
  t.same(parse(finding.lines[0] ?? ''), {
    destinations: [{ match: relay.target, pool: { maxConnections: 16 } }],
  });
});

t.test('a moment at the limit is no finding', async (t) => {
  const relay = await full(t, 4, 0);
  pass(relay, 1);
  t.same(await codesOf(relay), []);
});

t.test('requests that were refused are told for a minute, and then no more', async (t) => {
  const relay = await full(t, 2, 3);
  pass(relay, 6);
  const finding = await findingOf(relay, 'pool_exhausted');
  t.equal(finding.severity, 'error');
  t.match(finding.title, /3 requests refused in the last minute/);
  for (const { socket } of relay.origin.connections) socket.write(OK);
  await eventually(() => relay.stats().active === 0);
  pass(relay, 40);
  const after = await findingOf(relay, 'pool_exhausted');
  t.equal(after.severity, 'warning', 'the monitor has calmed down, but requests were refused');
  t.match(after.title, /The pool was exhausted: all of its 2 connections were in use, 3 requests refused/);
  pass(relay, 40);
  t.same(await codesOf(relay), []);
});

t.test('a limit below ten is not advised, and the arithmetic of a smaller one is not shown', async (t) => {
  const relay = await full(t, 2, 58, { defaults: { pool: { maxConnections: 2, acquireTimeout: '60s' } } });
  for (let round = 1; round <= 20; round++) {
    const { connections } = relay.origin;
    await eventually(() => connections.every(({ received }) => received.split('\r\n\r\n').length - 1 === round));
    relay.clock.advance(500);
    for (const { socket } of connections) socket.write(OK);
  }
  await eventually(() => relay.stats().pending === 18);
  const { detail, remedies } = await findingOf(relay, 'pool_exhausted');
  t.match(detail, /need 20 connections together; one step goes to 4 times the limit of 2, and to 10 at least/);
  t.match(remedies[0], /Set pool.maxConnections to 10 /, 'no pool is smaller');
  t.match(remedies[1], /each request holds one for 500 ms on average/);
});

t.test('those who were refused do not count as requests that held a connection', async (t) => {
  const relay = await full(t, 2, 30);
  relay.clock.advance(500);
  for (const { socket } of relay.origin.connections) socket.write(OK);
  await eventually(() => relay.stats().pending === 28);
  pass(relay, 6);
  await eventually(() => relay.stats().pending === 0);
  t.match((await findingOf(relay, 'pool_exhausted')).remedies[1], /holds one for 500 ms on average/);
});

t.test('where the destination has an entry, that is the one to change', async (t) => {
  const relay = await startRelay(t, {
    destinations: [{ match: '127.0.0.1', pool: { maxConnections: 1, acquireTimeout: '1s' } }],
  });
  await send(relay, 3);
  await eventually(() => relay.stats().pending === 2);
  pass(relay, 3);
  const { lines } = await findingOf(relay, 'pool_exhausted');
  t.same(parse(lines[0] ?? ''), { destinations: [{ match: '127.0.0.1', pool: { maxConnections: 10 } }] });
});

t.test('where the places of the whole sidecar are used up, that is told, and not the pool', async (t) => {
  const relay = await startRelay(t, { limits: { maxConnections: 2 } });
  await send(relay, 5);
  await eventually(() => relay.stats().pending === 3);
  pass(relay, 3);
  t.same(await codesOf(relay), ['connections_used_up']);
  const { title, lines } = await findingOf(relay, 'connections_used_up');
  t.match(title, /All 2 upstream connections/);
  t.same(parse(lines[0] ?? ''), { limits: { maxConnections: 4 } });
});

t.test('requests that wait for connects are not said to wait for the limit', async (t) => {
  const relay = await startRelay(t, { defaults: { timeouts: { connect: '60s' } } });
  const port = await silentPort(t);
  const silent = `127.0.0.1:${port}`;
  for (let index = 0; index < 101; index++)
    (await relay.client()).write(`GET http://${silent}/ HTTP/1.1\r\nHost: ${silent}\r\n\r\n`);
  await eventually(() => relay.app.destinations().some(({ pending }) => pending === 101));
  pass(relay, 2);
  const finding = await findingOf(relay, 'waiting_for_connects');
  t.same(await codesOf(relay), ['waiting_for_connects']);
  t.match(finding.title, /101 requests wait for connects, not for the limit/);
  t.equal(finding.lines[0], `carpool doctor ${silent}`);
});

t.test('a destination that an operator holds is told, with the line that lets it go', async (t) => {
  const relay = await startRelay(t);
  await useOnce(relay, await relay.client());
  t.equal(relay.app.steering.pause(relay.target), true);
  await send(relay, 3);
  await eventually(() => relay.stats().pending === 3);
  pass(relay, 3);
  t.same(await codesOf(relay), ['paused']);
  const { title, lines } = await findingOf(relay, 'paused');
  t.match(title, /3 requests waiting/);
  t.same(lines, [`carpool resume ${relay.target}`]);
});
