import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import type { Timer } from '../../src/clock.ts';
import { call } from '../admin/call.ts';
import { portOf } from '../admin/port-of.ts';
import { startSidecar } from '../sidecar.ts';
import { TestClock } from '../test-clock.ts';
import { runCli } from './run-cli.ts';

/** A clock for the command: its pauses pass at once, after what the test does in them. */
class PausingClock extends TestClock {
  pauses = 0;
  during: (pause: number) => Promise<void> = () => Promise.resolve();

  override setTimer(callback: () => void, delayMs: number): Timer {
    if (delayMs > 1000) return super.setTimer(callback, delayMs);
    void this.during(++this.pauses).then(() => {
      this.advance(delayMs);
      callback();
    });
    return { cancel: () => {} };
  }
}

const SHOP = 'shop.demo:80';

/** A sidecar before an origin that answers when the test says so. */
async function setup(t: Test, pool: Record<string, unknown> = {}, entry: Record<string, unknown> = {}) {
  const held: ServerResponse[] = [];
  let hold = false;
  const origin = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    request.resume();
    if (hold) held.push(response);
    else response.end('ok');
  }).listen(0, '127.0.0.1');
  await once(origin, 'listening');
  t.teardown(() => {
    origin.close();
    origin.closeAllConnections();
  });
  const { port, operatorPort, clock } = await startSidecar(t, {
    destinations: [{ match: SHOP, endpoints: [`127.0.0.1:${portOf(origin)}`], pool, ...entry }],
  });
  const ask = () => call({ port }, 'http://shop.demo/', { headers: { host: 'shop.demo' } });
  const pools = async () => JSON.parse((await call({ port: operatorPort }, '/stats')).body).destinations[0];
  const advise = (argv: readonly string[], during?: PausingClock['during']) => {
    const commandClock = new PausingClock();
    if (during !== undefined) commandClock.during = during;
    const env = { CARPOOL_OPERATOR_URL: `http://127.0.0.1:${operatorPort}` };
    return runCli(['advise', ...argv], { env, clock: commandClock });
  };
  return {
    clock,
    ask,
    advise,
    pools,
    hold: () => {
      hold = true;
    },
    release: () => {
      hold = false;
      for (const response of held.splice(0)) response.end('ok');
    },
    held,
  };
}

t.test('a pool whose requests wait is found in a running sidecar, with what to set', async (t) => {
  const { ask, advise, hold, release, pools } = await setup(t, { maxConnections: 4 });
  hold();
  const asked = Array.from({ length: 7 }, ask);
  while ((await pools()).pending < 3 || (await pools()).active < 4);
  const during = async (pause: number) => {
    if (pause !== 2) return;
    release();
    await Promise.all(asked);
  };
  const { code, out } = await advise([SHOP, '--for', '5s'], during);
  t.equal(code, 0);
  t.match(out, /^shop\.demo:80, watched for 5 s:\n {2}7 requests \(1\.4\/s\)/);
  t.match(
    out,
    /\n\npool too small: 4 of 4 connections in use, 3 requests waiting\n {2}→ Set pool\.maxConnections to 10/,
  );
  t.match(out, /\n\ndestinations:\n {2}- match: shop\.demo:80\n {4}pool:\n {6}maxConnections: 10\n$/);
});

t.test('only what happens in the time counts', async (t) => {
  const { ask, advise } = await setup(t, { enabled: false });
  for (let count = 0; count < 30; count++) await ask();
  const during = async (pause: number) => {
    if (pause === 1) await ask();
  };
  const { out } = await advise([SHOP, '--for', '1s'], during);
  t.match(out, /\n {2}1 requests \(1\/s\)/);
  t.match(out, /\nNothing to change\.\n$/, 'one request is no low reuse');
  const since = await advise([SHOP, '--for', '0']);
  t.match(since.out, /^shop\.demo:80, since the start \d+ s ago:\n {2}31 requests/);
  t.match(since.out, /low reuse: 0 % of 31 requests .* pool\.enabled is false\n {2}→ Set pool\.enabled: true\./);
});

