import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { SLICES, startClient } from './api-fixture.ts';
import { slice } from './kube-objects.ts';

const orders = (address = '10.0.0.1') => slice({ service: 'orders', endpoints: [address] });

test('a watch is opened by its answer, and tells each event and bookmark', async (t) => {
  const { server, watch, observed } = await startClient(t, { token: 'secret' });
  const query = { labelSelector: 'kubernetes.io/service-name in (orders)', allowWatchBookmarks: true };
  const recorded = watch(query);
  t.same(recorded.told, [], 'nothing is told before the call returns');
  await recorded.until('opened');
  server.putSlice(orders());
  server.putSlice(slice({ service: 'carts', endpoints: [] }));
  server.putSlice(orders('10.0.0.2'));
  server.deleteSlice('shop', 'orders-x7k2p');
  server.bookmark();
  await recorded.until('BOOKMARK -');
  const name = 'orders-x7k2p';
  t.same(recorded.told, ['opened', `ADDED ${name}`, `MODIFIED ${name}`, `DELETED ${name}`, 'BOOKMARK -']);
  t.match(recorded.events[1]?.object, { kind: 'EndpointSlice', endpoints: [{ addresses: ['10.0.0.2'] }] });
  const [request] = server.requests;
  t.match(request, { token: 'secret', userAgent: 'carpool/1.2.3', httpVersion: '2.0', verb: 'watch' });
  t.match(request?.query, { labelSelector: query.labelSelector, watch: 'true', allowWatchBookmarks: 'true' });
  t.same(observed, ['watch ok']);
});

test('a watch that the server ends in good order ends without an error', async (t) => {
  const { server, watch } = await startClient(t);
  const recorded = watch();
  await server.untilWatch('shop');
  server.putSlice(orders());
  server.endWatches();
  await recorded.until('ended');
  t.same(recorded.told, ['opened', 'ADDED orders-x7k2p', 'ended']);
});

test('a refused watch ends with what the server said of it, and is never open', async (t) => {
  const { server, watch, observed } = await startClient(t);
  const lift = server.forbid('endpointslices', 'shop');
  const forbidden = watch();
  await forbidden.until('ended forbidden');
  t.match(forbidden.error?.message, /forbids the watch of endpointslices in namespace shop.*cannot watch resource/);
  t.match(
    forbidden.error?.hint,
    /^Allow get on services, and list and watch on endpointslices.discovery.k8s.io, in namespace shop/,
  );
  lift();
  const cases = [
    [{ status: 400 }, 'invalid'],
    [{ status: 405 }, 'invalid'],
    [{ status: 410 }, 'gone'],
    [{ status: 422 }, 'invalid'],
    [{ status: 429, retryAfter: 9 }, 'throttled'],
    [{ status: 500 }, 'server'],
    [{ body: '<html>', type: 'text/html' }, 'not_an_api'],
    [{ body: '<html>', type: 'text/html', code: 404 }, 'not_an_api'],
    [{ body: '', code: 302, headers: { location: 'https://elsewhere.example/' } }, 'not_an_api'],
    [{ body: 'x'.repeat(100_000), code: 500, unended: true }, 'server'],
    [{ body: '{"kind":"EndpointSliceList","items":[]}\n' }, 'not_an_api'],
    [{ reset: true }, 'unreachable'],
  ] as const;
  for (const [fault, kind] of cases) {
    server.fault({}, fault, 1);
    const recorded = watch();
    await recorded.until(`ended ${kind}`);
    t.equal(recorded.told.filter((what) => what.startsWith('ended')).length, 1);
    if (kind === 'throttled') t.equal(recorded.error?.retryAfterMs, 9_000);
  }
  t.same(server.requests.length, cases.length + 1);
  t.equal(observed.filter((what) => what === 'watch ok').length, 1, 'the list in place of events alone was accepted');
});

test('an ERROR event ends a watch with what its Status says', async (t) => {
  const { server, watch } = await startClient(t);
  server.putSlice(orders());
  server.store.compact();
  const old = watch({ resourceVersion: 1 });
  await old.until('ended gone');
  t.same(old.told, ['opened', 'ended gone']);
  server.fault({}, { errorEvent: 500 }, 1);
  await watch().until('ended server');
  const third = watch();
  (await server.untilWatch('shop')).send('ERROR', { no: 'Status' });
  await third.until('ended not_an_api');
});

