import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { TestClock } from '../../test-clock.ts';
import { at } from './fake-kube-api.ts';
import { slice } from './kube-objects.ts';
import type { ApiServerOptions } from './scripted-api-server.ts';
import { startWatch } from './watch-fixture.ts';

const of = (service: string, address = '10.0.0.1') => slice({ service, endpoints: [address] });

/** One that follows `orders` at 10.0.0.1, its watch open. */
async function following(t: Test, options: ApiServerOptions = {}) {
  const parts = await startWatch(t, options);
  parts.server.putSlice(of('orders'));
  parts.watch.want('orders');
  await parts.until(() => parts.watch.connected);
  t.same(parts.addresses('orders'), ['10.0.0.1']);
  return parts;
}

test('slices are listed once and followed by one watch on one TLS connection', async (t) => {
  const { server, watch, lists, watches, until, untilAddress, changes } = await following(t);
  server.putSlice(of('orders', '10.0.0.2'));
  await untilAddress('orders', '10.0.0.2');
  server.putSlice(of('users'));
  server.deleteSlice('shop', 'orders-x7k2p');
  await until(() => watch.slices('orders')?.length === 0);
  t.same(changes, ['orders', 'orders', 'orders']);
  t.equal(lists().length, 1);
  t.equal(watches().length, 1);
  t.equal(server.connectionsOpened, 1);
  watch.unwant('orders');
  await server.until(() => server.watches.size === 0);
});

test('an ended watch goes on from the bookmark, on the same connection', async (t) => {
  const { clock, server, lists, watches, log, untilAddress } = await following(t);
  for (let i = 0; i < 5; i++) server.putSlice(of('users', `10.0.1.${i}`));
  server.bookmark();
  server.putSlice(of('orders', '10.0.0.2'));
  await untilAddress('orders', '10.0.0.2');
  const [first] = watches();
  clock.advance(5_000);
  server.endWatches();
  await server.untilRequest({ verb: 'watch' }, 2);
  await server.untilWatch('shop', ({ request }) => request !== first);
  t.equal(watches()[1]?.query.resourceVersion, String(server.store.version));
  server.putSlice(of('orders', '10.0.0.3'));
  await untilAddress('orders', '10.0.0.3');
  t.equal(lists().length, 1);
  t.equal(server.connectionsOpened, 1);
  t.same(log, []);
});

test('a watch lasts as long as it asked for, and is renewed without a word', async (t) => {
  const serverClock = new TestClock();
  const { clock, server, watch, watches, log, untilAddress } = await following(t, { clock: serverClock });
  clock.advance(5_000);
  serverClock.advance(899_999);
  t.equal(server.watches.size, 1);
  serverClock.advance(1);
  await server.untilRequest({ verb: 'watch' }, 2);
  t.equal(watches()[1]?.query.timeoutSeconds, '900');
  server.putSlice(of('orders', '10.0.0.2'));
  await untilAddress('orders', '10.0.0.2');
  t.equal(watch.connected, true);
  t.equal(server.connectionsOpened, 1);
  t.same(log, []);
});

for (const how of ['an ERROR event', 'a status'])
  test(`a version that is gone, told by ${how}, is listed again at once`, async (t) => {
    const { clock, server, lists, log, untilAddress, watch } = await following(t);
    if (how === 'a status') server.fault({ verb: 'watch' }, { status: 410 }, 1);
    server.putSlice(of('users'));
    server.store.compact();
    clock.advance(5_000);
    server.endWatches();
    await server.untilRequest({ verb: 'list' }, 2);
    t.same(lists()[1]?.query, { labelSelector: 'kubernetes.io/service-name in (orders)', limit: '500' });
    await server.untilWatch('shop');
    server.putSlice(of('orders', '10.0.0.2'));
    await untilAddress('orders', '10.0.0.2');
    t.equal(watch.connected, true);
    t.same(log, [], 'nothing failed');
  });

test('an expired token is a failure until the renewed one is there', async (t) => {
  const { clock, server, tokenDir, watch, log, until, addresses } = await following(t, { token: 'old' });
  server.token = 'new';
  clock.advance(5_000);
  server.endWatches();
  await until(() => watch.error !== null);
  t.equal(watch.error?.kind, 'unauthorized');
  t.same(addresses('orders'), ['10.0.0.1']);
  writeFileSync(join(tokenDir, 'token'), 'new');
  clock.advance(600);
  await until(() => watch.connected);
  clock.advance(10_000);
  t.equal(log.length, 2);
  t.match(log[1], /^info .*over/);
});

