import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { failureOf, ORDERS, SLICES, startClient } from './api-fixture.ts';
import { service, slice } from './kube-objects.ts';

const CARTS = '/apis/discovery.k8s.io/v1/namespaces/carts/endpointslices';

test('two watches and many GETs at once share one TLS connection', async (t) => {
  const { server, client, watch } = await startClient(t);
  server.putService(service({ name: 'orders' }));
  const first = watch();
  const second = watch({}, CARTS);
  const answers = await Promise.all(Array.from({ length: 300 }, () => client.get(ORDERS)));
  await Promise.all([first.until('opened'), second.until('opened')]);
  t.equal(answers.length, 300);
  t.equal(server.connectionsOpened, 1);
  t.equal(server.network.opened, 1);
});

test('successive watches stay on one TLS connection', async (t) => {
  const { server, client, watch } = await startClient(t);
  for (let i = 0; i < 20; i++) {
    const recorded = watch();
    await recorded.until('opened');
    if (i % 2 === 0) {
      server.endWatches();
      await recorded.until('ended');
    } else recorded.handle?.abort();
    await server.until(() => server.watches.size === 0);
    await client.get(SLICES);
  }
  t.equal(server.connectionsOpened, 1);
});

test('at most 32 GETs are under way at once, and the others follow', async (t) => {
  const { server, client } = await startClient(t);
  let release = () => {};
  const lift = server.fault({ verb: 'get' }, { after: new Promise<void>((resolve) => (release = resolve)) });
  const calls = Array.from({ length: 100 }, (_, i) => failureOf(client.get(`${ORDERS}-${i}`)));
  await server.until(() => server.requests.length === 32);
  const other = client.get(ORDERS).catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(server.requests.length, 32);
  lift();
  release();
  await Promise.all([...calls, other]);
  t.equal(server.requests.length, 101);
});

test('a server that speaks HTTP/1.1 only is served as well, each watch on a connection of its own', async (t) => {
  const { server, client, watch } = await startClient(t, { http1Only: true });
  const first = watch();
  const second = watch({}, CARTS);
  await Promise.all([first.until('opened'), second.until('opened')]);
  server.putSlice(slice({ service: 'orders', endpoints: [] }));
  await first.until('ADDED orders-x7k2p');
  for (let i = 0; i < 10; i++) t.match(await client.get(SLICES), { kind: 'EndpointSliceList' });
  t.equal(server.requests[0]?.httpVersion, '1.1');
  // One to find out, three for what goes on at once, and perhaps one more while another is being given back.
  t.ok(server.connectionsOpened <= 5, `${server.connectionsOpened}`);
  (await server.untilWatch('shop')).resetConnection();
  await first.until('ended unreachable');
  second.handle?.abort();
  await server.until(() => server.watches.size === 0);
  t.equal(second.error, undefined);
});

test('reconnect gives up connections that carry nothing, and the next call dials anew', async (t) => {
  const { server, client, watch } = await startClient(t);
  const first = watch();
  const second = watch({}, CARTS);
  await Promise.all([first.until('opened'), second.until('opened')]);
  server.network.freeze();
  const get = failureOf(client.get(SLICES));
  await new Promise((resolve) => setImmediate(resolve));
  client.reconnect();
  t.equal(first.error, undefined, 'nothing is told before the call returns');
  await Promise.all([first.until('ended unreachable'), second.until('ended unreachable')]);
  t.equal((await get).kind, 'unreachable');
  server.network.thaw();
  const again = watch();
  await again.until('opened');
  await server.until(() => server.connectionsOpen === 1);
  t.equal(server.connectionsOpened, 2);
  t.ok(server.connectionsPeak <= 2);
});

test('reconnect is free while there is no connection', async (t) => {
  const { server, client } = await startClient(t);
  client.reconnect();
  client.reconnect();
  t.match(await client.get(SLICES), { kind: 'EndpointSliceList' });
  t.equal(server.connectionsOpened, 1);
});

test('two GETs without a byte from anywhere give the connections up', async (t) => {
  const { server, client, clock, watch } = await startClient(t);
  const recorded = watch();
  await recorded.until('opened');
  server.network.freeze();
  for (const left of [false, true]) {
    const failure = failureOf(client.get(SLICES));
    // The GET is sent in this turn of the loop or the next.
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(10_000);
    t.equal((await failure).kind, 'unreachable');
    t.equal(recorded.error?.kind, left ? 'unreachable' : undefined);
  }
  server.network.thaw();
  t.match(await client.get(SLICES), { kind: 'EndpointSliceList' });
});

test('GETs that are slow alone do not cost a watch its connection', async (t) => {
  const { server, client, clock, watch } = await startClient(t);
  const recorded = watch({ allowWatchBookmarks: true });
  await recorded.until('opened');
  server.fault({ verb: 'list' }, { hang: true });
  for (let i = 1; i <= 4; i++) {
    const failure = failureOf(client.get(SLICES));
    await server.untilRequest({ verb: 'list' }, i);
    server.putSlice(slice({ service: `s${i}`, endpoints: [] }));
    await recorded.until(`ADDED s${i}-x7k2p`);
    clock.advance(10_000);
    await failure;
  }
  t.equal(recorded.error, undefined);
  t.equal(server.connectionsOpened, 1);
});

test('a reset under two watches and GETs ends them, and all begin again on two connections at most', async (t) => {
  const { server, client, watch } = await startClient(t);
  for (let i = 0; i < 5; i++) {
    const recorded = [watch(), watch({}, CARTS)];
    await Promise.all([...recorded.map((each) => each.until('opened')), client.get(SLICES)]);
    server.network.reset();
    const gets = Promise.allSettled([client.get(SLICES), client.get(SLICES)]);
    await Promise.all(recorded.map((each) => each.until('ended unreachable')));
    await gets;
  }
  await client.get(SLICES);
  t.ok(server.connectionsPeak <= 2, `${server.connectionsPeak}`);
});

test('a CA that rotates under an open watch moves new calls to a new connection; there are never more than two', async (t) => {
  const { server, client, clock, watch, tokenDir } = await startClient(t);
  const first = watch();
  await first.until('opened');
  const rotate = async (name: string) => {
    await server.useCertificate(name);
    writeFileSync(join(tokenDir, 'ca.crt'), server.ca);
    clock.advance(10_000);
  };
  await rotate('second');
  const second = watch();
  await second.until('opened');
  t.equal(first.error, undefined);
  t.equal(server.connectionsOpen, 2);
  await rotate('third');
  const third = watch();
  await third.until('opened');
  await first.until('ended unreachable');
  t.equal(second.error, undefined);
  await server.until(() => server.connectionsOpen === 2);
  t.match(await client.get(SLICES), { kind: 'EndpointSliceList' });
  t.equal(server.connectionsOpened, 3);
});

test('a connection that the server retires (GOAWAY) keeps its watch, and what follows goes by another', async (t) => {
  const { server, client, watch } = await startClient(t);
  const first = watch();
  await first.until('opened');
  const open = await server.untilWatch('shop');
  open.goaway();
  for (let i = 0; i < 3; i++) t.match(await client.get(SLICES), { kind: 'EndpointSliceList' });
  open.send('ADDED', slice({ service: 'orders', endpoints: [] }));
  open.end();
  await first.until('ended');
  t.same(first.told, ['opened', 'ADDED orders-x7k2p', 'ended']);
  t.equal(server.connectionsOpened, 2);
});
