import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type RawOrigin, rawClient, rawOrigin } from '../raw-origin.ts';
import { checkError, eventually } from '../relay/relay-fixture.ts';
import { authority, answering as tlsAnswering } from '../relay/tls-fixture.ts';
import { reload, type Sidecar, startSidecar } from '../sidecar.ts';
import { answering, heads, OK } from './egress-fixture.ts';

const HOST = 'orders.shop';

const named = (t: Test, name: string): Promise<RawOrigin> =>
  rawOrigin(t, (connection) => answering(connection, OK.replace('ok', name.slice(0, 2))));

type Entry = Record<string, unknown>;

/** A sidecar for which `old.test` and `new.test` are this host, and whose requests to `orders.shop` go where `to` says. */
async function start(t: Test, to: unknown, entry: Entry = {}, settings: Entry = {}): Promise<Sidecar> {
  const directory = t.testdir({
    hosts: '127.0.0.1 old.test new.test orders.shop\n',
    'resolv.conf': 'nameserver 127.0.0.9\n',
  });
  return startSidecar(t, {
    discovery: { dns: { hostsFile: join(directory, 'hosts'), resolvConf: join(directory, 'resolv.conf') } },
    destinations: [{ match: `${HOST}:80`, to, ...entry }],
    ...settings,
  });
}

/** Sends `count` requests one after the other. @returns how often each answer came */
async function ask(t: Test, sidecar: Sidecar, count: number, url = `http://${HOST}/`): Promise<Record<string, number>> {
  const client = await rawClient(t, sidecar.port);
  const bodies: Record<string, number> = {};
  for (let sent = 0; sent < count; sent++) {
    const before = client.received.length;
    client.write(`GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`);
    await client.until(({ received }) => /\r\n\r\n..$/.test(received.slice(before)));
    const body = client.received.slice(-2);
    bodies[body] = (bodies[body] ?? 0) + 1;
  }
  client.socket.destroy();
  return bodies;
}

const stats = (sidecar: Sidecar) => {
  const found = sidecar.app.destinations().find(({ name }) => name === `${HOST}:80`);
  if (found === undefined) throw new Error('no such destination');
  return found;
};

t.test('requests go to another host and port, and say what the app says', async (t) => {
  const origin = await named(t, 'origin');
  const sidecar = await start(t, `old.test:${origin.port}`);
  t.same(await ask(t, sidecar, 3), { or: 3 });
  t.same(heads(await origin.connection(0))[0], ['GET / HTTP/1.1', `Host: ${HOST}`]);
  t.equal(origin.connections.length, 1, 'on one connection');
  const [endpoint] = stats(sidecar).endpoints;
  t.equal(endpoint?.id, `old.test:${origin.port}/127.0.0.1:${origin.port}`);
});