test('a line that is no event ends a watch so that all is listed again', async (t) => {
  const { server, watch } = await startClient(t);
  for (const line of ['garbage', '{"type":"ADDED","object":{"kind"', '', '\u0000', '<html>']) {
    server.fault({}, { line }, 1);
    const recorded = watch();
    await recorded.until('ended gone');
    t.match(recorded.error?.message, /had a line in it that is no event/);
  }
});

test('a line that is no event is noticed between good ones of the same read', async (t) => {
  const { server, watch } = await startClient(t);
  const recorded = watch();
  const open = await server.untilWatch('shop');
  const event = JSON.stringify({ type: 'ADDED', object: orders() });
  open.write(`${event}\ngarbage\n${event}\n`);
  await recorded.until('ended gone');
  t.same(recorded.told, ['opened', 'ADDED orders-x7k2p', 'ADDED orders-x7k2p', 'ended gone']);
});

test('an event that is broken off is not told, and ends the watch as a broken connection', async (t) => {
  const { server, watch } = await startClient(t);
  for (const end of ['end', 'resetStream', 'resetConnection'] as const) {
    const recorded = watch();
    await recorded.until('opened');
    const open = await server.untilWatch('shop');
    open.send('ADDED', orders());
    open.sendHalf('MODIFIED', orders('10.0.0.2'));
    await recorded.until('ADDED orders-x7k2p');
    open[end]();
    await recorded.until('ended unreachable');
    t.same(recorded.told, ['opened', 'ADDED orders-x7k2p', 'ended unreachable'], end);
    await server.until(() => server.watches.size === 0);
  }
});

test('a last event without a line feed counts', async (t) => {
  const { server, watch } = await startClient(t);
  const recorded = watch();
  const open = await server.untilWatch('shop');
  open.write(JSON.stringify({ type: 'ADDED', object: orders() }));
  open.end();
  await recorded.until('ended');
  t.same(recorded.told, ['opened', 'ADDED orders-x7k2p', 'ended']);
});

test('an event may come in any pieces, in the middle of a character too', async (t) => {
  const { server, watch } = await startClient(t);
  const recorded = watch();
  const open = await server.untilWatch('shop');
  for (const size of [1, 3, 7, 1_000]) {
    const name = `größe-日本-🚗-${size}`;
    await open.sendInPieces('ADDED', { metadata: { name } }, size);
    await recorded.until(`ADDED ${name}`);
  }
  t.equal(recorded.error, undefined);
});

test('an event of a megabyte arrives whole, and many in one read in their order', async (t) => {
  const { server, watch } = await startClient(t);
  const recorded = watch();
  const open = await server.untilWatch('shop');
  open.send('ADDED', { metadata: { name: 'large' }, filler: 'x'.repeat(1_000_000) });
  for (let i = 0; i < 500; i++) open.send('ADDED', { metadata: { name: `event-${i}` } });
  await recorded.until('ADDED event-499');
  t.same(recorded.told.slice(1, 4), ['ADDED large', 'ADDED event-0', 'ADDED event-1']);
  t.equal(recorded.told.length, 502);
});

test('a line without an end is given up', async (t) => {
  const { server, watch } = await startClient(t);
  const recorded = watch();
  const open = await server.untilWatch('shop');
  for (let i = 0; i < 9; i++) open.write('x'.repeat(1_048_576));
  await recorded.until('ended not_an_api');
  await server.until(() => server.watches.size === 0);
  t.equal(recorded.told.length, 2);
});

test('an event carries the time at which its last byte was read', async (t) => {
  const { server, watch, clock } = await startClient(t);
  const recorded = watch();
  const open = await server.untilWatch('shop');
  const line = JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'a' } } });
  open.write(`${line}\n${line.slice(0, 10)}`);
  await recorded.until('ADDED a');
  const first = clock.now();
  clock.advance(250);
  open.write(`${line.slice(10).replace('"a"', '"b"')}\n`);
  await recorded.until('ADDED b');
  t.same(
    recorded.events.map(({ readAt }) => readAt - first),
    [0, 250],
  );
});