t.test('without traffic nothing is said to be well', async (t) => {
  const { ask, advise } = await setup(t);
  await ask();
  const { code, out } = await advise([SHOP, '--for', '1s']);
  t.equal(code, 0);
  t.match(out, /\n {2}no request ended\n\nWithout requests nothing can be told: .*--for 5m.*--for 0/);
  t.notMatch(out, 'Nothing to change');
});

t.test('what a rate limit and tries are set to is seen in the running sidecar', async (t) => {
  const { clock, ask, advise } = await setup(t, {}, { rateLimit: { requestsPerMinute: 60, burst: 2 } });
  for (let count = 0; count < 8; count++) await ask();
  clock.advance(60_000);
  const { out } = await advise([SHOP, '--for', '0']);
  t.match(out, /\nrate limit: 6 requests were refused .*\n {2}→ Let a burst wait .*rateLimit\.burst \(2\)/);
  t.match(out, /\n {4}rateLimit:\n {6}exceeded: queue\n$/);
});

t.test('json has the numbers, the findings and the settings', async (t) => {
  const { clock, ask, advise } = await setup(t, { maxRequests: 2 }, { name: 'shop' });
  for (let count = 0; count < 40; count++) await ask();
  clock.advance(100_000);
  const { code, out } = await advise([SHOP, '--for', '0', '-o', 'json']);
  t.equal(code, 0);
  t.match(JSON.parse(out), {
    destination: SHOP,
    label: 'shop',
    seconds: 100,
    evidence: [/^40 requests \(0\.4\/s\)/, /./, /./],
    findings: [{ topic: 'low reuse', found: /20 of 20 .* max_requests/, settings: { 'pool.maxRequests': 0 } }],
    yaml: 'destinations:\n  - match: shop.demo:80\n    pool:\n      maxRequests: 0\n',
  });
  t.match((await advise(['shop', '--for', '0'])).out, /^shop\.demo:80 \(counted as shop,/, 'the label names it too');
});

t.test('a destination that there is not, no sidecar and a wrong time are told', async (t) => {
  const { advise } = await setup(t);
  t.match(await advise(['nobody:1']), { code: 1, err: /no destination is called nobody:1\n.*host:port/ });
  t.match(await advise([]), { code: 64, err: /missing required argument/ });
  t.match(await advise([SHOP, '--for', '5']), { code: 64, err: /500ms, 30s, 2m/ });
  t.match(await advise([SHOP, '--url', 'http://127.0.0.1:1']), { code: 1, err: /nothing listens on/ });
});

t.test('a label that several destinations share is no name of one', async (t) => {
  const { advise } = await setup(t);
  const sidecar = await startSidecar(t, {
    destinations: [{ match: '*.demo:80', name: 'demos', endpoints: ['127.0.0.1:1'] }],
  });
  for (const host of ['a.demo', 'b.demo']) await call({ port: sidecar.port }, `http://${host}/`, { headers: { host } });
  const url = `http://127.0.0.1:${sidecar.operatorPort}`;
  t.match(await advise(['demos', '--url', url]), {
    code: 1,
    err: /2 destinations have the label demos: a\.demo:80, b\.demo:80\. Name one/,
  });
  const { out } = await advise(['a.demo:80', '--for', '0', '--url', url]);
  t.match(out, /^a\.demo:80 \(counted as demos, /);
});

t.test('what the app calls by https://, without an entry, is advised one that a sidecar takes', async (t) => {
  const { port, operatorPort } = await startSidecar(t, { defaults: { rateLimit: { requestsPerMinute: 1 } } });
  for (let count = 0; count < 4; count++)
    await call({ port }, 'https://127.0.0.1:1/', { headers: { host: '127.0.0.1:1' } });
  const env = { CARPOOL_OPERATOR_URL: `http://127.0.0.1:${operatorPort}` };
  const { out } = await runCli(['advise', 'https://127.0.0.1:1', '--for', '0', '-o', 'json'], { env });
  t.match(JSON.parse(out).yaml, /^destinations:\n {2}- match: 127\.0\.0\.1:1\n {4}rateLimit:/);
});
