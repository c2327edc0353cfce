import t, { type Test } from 'tap';
import { adviseOn } from '../../src/cli/advice.ts';
import type { LoadWindow } from '../../src/cli/load-window.ts';
import { healthyWindow, histogram } from './load-windows.ts';

const found = (window: LoadWindow) => adviseOn(window).findings;
/** These are found, and nothing else. */
function tells(t: Test, window: LoadWindow, findings: readonly object[], words = ''): void {
  const all = found(window);
  t.equal(all.length, findings.length, `${words} ${all.map(({ topic }) => topic).join(', ')}`);
  t.match(all, findings, words);
}
const map = (counts: Record<string, number>) => new Map(Object.entries(counts));

t.test('a paused destination, an open breaker and endpoints that are out are told', (t) => {
  tells(t, healthyWindow({ pool: { paused: true, pending: 7 } }), [
    { topic: 'paused', found: /7 requests wait/, advice: /carpool resume/ },
  ]);
  const refused = { errors: map({ CIRCUIT_OPEN: 40 }) };
  for (const [breaker, words] of [
    ['open', /^it is open; 40/],
    ['half_open', /^it is half open; 40/],
    ['closed', /^it is closed; 40/],
  ] as const)
    tells(t, healthyWindow({ pool: { breaker }, counted: refused }), [{ topic: 'circuit breaker', found: words }]);
  tells(t, healthyWindow({ pool: { breaker: 'open' } }), [{ topic: 'circuit breaker' }]);
  t.same(found(healthyWindow({ pool: { breaker: 'closed' } })), []);
  const out = ['a:1', 'b:1', 'c:1', 'd:1', 'e:1', 'f:1'];
  tells(t, healthyWindow({ pool: { out, endpoints: 12 } }), [
    { topic: 'endpoints out', found: '6 of 12 endpoints are out after failures: a:1, b:1, c:1, d:1, e:1 and 1 more' },
  ]);
  t.end();
});

t.test('connect errors over one in twenty are told by code, the most frequent first', (t) => {
  const counted = { created: 90, connectErrors: map({ ETIMEDOUT: 3, ECONNREFUSED: 7, EPIPE: 0 }), connectTimeouts: 3 };
  tells(t, healthyWindow({ counted }), [
    {
      topic: 'connect errors',
      found: '10 of 100 connection attempts failed (10 %): ECONNREFUSED 7, ETIMEDOUT 3',
      advice: /carpool doctor/,
    },
  ]);
  t.same(found(healthyWindow({ counted: { ...counted, created: 200 } })), []);
  t.same(found(healthyWindow({ counted: { created: 1, connectErrors: map({ ETIMEDOUT: 2 }) } })), [], 'two are chance');
  t.end();
});

t.test('the upstream’s own 5xx ask for further tries, and for a breaker where they are many', (t) => {
  const window = (failed: number, changes: Parameters<typeof healthyWindow>[0] = {}) =>
    healthyWindow({ ...changes, counted: { codes: map({ '2xx': 6000 - failed, '5xx': failed }), ...changes.counted } });
  tells(t, window(300), [
    {
      topic: 'errors of the upstream',
      found: '300 of 6000 answers were its own 5xx (5 %)',
      settings: { 'retry.attempts': 3, 'retry.statusCodes': [502, 503, 504] },
    },
  ]);
  t.match(found(window(3000))[0]?.settings, { 'breaker.destinationFailures': 20 });
  t.notOk(found(window(300))[0]?.settings['breaker.destinationFailures']);
  const retrying = { attempts: 3, statusCodes: [503], destinationFailures: 5 };
  const tried = window(3000, { policy: retrying, counted: { retries: map({ 'status_503 failure': 80 }) } });
  tells(t, tried, [{ found: /after 80 further tries$/, advice: /log of the upstream/, settings: {} }]);
  t.same(found(window(30)), [], 'half a percent is not worth it');
  const own = { errors: map({ CIRCUIT_OPEN: 300 }) };
  tells(t, window(300, { counted: own }), [{ topic: 'circuit breaker' }], 'what carpool answered is not its own');
  t.end();
});