test('missing rights are told once, asked for once a minute, and found when they are granted', async (t) => {
  const { clock, server, watch, lists, log, until, addresses } = await startWatch(t);
  const grant = server.forbid('endpointslices', 'shop');
  server.putSlice(of('orders'));
  watch.want('orders');
  await until(() => watch.error !== null);
  t.equal(watch.error?.kind, 'forbidden');
  t.equal(watch.slices('orders'), null);
  clock.advance(59_000);
  t.equal(lists().length, 1);
  grant();
  clock.advance(1_000);
  await until(() => watch.connected);
  t.same(addresses('orders'), ['10.0.0.1']);
  clock.advance(10_000);
  t.equal(log.length, 2);
  t.match(log[0], /endpointslices.* go by DNS/);
});

test('a watch that fails with 422, 429, 500 or 503 is tried again, and what is known serves on', async (t) => {
  for (const [fault, waitMs] of [
    [{ status: 422 }, 600],
    [{ status: 429, retryAfter: 7 }, 7_350],
    [{ status: 500 }, 600],
    [{ status: 503 }, 600],
    [{ errorEvent: 500 }, 600],
  ] as const) {
    const { clock, server, watch, until, untilAddress, addresses, watches } = await following(t);
    server.fault({ verb: 'watch' }, fault, 1);
    clock.advance(5_000);
    server.endWatches();
    await until(() => watch.error !== null);
    t.same(addresses('orders'), ['10.0.0.1']);
    clock.advance(waitMs - 1);
    t.equal(watches().length, 2);
    server.putSlice(of('orders', '10.0.0.2'));
    clock.advance(1);
    await untilAddress('orders', '10.0.0.2');
    await until(() => watch.connected);
    watch.close();
  }
});

test('a connection that is reset in the middle of an event, or an event that is cut off, loses nothing', async (t) => {
  for (const cut of ['resetConnection', 'resetStream', 'end'] as const) {
    const { clock, server, watch, until, untilAddress, lists } = await following(t);
    const serverWatch = await server.untilWatch('shop');
    serverWatch.sendHalf('MODIFIED', at(server.store.version + 1, of('orders', '10.0.0.2')));
    serverWatch.silence();
    server.putSlice(of('orders', '10.0.0.2'));
    serverWatch[cut]();
    await until(() => !watch.connected);
    t.equal(watch.error?.kind, 'unreachable', cut);
    clock.advance(600);
    await untilAddress('orders', '10.0.0.2');
    t.equal(lists().length, 1, 'resumed, not listed');
    watch.close();
  }
});

test('a line that is no event is followed by a list, and nothing is lost', async (t) => {
  const { clock, server, watch, until, untilAddress } = await following(t);
  const serverWatch = await server.untilWatch('shop');
  serverWatch.write('{"type":"MODIFIED","object":{"meta\n');
  serverWatch.silence();
  server.putSlice(of('orders', '10.0.0.2'));
  await Promise.race([until(() => !watch.connected), server.untilRequest({ verb: 'list' }, 2)]);
  clock.advance(600);
  await untilAddress('orders', '10.0.0.2');
  await until(() => watch.connected);
});

test('a connection on which nothing comes any more is given up after 150 s, and all is caught up', async (t) => {
  const { clock, server, watch, until, untilAddress, addresses } = await following(t);
  server.network.freeze();
  server.putSlice(of('orders', '10.0.0.2'));
  clock.advance(149_999);
  t.equal(watch.connected, true);
  server.network.thaw();
  clock.advance(1);
  t.equal(watch.connected, false);
  t.same(addresses('orders'), ['10.0.0.1']);
  await untilAddress('orders', '10.0.0.2');
  await server.untilWatch('shop', ({ request }) => request !== server.requestsOf({ verb: 'watch' })[0]);
  server.bookmark();
  await until(() => watch.connected);
  t.ok(server.connectionsPeak <= 2);
});

test('a server that lists and never tells is listed every 150 s', async (t) => {
  const { clock, server, watch, until, untilAddress, opened, lists, log } = await startWatch(t);
  server.fault({ verb: 'watch' }, { silent: true });
  server.putSlice(of('orders'));
  watch.want('orders');
  await untilAddress('orders', '10.0.0.1');
  for (let i = 2; i < 6; i++) {
    await until(() => opened() === i - 1);
    server.putSlice(of('orders', `10.0.0.${i}`));
    clock.advance(149_999);
    t.equal(lists().length, i - 1);
    clock.advance(1);
    await untilAddress('orders', `10.0.0.${i}`);
  }
  t.equal(log.filter((line) => line.startsWith('warn')).length, 1);
  t.equal(watch.connected, false);
  t.ok(server.connectionsPeak <= 2);
});