test('a renewed token is taken when the old one is refused, before anything is told', async (t) => {
  const { server, watch, tokenDir, credentials } = await startClient(t, { token: 'old' });
  credentials.read();
  server.token = 'new';
  writeFileSync(join(tokenDir, 'token'), 'new');
  const recorded = watch();
  await recorded.until('opened');
  t.same(recorded.told, ['opened']);
  t.same(
    server.requests.map(({ token }) => token),
    ['old', 'new'],
  );
  server.token = 'newest';
  const refused = watch();
  await refused.until('ended unauthorized');
  t.same(refused.told, ['ended unauthorized']);
  t.equal(recorded.error, undefined, 'the watch that is open goes on');
});

test('a renewed CA is taken when the certificate is refused', async (t) => {
  const { server, watch, tokenDir, credentials } = await startClient(t);
  credentials.read();
  await server.useCertificate('second');
  writeFileSync(join(tokenDir, 'ca.crt'), server.ca);
  const recorded = watch();
  await recorded.until('opened');
  await server.useCertificate('third');
  server.network.reset();
  await recorded.until('ended unreachable');
  await watch().until('ended tls');
  t.equal(server.requests.length, 1);
});

test('without credentials a watch ends with what is missing, after the call has returned', async (t) => {
  const { server, watch, tokenDir } = await startClient(t);
  writeFileSync(join(tokenDir, 'ca.crt'), 'no certificate');
  const recorded = watch();
  t.same(recorded.told, []);
  await recorded.until('ended no_credentials');
  t.match(recorded.error?.message, /ca\.crt holds no certificate in PEM form$/);
  t.equal(server.network.opened, 0);
});

test('after abort nothing is told, at whatever stage it comes', async (t) => {
  const { server, watch, client } = await startClient(t);
  const before = watch();
  before.handle?.abort();

  const lift = server.fault({ verb: 'watch' }, { hang: true });
  const unanswered = watch();
  await server.untilRequest({ verb: 'watch' });
  unanswered.handle?.abort();
  lift();

  const inOpened = watch();
  inOpened.on = () => inOpened.handle?.abort();
  await inOpened.until('opened');
  await server.until(() => server.watches.size === 0);

  const inEvent = watch();
  inEvent.on = (what) => what !== 'opened' && inEvent.handle?.abort();
  const open = await server.untilWatch('shop');
  const line = JSON.stringify({ type: 'ADDED', object: orders() });
  open.write(`${line}\n${line}\ngarbage\n`);
  await inEvent.until('ADDED orders-x7k2p');
  await server.until(() => server.watches.size === 0);

  const idle = watch();
  await idle.until('opened');
  idle.handle?.abort();
  idle.handle?.abort();
  await server.until(() => server.watches.size === 0);
  // Another answer on the same connection: what there was to be told would have been told before it.
  await client.get('/api/v1/namespaces/shop/services');
  t.same(before.told, []);
  t.same(unanswered.told, []);
  t.same(inOpened.told, ['opened']);
  t.same(inEvent.told, ['opened', 'ADDED orders-x7k2p']);
  t.same(idle.told, ['opened']);
  t.equal(server.requestsOf({ verb: 'watch' }).length, 4, 'what was aborted first was never sent');
  t.equal(server.connectionsOpened, 1, 'and none of them cost the connection');
});

test('a watch that waits for a connection can be aborted', async (t) => {
  const { server, watch, client } = await startClient(t);
  server.network.freeze();
  const recorded = watch();
  await server.until(() => server.network.opened === 1);
  recorded.handle?.abort();
  client.reconnect();
  server.network.thaw();
  const again = watch();
  await again.until('opened');
  t.same(recorded.told, []);
  t.equal(server.requestsOf({ verb: 'watch' }).length, 1);
});

test('a watch that is aborted while the connection is being made is not sent', async (t) => {
  const { server, watch, client } = await startClient(t);
  const recorded = watch();
  await server.until(() => server.network.opened === 1);
  recorded.handle?.abort();
  await client.get(SLICES);
  await client.get(SLICES);
  t.same(recorded.told, []);
  t.equal(server.requestsOf({ verb: 'watch' }).length, 0);
  t.equal(server.connectionsOpened, 1);
});

test('close ends a watch without a word', async (t) => {
  const { server, watch, client } = await startClient(t);
  const recorded = watch();
  await recorded.until('opened');
  client.close();
  await server.until(() => server.connectionsOpen === 0);
  t.same(recorded.told, ['opened']);
});
