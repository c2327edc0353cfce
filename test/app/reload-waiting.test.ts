import t from 'tap';
import { call } from '../admin/call.ts';
import { DnsFixture } from '../discovery/dns-fixture.ts';
import { addressesFor } from '../discovery/dns-server.ts';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { reload, startSidecar } from '../sidecar.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

t.test('a request that waits for a connection is served although a reload makes its destination anew', async (t) => {
  const origin = await rawOrigin(t);
  const endpoints = [`127.0.0.1:${origin.port}`];
  const sidecar = await startSidecar(t, {
    destinations: [{ match: 'shop.demo:80', endpoints, pool: { maxConnections: 1 } }],
  });
  const request = (path: string) => `GET http://shop.demo${path} HTTP/1.1\r\nHost: shop.demo\r\n\r\n`;
  const first = await rawClient(t, sidecar.port);
  first.write(request('/first'));
  const upstream = await origin.connection(0);
  await upstream.untilReceived('/first');
  const second = await rawClient(t, sidecar.port);
  second.write(request('/second'));
  while (sidecar.app.destinations()[0]?.pending !== 1) await new Promise((resolve) => setImmediate(resolve));
  await reload(sidecar, { destinations: [] });
  upstream.write(OK);
  await first.untilReceived('ok');
  const other = await origin.connection(1);
  await other.untilReceived('/second');
  other.write(OK);
  await second.untilReceived('ok');
  t.match(second.received, /^HTTP\/1\.1 200 OK/);
  await other.until(({ ended }) => ended);
  t.pass('the pool that was given up keeps no connection');
});

t.test(
  'a request that waits for the first DNS answer is served although a reload makes its destination anew',
  async (t) => {
    const origin = await rawOrigin(t);
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const asked: string[] = [];
    const dns = await DnsFixture.start(t, async (question) => {
      asked.push(question.name);
      await released;
      return addressesFor(question, ['127.0.0.1']);
    });
    const { hostsFile, resolvConf } = dns;
    const match = `shop.demo:${origin.port}`;
    const sidecar = await startSidecar(t, {
      discovery: { dns: { hostsFile, resolvConf } },
      destinations: [{ match, vanished: 'keep' }],
    });
    const client = await rawClient(t, sidecar.port);
    client.write(`GET http://${match}/waits HTTP/1.1\r\nHost: ${match}\r\n\r\n`);
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await reload(sidecar, { destinations: [] });
    release();
    const upstream = await origin.connection(0);
    await upstream.untilReceived('/waits');
    upstream.write(OK);
    await client.untilReceived('ok');
    await upstream.until(({ ended }) => ended);
    const questions = () => asked.filter((name) => name === 'shop.demo').length;
    const before = questions();
    sidecar.clock.advance(120_000);
    client.write(`GET http://other.demo:${origin.port}/ HTTP/1.1\r\nHost: other.demo:${origin.port}\r\n\r\n`);
    await (await origin.connection(1)).untilReceived('other.demo');
    t.equal(questions(), before, 'nobody asks for the name any more');
  },
);

t.test(
  'a request whose connection is being opened is served although a reload makes its destination anew',
  async (t) => {
    const origin = await rawOrigin(t);
    const authority = `127.0.0.1:${origin.port}`;
    const sidecar = await startSidecar(t);
    const client = await rawClient(t, sidecar.port);
    client.write(`GET http://${authority}/dials HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    while (sidecar.app.destinations()[0]?.connecting !== 1) await new Promise((resolve) => setImmediate(resolve));
    await reload(sidecar, { destinations: [{ match: authority }] });
    const upstream = await origin.connection(0);
    await upstream.untilReceived('/dials');
    upstream.write(OK);
    await client.untilReceived('ok');
    await upstream.until(({ ended }) => ended);
  },
);

t.test('a response that is under way comes to its end although a reload makes its destination anew', async (t) => {
  const origin = await rawOrigin(t);
  const authority = `127.0.0.1:${origin.port}`;
  const sidecar = await startSidecar(t);
  const client = await rawClient(t, sidecar.port);
  client.write(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const upstream = await origin.connection(0);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc');
  await client.untilReceived('abc');
  await reload(sidecar, { destinations: [{ match: authority, name: 'shop' }] });
  upstream.write('def');
  await client.untilReceived('abcdef');
  await upstream.until(({ ended }) => ended);
  client.write(`GET http://${authority}/next HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const next = await origin.connection(1);
  await next.untilReceived('/next');
  next.write(OK);
  await client.untilReceived('ok');
  const { body } = await call({ port: sidecar.operatorPort }, '/metrics');
  const before = `carpool_requests_total\\{.*code_class="2xx".*destination="${authority}"\\} 1$`;
  t.match(body, new RegExp(`^${before}`, 'm'), 'the exchange that outlived its destination is counted');
  t.match(
    body,
    /^carpool_requests_total\{.*code_class="2xx".*destination="shop"\} 1$/m,
    'its new label counts from here',
  );
});

t.test('security.allowAddresses of a reload counts for destinations that are in use already, both ways', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.socket.on('data', () => connection.write(OK)));
  const authority = `127.0.0.1:${origin.port}`;
  const sidecar = await startSidecar(t, { security: { allowAddresses: ['127.0.0.2'] } });
  const client = await rawClient(t, sidecar.port);
  const ask = async (status: string) => {
    const before = client.received.length;
    client.write(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(({ received }) => /\r\n\r\n(ok|\{.*\n)$/.test(received.slice(before)));
    t.match(client.received.slice(before), status);
  };
  await ask('HTTP/1.1 403 Forbidden');
  await reload(sidecar, { security: { allowAddresses: ['127.0.0.0/8'] } });
  await ask('HTTP/1.1 200 OK');
  await reload(sidecar, { security: { allowAddresses: [] } });
  await ask('HTTP/1.1 403 Forbidden');
});

t.test('what is said to apply at once does, and what is said to need a restart waits for it', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.socket.on('data', () => connection.write(OK)));
  const sidecar = await startSidecar(t);
  const originForm = async () => {
    const client = await rawClient(t, sidecar.port);
    client.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${origin.port}\r\n\r\n`);
    await client.untilReceived('\r\n\r\n');
    return client.received.slice(0, 12);
  };
  t.equal(await originForm(), 'HTTP/1.1 400');
  const lines = await reload(sidecar, { listener: { port: 0, originForm: 'route', maxHeadBytes: '1KiB' } });
  t.strictSame(lines, [
    'applies at once: listener.originForm: refuse → route',
    'needs a restart: listener.maxHeadBytes: 64KiB → 1KiB',
  ]);
  t.equal(await originForm(), 'HTTP/1.1 200');
  const client = await rawClient(t, sidecar.port);
  const authority = `127.0.0.1:${origin.port}`;
  client.write(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nX-Long: ${'x'.repeat(2000)}\r\n\r\n`);
  await client.untilReceived('200 OK');
});