t.test('TLS is made with the name that the app uses', async (t) => {
  const origin = await tlsAnswering(t, await authority.issue('server', { names: [HOST] }));
  const directory = t.testdir({ 'ca.pem': authority.cert });
  const sidecar = await startSidecar(t, {
    destinations: [{ match: `${HOST}:443`, to: `127.0.0.1:${origin.port}`, tls: { ca: join(directory, 'ca.pem') } }],
  });
  const client = await rawClient(t, sidecar.port);
  client.write(`GET https://${HOST}/ HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  await client.untilReceived('connection 0');
  const connection = await origin.connection(0);
  t.equal(connection.socket.servername, HOST);
  t.match(connection.received, `Host: ${HOST}`);
});

t.test('a CONNECT goes there too', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.write('hello'));
  const sidecar = await start(t, [], {}, { destinations: [{ match: `${HOST}:443`, to: `old.test:${origin.port}` }] });
  const client = await rawClient(t, sidecar.port);
  client.write(`CONNECT ${HOST}:443 HTTP/1.1\r\nHost: ${HOST}:443\r\n\r\n`);
  await client.untilReceived('hello');
  t.match(client.received, /^HTTP\/1\.1 200 /);
});

t.test('of several targets each gets as many requests as its weight says', async (t) => {
  const [old, fresh] = [await named(t, 'old'), await named(t, 'new')];
  const sidecar = await start(t, [
    { host: `old.test:${old.port}`, weight: 9 },
    { host: `new.test:${fresh.port}`, weight: 1 },
  ]);
  await ask(t, sidecar, 10);
  t.same(await ask(t, sidecar, 50), { ol: 45, ne: 5 });
  t.equal(stats(sidecar).endpoints.length, 2);
  t.equal(old.connections.length + fresh.connections.length, 2);
});

t.test('a reload of weights cuts no connection, and applies to the next request', async (t) => {
  const [old, fresh] = [await named(t, 'old'), await named(t, 'new')];
  const targets = (weights: readonly [number, number]) => [
    { host: `old.test:${old.port}`, weight: weights[0] },
    { host: `new.test:${fresh.port}`, weight: weights[1] },
  ];
  const sidecar = await start(t, targets([1, 1]));
  await ask(t, sidecar, 10);
  await reload(sidecar, { destinations: [{ match: `${HOST}:80`, to: targets([4, 1]) }] });
  t.same(await ask(t, sidecar, 20), { ol: 16, ne: 4 });
  t.equal(old.connections.length + fresh.connections.length, 2, 'the same connections');
  t.equal(old.connections[0]?.ended, false);
});

t.test('a target of weight 0, or that a reload leaves out, is drained: what runs there ends in order', async (t) => {
  const old = await rawOrigin(t);
  const fresh = await named(t, 'new');
  const both = (weight: number) => [
    { host: `old.test:${old.port}`, weight },
    { host: `new.test:${fresh.port}`, weight: 1 - weight },
  ];
  const sidecar = await start(t, both(1));
  const client = await rawClient(t, sidecar.port);
  client.write(`GET http://${HOST}/slow HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  const running = await old.connection(0);
  await running.untilReceived('\r\n\r\n');
  t.equal(fresh.connections.length, 0, 'nothing goes to a target of weight 0');
  t.equal(stats(sidecar).endpoints.length, 1);
  await reload(sidecar, { destinations: [{ match: `${HOST}:80`, to: both(0) }] });
  t.same(await ask(t, sidecar, 5), { ne: 5 });
  running.write(OK);
  await client.untilReceived('ok');
  await running.until(({ ended }) => ended);
  await eventually(() => stats(sidecar).endpoints.length === 1);
  t.equal(stats(sidecar).endpoints[0]?.id, `new.test:${fresh.port}/127.0.0.1:${fresh.port}`);
});

t.test('with and without `to`, a destination is another one', async (t) => {
  const [own, other] = [await named(t, 'own'), await named(t, 'else')];
  const match = `${HOST}:${own.port}`;
  const sidecar = await start(t, [], {}, { destinations: [{ match, to: `new.test:${other.port}` }] });
  const url = `http://${match}/`;
  t.same(await ask(t, sidecar, 2, url), { el: 2 });
  await reload(sidecar, { destinations: [{ match }] });
  t.same(await ask(t, sidecar, 2, url), { ow: 2 });
  await reload(sidecar, { destinations: [{ match, to: `new.test:${other.port}` }] });
  t.same(await ask(t, sidecar, 2, url), { el: 2 });
});

t.test('a target of which nothing is known yet gives its share to the others', async (t) => {
  const origin = await named(t, 'new');
  // The nameserver of this test does not answer.
  const sidecar = await start(t, [
    { host: `127.0.0.1:${origin.port}`, weight: 1 },
    { host: 'gone.test:80', weight: 9 },
  ]);
  t.same(await ask(t, sidecar, 10), { ne: 10 });
  t.equal(stats(sidecar).discovery.state, 'ready');
});

t.test('a target whose connects fail gives its share to the others, and no request fails', async (t) => {
  const origin = await named(t, 'new');
  const dead = await rawOrigin(t, ({ socket }) => socket.resetAndDestroy());
  const sidecar = await start(
    t,
    [
      { host: `old.test:${dead.port}`, weight: 1 },
      { host: `new.test:${origin.port}`, weight: 1 },
    ],
    { breaker: { failures: 1 } },
  );
  t.same(await ask(t, sidecar, 20), { ne: 20 });
});

t.test('an address that `to` names is allowed by being written; what a name there leads to is not', async (t) => {
  const origin = await named(t, 'origin');
  const strict = { security: { allowAddresses: [] } };
  const written = await start(t, `127.0.0.1:${origin.port}`, {}, strict);
  t.same(await ask(t, written, 1), { or: 1 });
  const byName = await start(t, `old.test:${origin.port}`, {}, strict);
  const client = await rawClient(t, byName.port);
  client.write(`GET http://${HOST}/ HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`);
  await client.until(({ ended }) => ended);
  checkError(t, client.received, { status: 403, code: 'DESTINATION_DENIED', error: 'destination_ip_prohibited' });
});

t.test('a target that is carpool itself is a loop', async (t) => {
  const sidecar = await start(t, '127.0.0.1:1');
  await reload(sidecar, { destinations: [{ match: `${HOST}:80`, to: `127.0.0.1:${sidecar.port}` }] });
  const client = await rawClient(t, sidecar.port);
  client.write(`GET http://${HOST}/ HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`);
  await client.until(({ ended }) => ended);
  checkError(t, client.received, { status: 508, code: 'LOOP', error: 'proxy_loop_detected' });
});

t.test('a reload that names another target moves all requests there, and the old connections close', async (t) => {
  const [one, two] = [await named(t, 'one'), await named(t, 'two')];
  const sidecar = await start(t, `127.0.0.1:${one.port}`);
  t.same(await ask(t, sidecar, 1), { on: 1 });
  await reload(sidecar, { destinations: [{ match: `${HOST}:80`, to: `127.0.0.1:${two.port}` }] });
  t.same(await ask(t, sidecar, 1), { tw: 1 });
  await one.connections[0]?.until(({ ended }) => ended);
  t.pass();
});