test('events that come twice or out of order change nothing', async (t) => {
  const { server, changes, untilAddress, addresses } = await following(t);
  const serverWatch = await server.untilWatch('shop');
  const version = server.store.version;
  serverWatch.send('MODIFIED', at(version + 5, of('orders', '10.0.0.5')));
  serverWatch.send('MODIFIED', at(version + 5, of('orders', '10.0.0.5')));
  serverWatch.send('ADDED', at(version + 5, of('orders', '10.0.0.5')));
  serverWatch.send('MODIFIED', at(version + 3, of('orders', '10.0.0.3')));
  serverWatch.send('DELETED', at(version + 4, of('orders', '10.0.0.3')));
  serverWatch.send('MODIFIED', at(version + 6, of('orders', '10.0.0.6')));
  await untilAddress('orders', '10.0.0.6');
  t.same(changes, ['orders', 'orders', 'orders']);
  t.same(addresses('orders'), ['10.0.0.6']);
});

test('a thousand Services of a namespace cost three lists and one watch', async (t) => {
  const { clock, server, watch, until, untilAddress, lists, changes } = await startWatch(t);
  const names = Array.from({ length: 1_000 }, (_, i) => `service-${i}`);
  for (const [i, name] of names.entries()) server.putSlice(of(name, `10.1.${i >> 8}.${i & 255}`));
  for (const name of names) watch.want(name);
  await until(() => watch.connected);
  clock.advance(500);
  await until(() => names.every((name) => watch.slices(name)?.length === 1));
  await server.until(() => server.watches.size === 1);
  t.ok(lists().length <= 3, `${lists().length} lists`);
  t.equal(changes.length, 1_000, 'each is told once');
  server.putSlice(of('service-999', '10.2.0.1'));
  await untilAddress('service-999', '10.2.0.1');
  t.ok(server.watchesPeak <= 2);
  t.ok(server.connectionsPeak <= 2);
  await server.until(() => server.watches.size === 1);
});

test('a node that slept gets a new connection and goes on from where it was', async (t) => {
  const { clock, server, untilAddress, lists, watches, log } = await following(t);
  server.network.freeze();
  server.putSlice(of('orders', '10.0.0.2'));
  server.network.thaw();
  clock.jumpWall(3_600_000);
  clock.advance(10_000);
  await untilAddress('orders', '10.0.0.2');
  t.equal(lists().length, 1);
  t.equal(watches().length, 2);
  t.same(log, []);
});

test('another Service is followed by another watch, and the old one serves until that stands', async (t) => {
  const { clock, server, watch, until, untilAddress, addresses } = await following(t);
  server.putSlice(of('users', '10.0.0.9'));
  const { promise, resolve } = Promise.withResolvers<void>();
  server.fault({ verb: 'watch' }, { after: promise }, 1);
  clock.advance(500);
  watch.want('users');
  await untilAddress('users', '10.0.0.9');
  server.putSlice(of('orders', '10.0.0.2'));
  await untilAddress('orders', '10.0.0.2');
  resolve();
  await server.until(() => server.watchesPeak === 2 && server.watches.size === 1);
  server.putSlice(of('users', '10.0.0.8'));
  await untilAddress('users', '10.0.0.8');
  server.putSlice(of('orders', '10.0.0.3'));
  await untilAddress('orders', '10.0.0.3');
  await until(() => watch.connected);
  t.same(addresses('users'), ['10.0.0.8']);
  t.equal(server.connectionsOpened, 1);
});

test('an API server that is away for a while is found again at its port, and what was known served meanwhile', async (t) => {
  const { clock, server, watch, until, untilAddress, addresses, failures, changes, log } = await following(t);
  await server.network.stop();
  await until(() => failures() === 1);
  t.equal(watch.connected, false);
  server.putSlice(of('orders', '10.0.0.2'));
  watch.want('users');
  for (let i = 2; i < 8; i++) {
    clock.advance(30_000);
    await until(() => failures() === i);
  }
  t.same(addresses('orders'), ['10.0.0.1']);
  t.same(changes, ['orders']);
  await server.network.start();
  clock.advance(30_000);
  await untilAddress('orders', '10.0.0.2');
  await until(() => watch.connected);
  t.same(addresses('users'), []);
  clock.advance(10_000);
  t.equal(log.length, 2);
  t.equal(server.watches.size, 1);
});

test('a server that speaks HTTP/1.1 only is followed as well, also while the selector changes', async (t) => {
  const { clock, server, watch, untilAddress } = await following(t, { http1Only: true });
  server.putSlice(of('users', '10.0.0.9'));
  clock.advance(500);
  watch.want('users');
  await untilAddress('users', '10.0.0.9');
  await server.until(() => server.watchesPeak === 2 && server.watches.size === 1);
  server.putSlice(of('orders', '10.0.0.2'));
  await untilAddress('orders', '10.0.0.2');
});