t.test('429 that were seen ask for a rate limit below what was taken', (t) => {
  const counted = {
    codes: map({ '2xx': 540, '4xx': 60 }),
    retries: map({ 'status_429 failure': 40, 'status_429 success': 20 }),
  };
  tells(t, healthyWindow({ counted }), [
    {
      topic: 'refused by the upstream',
      found: '429 came back 60 times in 600 requests',
      settings: { 'rateLimit.requestsPerMinute': 486, 'rateLimit.exceeded': 'queue' },
    },
  ]);
  t.match(found(healthyWindow({ counted, policy: { requestsPerMinute: 100 } }))[0]?.settings, {
    'rateLimit.requestsPerMinute': 80,
  });
  t.end();
});

t.test('4xx of which nothing more is known ask for a look first', (t) => {
  const codes = map({ '2xx': 5000, '4xx': 1000 });
  tells(t, healthyWindow({ counted: { codes } }), [
    {
      topic: 'many 4xx',
      found: /1000 of 6000 .*16\.7 %/,
      advice: /accessLog.*requestsPerMinute 4500 with/,
      settings: {},
    },
  ]);
  const own = { codes, errors: map({ RATE_LIMITED: 990 }) };
  t.same(found(healthyWindow({ counted: own })), [], 'those that carpool refused do not count');
  t.end();
});

t.test('a rate limit that refuses is told with what the app asks for', (t) => {
  tells(t, healthyWindow({ counted: { rateRefused: 30, rateQueued: 4 }, policy: { requestsPerMinute: 3000 } }), [
    {
      topic: 'rate limit',
      found:
        '30 requests were refused and 4 queued: the app calls 6000 times a minute, rateLimit.requestsPerMinute is 3000',
      settings: { 'rateLimit.requestsPerMinute': 7200 },
    },
  ]);
  t.same(found(healthyWindow({ counted: { rateQueued: 4 } })), [], 'waiting for a turn is what was asked for');
  t.end();
});

t.test('a rate limit that refuses bursts is never to be lowered', (t) => {
  const bursts = {
    codes: map({ '2xx': 2, '4xx': 6 }),
    errors: map({ RATE_LIMITED: 6 }),
    rateRefused: 6,
    reused: 1,
    fresh: 1,
    duration: histogram({ count: 8, ms: 20 }),
  };
  const policy = { requestsPerMinute: 60, rateBurst: 2 };
  tells(t, healthyWindow({ seconds: 20, counted: bursts, policy }), [
    {
      topic: 'rate limit',
      found: /calls 24 times a minute, rateLimit\.requestsPerMinute is 60: .* bursts$/,
      advice: /exceeded: queue\), or raise rateLimit\.burst \(2\)/,
      settings: { 'rateLimit.exceeded': 'queue' },
    },
  ]);
  const queued = { ...policy, rateExceeded: 'queue' };
  const [only] = found(healthyWindow({ seconds: 20, counted: bursts, policy: queued }));
  t.match(only?.advice, /^Raise rateLimit\.burst \(2\) .* rateLimit\.maxWait/);
  t.same(only?.settings, {});
  const over = found(healthyWindow({ seconds: 5, counted: bursts, policy: queued }))[0];
  t.match(over, { advice: /^Set it to 116 if the upstream allows that\.$/ }, 'it queues already');
  t.same(found(healthyWindow({ counted: bursts })), [], 'a reload has taken the limit away');
  t.end();
});

t.test('a retry budget that is used up points at the upstream', (t) => {
  const retries = map({ 'status_503 budget': 12, 'response_timeout budget': 3 });
  tells(t, healthyWindow({ counted: { retries } }), [
    {
      topic: 'retry budget',
      found: /^15 further tries were not made: more than 20 %/,
      settings: { 'breaker.destinationFailures': 20 },
    },
  ]);
  t.same(found(healthyWindow({ counted: { retries }, policy: { destinationFailures: 9 } }))[0]?.settings, {});
  t.end();
});

