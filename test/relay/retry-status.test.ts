import t, { type Test } from 'tap';
import type { OriginConnection } from '../raw-origin.ts';
import { eventually, type Relay, startRelay, useOnce } from './relay-fixture.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const answerOf = (status: number, fields = '', body = 'no'): string =>
  `HTTP/1.1 ${status} Not Now\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;

const POLICY = { attempts: 3, backoffBase: '1s', statusCodes: [503], unsafeStatuses: [429, 529] };

const start = (t: Test, policy: Record<string, unknown> = {}, rest: Record<string, unknown> = {}): Promise<Relay> =>
  startRelay(t, { defaults: { retry: { ...POLICY, ...policy }, ...rest } });

/** The sidecar has read an answer and waits: nothing is under way any more. */
const waits = (relay: Relay): Promise<void> => eventually(() => relay.stats().active === 0);

/** Sends a request; waits for it at the origin's connection number `index`, after `before` bytes; answers it. */
async function ask(relay: Relay, client: OriginConnection, request: string, answer: string): Promise<OriginConnection> {
  client.write(request);
  const upstream = await relay.origin.connection(0);
  await upstream.until(({ received }) => received.endsWith(request.slice(request.indexOf('\r\n\r\n'))));
  upstream.write(answer);
  return upstream;
}

t.test('a status that policy names: the request is sent again after its wait, over the same connection', async (t) => {
  const relay = await start(t);
  const client = await relay.client();
  const upstream = await ask(relay, client, relay.head('GET', '/a'), answerOf(503));
  await waits(relay);
  t.equal(relay.stats().idle, 1, 'what was left of the answer was read, and the connection is anybody’s');
  relay.clock.advance(499);
  t.equal(relay.stats().active, 0, 'not before half of the time');
  relay.clock.advance(501);
  t.equal(relay.stats().active, 1);
  await upstream.until(({ received }) => received.split('GET /a ').length === 3);
  upstream.write(OK);
  await client.untilReceived('ok');
  t.equal(client.received, OK, 'the app sees the last answer alone');
  t.equal(relay.origin.connections.length, 1);
  t.equal(await relay.metric('retries_total', 'reason="status_503"', 'outcome="success"'), 1);
  t.equal(await relay.metric('requests_total', 'code_class="5xx"'), 0);
});

t.test('the answer to the last try is passed on as it is', async (t) => {
  const relay = await start(t, { attempts: 2 });
  const client = await relay.client();
  const upstream = await ask(relay, client, relay.head('GET', '/a'), answerOf(503, 'X-Try: 1\r\n', 'first'));
  await waits(relay);
  relay.clock.advance(1000);
  await upstream.until(({ received }) => received.split('GET /a ').length === 3);
  const last = answerOf(503, 'X-Try: 2\r\n', 'second');
  upstream.write(last);
  await client.untilReceived('second');
  t.equal(client.received, last);
  t.equal(await relay.metric('retries_total', 'reason="status_503"', 'outcome="failure"'), 1);
  t.equal(await relay.metric('errors_total'), 0);
});

for (const [method, status, fields, again] of [
  ['GET', 503, '', true],
  ['HEAD', 503, '', true],
  ['PUT', 503, '', true],
  ['GET', 502, '', false],
  ['GET', 529, '', false],
  ['GET', 529, 'Retry-After: 1\r\n', true],
  ['POST', 503, '', false],
  ['POST', 503, 'Retry-After: 1\r\n', false],
  ['POST', 429, '', true],
  ['PATCH', 429, 'Retry-After: nonsense\r\n', true],
  ['POST', 529, '', false],
  ['POST', 529, 'Retry-After: 1\r\n', true],
  ['POST', 529, 'Retry-After: -1\r\n', false],
] as const) {
  t.test(`${method} ${status} ${fields.trim()}: ${again ? 'sent again' : 'passed on'}`, async (t) => {
    const relay = await start(t);
    const client = await relay.client();
    const body = method === 'GET' || method === 'HEAD' ? '' : 'abc';
    const request = `${relay.head(method, '/a', body === '' ? '' : 'Content-Length: 3\r\n')}${body}`;
    const answer = method === 'HEAD' ? answerOf(status, fields).slice(0, -2) : answerOf(status, fields);
    const upstream = await ask(relay, client, request, answer);
    if (!again) {
      await client.until(({ received }) => received === answer);
      t.equal(await relay.metric('retries_total'), 0);
      return;
    }
    await waits(relay);
    relay.clock.advance(1000);
    const count = (text: string): number => text.split(`${method} /a `).length - 1;
    await upstream.until(({ received }) => count(received) === 2 && received.endsWith(`\r\n\r\n${body}`));
    t.equal(client.received, '');
  });
}

t.test('Retry-After makes the wait longer, never shorter', async (t) => {
  for (const [retryAfter, before, at] of [
    ['5', 4999, 5000],
    ['Thu, 01 Jan 2026 00:00:05 GMT', 3999, 5000],
    ['0', 499, 1000],
    ['Mon, 01 Jan 1990 00:00:00 GMT', 499, 1000],
  ] as const) {
    const relay = await start(t);
    const client = await relay.client();
    await ask(relay, client, relay.head('GET', '/a'), answerOf(503, `Retry-After: ${retryAfter}\r\n`));
    await waits(relay);
    relay.clock.advance(before);
    t.equal(relay.stats().active, 0, retryAfter);
    relay.clock.advance(at - before);
    t.equal(relay.stats().active, 1, retryAfter);
  }
});

t.test('a Retry-After over backoffMax is for the app to know: the answer is passed on', async (t) => {
  for (const retryAfter of ['61', '99999999999999999999', 'Sat, 01 Jan 2028 00:00:00 GMT']) {
    const relay = await start(t);
    const client = await relay.client();
    const answer = answerOf(503, `Retry-After: ${retryAfter}\r\n`);
    await ask(relay, client, relay.head('GET', '/a'), answer);
    await client.until(({ received }) => received === answer);
    t.equal(await relay.metric('retries_total'), 0);
  }
});

t.test('a wait that would end after the deadline is not begun: the answer is passed on', async (t) => {
  const relay = await start(t);
  const client = await relay.client();
  const answer = answerOf(503, 'Retry-After: 10\r\n');
  await ask(relay, client, relay.head('GET', '/a', 'X-Request-Timeout: 10\r\n'), answer);
  await client.until(({ received }) => received === answer);
  t.pass();
});

t.test('the deadline passes during the wait only where the next try takes too long', async (t) => {
  const relay = await start(t);
  const client = await relay.client();
  const request = relay.head('GET', '/a', 'X-Request-Timeout: 10\r\n');
  const upstream = await ask(relay, client, request, answerOf(503, 'Retry-After: 9\r\n'));
  await waits(relay);
  relay.clock.advance(9000);
  await upstream.until(({ received }) => received.split('GET /a ').length === 3);
  relay.clock.advance(1000);
  await client.untilReceived('DEADLINE');
  t.equal(relay.stats().active, 0);
});

t.test('an answer to half a request is passed on', async (t) => {
  const relay = await start(t);
  const client = await relay.client();
  client.write(`${relay.head('PUT', '/a', 'Content-Length: 6\r\n')}abc`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('abc');
  const answer = answerOf(503);
  upstream.write(answer);
  await client.until(({ received }) => received === answer);
  t.pass();
});

t.test('an answer is passed on where the request is not kept, and that is counted', async (t) => {
  const relay = await start(t, { replayBytes: 2 });
  const client = await relay.client();
  const answer = answerOf(503);
  await ask(relay, client, `${relay.head('PUT', '/a', 'Content-Length: 3\r\n')}abc`, answer);
  await client.until(({ received }) => received === answer);
  t.equal(await relay.metric('retries_total', 'reason="status_503"', 'outcome="not_allowed"'), 1);
});

t.test('an answer is passed on where the retry budget is used up', async (t) => {
  const relay = await start(t, { budget: 0, budgetMinimum: 1, attempts: 10 });
  const client = await relay.client();
  const upstream = await ask(relay, client, relay.head('GET', '/a'), answerOf(503, '', 'one'));
  await waits(relay);
  relay.clock.advance(1000);
  await upstream.until(({ received }) => received.split('GET /a ').length === 3);
  upstream.write(answerOf(503, '', 'two'));
  await client.until(({ received }) => received === answerOf(503, '', 'two'));
  t.equal(await relay.metric('retries_total', 'reason="status_503"', 'outcome="budget"'), 1);
});

t.test('a share of the requests: the budget follows budget and the requests of ten seconds', async (t) => {
  const relay = await start(t, { budget: 0.5, budgetMinimum: 0, backoffBase: 0, attempts: 2 });
  const client = await relay.client();
  const upstream = await useOnce(relay, client);
  const before = client.received.length;
  client.write(relay.head('GET', '/a'));
  await upstream.untilReceived('GET /a ');
  upstream.write(answerOf(503, '', 'one'));
  await waits(relay);
  relay.clock.advance(1);
  await upstream.until(({ received }) => received.split('GET /a ').length === 3);
  upstream.write(OK);
  await client.until(({ received }) => received.slice(before) === OK);
  client.write(relay.head('GET', '/b'));
  await upstream.untilReceived('GET /b ');
  upstream.write(answerOf(503, '', 'three requests, one retry'));
  await client.untilReceived('three requests, one retry');
  t.pass();
});

t.test('an app that leaves during the wait ends it', async (t) => {
  const relay = await start(t);
  const client = await relay.client();
  const upstream = await ask(relay, client, relay.head('GET', '/a'), answerOf(503));
  await waits(relay);
  const timers = relay.clock.waiting;
  client.socket.resetAndDestroy();
  await eventually(() => relay.app.process().exchanges === 0);
  t.equal(relay.clock.waiting, timers - 1);
  relay.clock.advance(5000);
  t.equal(relay.stats().active, 0);
  t.equal(upstream.received.split('GET /a ').length, 2);
  t.equal(await relay.metric('requests_total', 'code_class="none"'), 1, 'it had no answer');
});

t.test('each try counts in the evidence about its endpoint, also where it is not the last', async (t) => {
  const relay = await start(t, { attempts: 10 });
  const client = await relay.client();
  const upstream = await ask(relay, client, relay.head('GET', '/a'), answerOf(503));
  for (let attempt = 2; attempt <= 4; attempt++) {
    await waits(relay);
    relay.clock.advance(60_000);
    await upstream.until(({ received }) => received.split('GET /a ').length === attempt + 1);
    if (attempt < 4) upstream.write(answerOf(503));
  }
  const endpoint = relay.app.destinations()[0]?.endpoints[0];
  t.equal(endpoint?.consecutiveFailures, 3);
});
