import { once } from 'node:events';
import { createServer } from 'node:http';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { refusingPort } from '../pool/pool-fixture.ts';
import { rawClient, rawOrigin } from '../raw-origin.ts';
import { type Relay, startRelay } from '../relay/relay-fixture.ts';
import { isWhole } from '../relay/tls-fixture.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { codesOf, findingOf, pass, statusOf } from './findings-fixture.ts';

/** Sends so many GETs to this authority, one after the other. */
async function get(t: Test, sidecar: Sidecar, authority: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const client = await rawClient(t, sidecar.port);
    client.write(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
    await client.until(({ received }) => isWhole(received));
  }
}

/** A relay whose origin answers each request at once with this. */
function answering(t: Test, answer: string, settings: Record<string, unknown> = {}): Promise<Relay> {
  return startRelay(t, settings, ({ socket }) => {
    socket.on('data', () => socket.write(`HTTP/1.1 ${answer}\r\nContent-Length: 0\r\n\r\n`));
  });
}

t.test('a well sidecar under load has nothing to complain of', async (t) => {
  const relay = await answering(t, '200 OK');
  for (let second = 0; second < 130; second++) {
    if (second % 5 === 0) await get(t, relay, relay.target, 15);
    pass(relay, 1);
    if (second % 30 === 29) t.same(await codesOf(relay), []);
  }
});

t.test('an endpoint that takes no connections is told for as long as none has worked', async (t) => {
  const target = `127.0.0.1:${await refusingPort()}`;
  const sidecar = await startSidecar(t);
  await get(t, sidecar, target, 2);
  const one = await findingOf(sidecar, 'connects_failing');
  t.equal(one.severity, 'warning', 'two may be chance');
  t.match(one.title, new RegExp(`^Endpoint ${target} takes no connections: the last \\d connects failed$`));
  await get(t, sidecar, target, 2);
  const finding = await findingOf(sidecar, 'connects_failing');
  t.equal(finding.destination, target);
  t.match(finding.title, '4 requests got no connection');
  t.match(finding.detail, 'ECONNREFUSED');
  t.match(finding.remedies[0], /listens on this port/);
  t.equal(finding.lines[0], `carpool doctor ${target}`);
  t.equal(finding.severity, 'error');
  const { detail } = await statusOf(sidecar, target);
  t.ok((detail?.endpoints[0]?.consecutiveFailures ?? 0) >= 4, 'connects are failures');
  for (let second = 0; second < 200; second++) {
    sidecar.clock.advance(1000);
    if (second % 20 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const later = await findingOf(sidecar, 'connects_failing');
  t.equal(later.severity, 'warning', 'no request came for a minute');
  t.match(later.title, /takes no connections: the last \d+ connects failed/);
  t.match(later.detail, /ECONNREFUSED.* None has worked since\./);
});

t.test('once a connect has worked the endpoint is well, and has no failures', async (t) => {
  const port = await refusingPort();
  const target = `127.0.0.1:${port}`;
  const sidecar = await startSidecar(t);
  await get(t, sidecar, target, 1);
  t.same(await codesOf(sidecar), ['connects_failing']);
  const server = createServer((_, response) => response.end()).listen(port, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  await get(t, sidecar, target, 1);
  t.same(await codesOf(sidecar), []);
  t.equal((await statusOf(sidecar, target)).detail?.endpoints[0]?.consecutiveFailures, 0);
});

t.test('errors of the upstream are told as its own', async (t) => {
  const relay = await answering(t, '503 Service Unavailable');
  await get(t, relay, relay.target, 30);
  pass(relay, 2);
  const finding = await findingOf(relay, 'errors_high');
  t.match(finding.title, '100 % of the requests');
  t.match(finding.detail, /The upstream itself answers 5xx/);
});

t.test('where carpool’s own errors are why requests fail, the last of them is told', async (t) => {
  const relay = await startRelay(t, {}, ({ socket }) => {
    socket.on('data', () => socket.end('HTTP/9 what\r\n\r\n'));
  });
  await get(t, relay, relay.target, 30);
  pass(relay, 2);
  const finding = await findingOf(relay, 'errors_high');
  t.match(finding.detail, /carpool answered UPSTREAM_PROTOCOL \(30\)\. The last: /);
});

t.test('an open breaker is told, and not once more as errors', async (t) => {
  const target = `127.0.0.1:${await refusingPort()}`;
  const sidecar = await startSidecar(t, { defaults: { breaker: { destinationFailures: 5 } } });
  await get(t, sidecar, target, 30);
  pass(sidecar, 2);
  const codes = await codesOf(sidecar);
  t.equal(codes[0], 'breaker_open');
  t.notOk(codes.includes('errors_high'));
  t.match((await findingOf(sidecar, 'breaker_open')).title, /The circuit breaker is open: \d+ requests answered 503/);
});

t.test('a rate limit that refuses is told, with both ways out', async (t) => {
  const relay = await answering(t, '200 OK', { defaults: { rateLimit: { requestsPerMinute: 6 } } });
  await get(t, relay, relay.target, 20);
  pass(relay, 2);
  const finding = await findingOf(relay, 'rate_limited');
  t.match(finding.title, /1\d requests over the rate limit of 6 a minute/);
  t.same(parse(finding.lines[0] ?? ''), {
    destinations: [{ match: relay.target, rateLimit: { exceeded: 'queue' } }],
  });
});

t.test('a TLS handshake that fails is told with its reason', async (t) => {
  const origin = await rawOrigin(t, ({ socket }) => {
    socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'));
  });
  const target = `127.0.0.1:${origin.port}`;
  const sidecar = await startSidecar(t, { destinations: [{ match: target, tls: { originate: true } }] });
  await get(t, sidecar, target, 1);
  const finding = await findingOf(sidecar, 'tls_failing');
  t.equal(finding.destination, target);
  t.match(finding.title, '1 request got no TLS connection');
  t.not(finding.detail, '');
});

t.test('a name that DNS does not know is told for ten minutes; a short one with its namespace', async (t) => {
  const sidecar = await startSidecar(t, { discovery: { dns: { resolvConf: '/dev/null', hostsFile: '/dev/null' } } });
  await get(t, sidecar, 'a..b:80', 1);
  const finding = await findingOf(sidecar, 'no_route');
  t.match(finding.title, 'is not known to DNS: 1 request failed');
  pass(sidecar, 620);
  t.same(await codesOf(sidecar), []);
});
