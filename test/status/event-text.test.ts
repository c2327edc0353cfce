import t from 'tap';
import { type CarpoolEvent, CLOSE_REASONS } from '../../src/observer.ts';
import { eventRow } from '../../src/status/event-text.ts';

const row = (event: CarpoolEvent, count = 1) => eventRow({ sequence: 7, time: 1000, event, count });

t.test('a connection that ended says how old it was, what it carried, and why', (t) => {
  const closed = row({
    type: 'connection_closed',
    destination: 'a:80',
    endpoint: '10.0.0.1:80',
    reason: 'max_age',
    ageMs: 300_400,
    requests: 1,
  });
  t.same(closed, {
    sequence: 7,
    time: 1000,
    type: 'connection_closed',
    severity: 'info',
    destination: 'a:80',
    endpoint: '10.0.0.1:80',
    reason: 'max_age',
    count: 1,
    text: 'Connection to 10.0.0.1:80 closed after 5m and 1 request: it reached pool.maxAge.',
  });
  t.end();
});

t.test('every reason has words of its own', (t) => {
  const texts = CLOSE_REASONS.map(
    (reason) =>
      row({ type: 'connection_closed', destination: 'a:80', endpoint: 'e', reason, ageMs: 5, requests: 2 }).text,
  );
  t.equal(new Set(texts).size, CLOSE_REASONS.length);
  for (const text of texts) t.match(text, /^Connection to e closed after 5ms and 2 requests: [a-z].*[a-z)]\.$/);
  t.end();
});

const destination = 'shop:80';
const endpoint = '10.0.0.1:80';
const EXAMPLES: readonly [CarpoolEvent, RegExp, string][] = [
  [
    { type: 'connect_failed', destination, endpoint, code: 'ECONNREFUSED', message: 'connection refused' },
    /^Cannot connect to 10\.0\.0\.1:80 \(ECONNREFUSED\): connection refused\.$/,
    'warning',
  ],
  [{ type: 'endpoint_added', destination, endpoint }, /new endpoint/, 'info'],
  [{ type: 'endpoint_unready', destination, endpoint }, /not ready/, 'warning'],
  [
    { type: 'endpoint_ejected', destination, endpoint, forMs: 30_000, cause: '5 failures in a row' },
    /left alone for 30s: 5 failures in a row\.$/,
    'warning',
  ],
  [{ type: 'breaker_opened', destination, forMs: 5000, cause: '503' }, /open for 5s/, 'error'],
  [{ type: 'limit_scaled', destination, from: 10, to: 20, utilization: 0.85 }, /10 → 20 \(85 % in use\)/, 'info'],
  [
    { type: 'pool_strained', destination, signal: 'errors', value: 0.5, threshold: 0.1, hint: 'Look.' },
    /^50 % of the requests of the last minute failed \(over 10 %\)\. Look\.$/,
    'warning',
  ],
  [{ type: 'pool_relieved', destination, signal: 'pending' }, /well again/, 'info'],
  [
    { type: 'fleet_share', destination, share: 10, budget: 30, peers: 3 },
    /10 of 30 connections, among 3 sidecars/,
    'info',
  ],
  [
    { type: 'config_applied', lines: 3, first: 'applies at once: x: 1 → 2' },
    /x: 1 → 2\. \(2 more in the log\.\)$/,
    'info',
  ],
  [
    { type: 'config_refused', lines: 1, first: 'no such setting' },
    /refused, the last good one stays: no such/,
    'error',
  ],
];

t.test('what happened and why is one sentence, with how bad it is', (t) => {
  for (const [event, words, severity] of EXAMPLES) {
    const { text, severity: shown } = row(event);
    t.match(text, words, event.type);
    t.equal(shown, severity, event.type);
  }
  t.end();
});

t.test('what is of no destination has none', (t) => {
  const failover = row({ type: 'fleet_failover', coordinator: 'redis', message: 'no answer' });
  t.match(failover, { destination: null, endpoint: null, reason: null, severity: 'warning' });
  t.match(failover.text, /\(redis\) does not answer, and the even share is used: no answer\.$/);
  t.end();
});

t.test('one row may stand for many', (t) => {
  const failed = row({ type: 'connect_failed', destination, endpoint, code: 'E', message: 'm' }, 40);
  t.equal(failed.count, 40);
  t.end();
});

t.test('a row that others were joined into says since when', (t) => {
  const event = { type: 'connect_failed', destination, endpoint, code: 'E', message: 'm' } as const;
  const joined = eventRow({ sequence: 9, time: 1_020_000, event, count: 102, joined: { first: 3, since: 0 } });
  t.match(joined, { sequence: 9, first: 3, count: 102 });
  t.match(joined.text, /m\. The first of them was 17m before\.$/);
  t.end();
});

t.test('what a health check closed need not have been pinged', (t) => {
  const closed = row({
    type: 'connection_closed',
    destination,
    endpoint,
    reason: 'health_check',
    ageMs: 5,
    requests: 2,
  });
  t.match(closed.text, /its endpoint failed its health checks, or it did not answer a ping\.$/);
  t.end();
});