t.test('requests sent again because of stale connections ask for a shorter idle time', (t) => {
  const window = (count: number, idleMs = 50_000) =>
    healthyWindow({
      pool: { idleMs },
      counted: { retries: map({ 'upstream_closed success': count, 'connect_failed success': 500 }) },
    });
  tells(t, window(60), [
    {
      topic: 'stale connections',
      found:
        '60 requests (1 %) were sent again because the upstream had closed or reset the connection; idle ones are kept 50 s (default)',
      settings: { 'pool.idleTimeout': '25s' },
    },
  ]);
  t.same(found(window(29)), [], 'carpool hides a few');
  t.same(found(window(60, 1000))[0]?.settings, {}, 'there is no shorter time to set');
  t.end();
});

t.test('writes that were lost ask for idempotency keys', (t) => {
  const counted = { retries: map({ 'upstream_reset not_allowed': 5 }) };
  tells(t, healthyWindow({ counted }), [{ found: /^5 failed/, settings: { 'retry.idempotencyKey': true } }]);
  tells(t, healthyWindow({ counted, policy: { idempotencyKey: true } }), [
    { advice: /Let the app send Idempotency-Key/, settings: {} },
  ]);
  t.same(found(healthyWindow({ counted: { ...counted, writes: 0 } })), []);
  t.end();
});

t.test('time-outs tell a slow upstream from one that hangs at times', (t) => {
  const late = { errors: map({ RESPONSE_TIMEOUT: 4 }) };
  tells(t, healthyWindow({ counted: late, policy: { responseMs: 10_000 } }), [
    { topic: 'response time-outs', advice: /hangs at times/, settings: { 'retry.attempts': 2 } },
  ]);
  const hangs = (policy: object) =>
    found(healthyWindow({ counted: late, policy: { responseMs: 10_000, ...policy } }))[0];
  const tried = hangs({ attempts: 3 });
  t.match(tried?.advice, /GETs have had their 3 tries/);
  t.same(tried?.settings, {}, 'what is set already is not advised');
  t.match(hangs({ attempts: 3, retryOn: ['reset'] }), {
    advice: /retry\.on: \[reset, timeout\]/,
    settings: { 'retry.on': ['reset', 'timeout'] },
  });
  const once = hangs({ attempts: 1 });
  t.match(once?.advice, /retry\.attempts is 1/);
  t.same(once?.settings, {});
  const slow = { ...late, duration: histogram({ count: 6000, ms: 4000 }) };
  tells(t, healthyWindow({ counted: slow, policy: { responseMs: 10_000 }, peakInUse: 400 }), [
    { advice: /slow on the whole/, settings: { 'timeouts.response': '20s' } },
  ]);
  tells(t, healthyWindow({ counted: { errors: map({ DEADLINE: 4 }) }, policy: { totalMs: 2000 } }), [
    { topic: 'deadlines', found: /longer than timeouts\.total \(2000 ms\) or the time/ },
  ]);
  t.end();
});

t.test('a time-out that the slowest requests come near is raised before it strikes', (t) => {
  const duration = histogram({ count: 5900, ms: 20 }, { count: 100, ms: 4000 });
  const window = (responseMs: number, totalMs = 0) =>
    healthyWindow({ counted: { duration }, policy: { responseMs, totalMs } });
  tells(t, window(5000), [{ topic: 'time-outs near', settings: { 'timeouts.response': /^\d+s$/ } }]);
  tells(t, window(60_000, 5000), [{ topic: 'time-outs near', settings: { 'timeouts.total': /^\d+s$/ } }]);
  t.same(found(window(60_000)), []);
  t.end();
});

t.test('other errors of carpool’s own are told with their hint', (t) => {
  tells(t, healthyWindow({ counted: { errors: map({ NO_ROUTE: 12, DNS_TIMEOUT: 30, SOMETHING_NEW: 1 }) } }), [
    {
      topic: "carpool's own errors",
      found: 'DNS_TIMEOUT 30 (0.5/s), NO_ROUTE 12 (0.2/s), SOMETHING_NEW 1 (0.02/s)',
      advice: /nameservers/,
    },
  ]);
  t.same(found(healthyWindow({ counted: { errors: map({ DOWNSTREAM_ABORTED: 500 }) } })), [], 'the app may leave');
  t.end();
});
