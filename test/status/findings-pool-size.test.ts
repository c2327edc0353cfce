import t from 'tap';
import { findingsOf } from '../../src/status/findings/findings.ts';
import type { Finding } from '../../src/status/types.ts';
import { destinationSight, sight } from './made-sight.ts';

type Row = Parameters<typeof destinationSight>[0];

/** What is said of a pool whose connections are all in use. */
function exhausted(row: Row, changes: Parameters<typeof destinationSight>[1] = {}): Finding {
  const limit = row?.maxConnections ?? 100;
  const destination = destinationSight(
    { signals: ['utilization', 'pending'], ...row },
    { places: { counted: limit, taken: limit }, ...changes },
  );
  const finding = findingsOf(sight({ destinations: [destination] })).find(({ code }) => code === 'pool_exhausted');
  if (finding === undefined) throw new Error('it is not exhausted');
  return finding;
}

const advised = ({ remedies }: Finding): number => Number(/to (\d+) /.exec(remedies[0] ?? '')?.[1]);

t.test('what decided the limit is what is told: the load, by Little’s law', (t) => {
  const finding = exhausted({ maxConnections: 20, requestsPerSecond: 200, pending: 1 }, { serviceMs: 210 });
  t.match(finding.detail, 'By Little’s law the load needs 200 requests/s × 210 ms ÷ 1000 × 1.5 = 63 connections.');
  t.equal(advised(finding), 63);
  t.end();
});

t.test('what is in use and what waits, as far as one step goes', (t) => {
  const all = exhausted({ maxConnections: 20, requestsPerSecond: 10, pending: 25 }, { serviceMs: 210 });
  t.match(all.detail, 'What is in use and what waits now need 45 connections together.');
  t.equal(advised(all), 45);
  const step = exhausted({ maxConnections: 4, requestsPerSecond: 10, pending: 500 }, { serviceMs: 210 });
  t.match(step.detail, 'need 504 connections together; one step goes to 4 times the limit of 4.');
  t.equal(advised(step), 16);
  t.end();
});

t.test('half as much again, and the bounds of any pool', (t) => {
  const half = exhausted({ maxConnections: 20, requestsPerSecond: 10, pending: 1 }, { serviceMs: 210 });
  t.match(half.detail, 'Half as much again as 20 is 30');
  t.equal(advised(half), 30);
  const small = exhausted({ maxConnections: 2, requestsPerSecond: 18.1, pending: 18 }, { serviceMs: 211 });
  t.match(small.detail, 'need 20 connections together; one step goes to 4 times the limit of 2, and to 10 at least.');
  t.notMatch(small.detail, '=', 'no arithmetic that makes another number');
  const tiny = exhausted({ maxConnections: 2, requestsPerSecond: 18.1, pending: 3 }, { serviceMs: 211 });
  t.match(tiny.detail, 'What is seen needs at most 10 connections');
  t.equal(advised(small), 10);
  const large = exhausted({ maxConnections: 900, requestsPerSecond: 9000, pending: 1 }, { serviceMs: 210 });
  t.match(large.detail, 'A pool of more than 1000');
  t.equal(advised(large), 1000);
  t.end();
});

t.test('once nothing waits and few connections are in use, the pool was exhausted', (t) => {
  const over = exhausted(
    { maxConnections: 2, signals: ['utilization', 'pending'] },
    { places: { counted: 2, taken: 0 } },
  );
  const past = exhausted({ maxConnections: 2 }, { places: { counted: 2, taken: 0 }, serviceMs: null });
  t.match(over.title, 'The pool was exhausted: nearly all of its 2 connections were in use');
  t.notMatch(past.detail, 'does not answer', 'nothing holds connections any more');
  t.equal(over.severity, 'warning', 'the monitor says so for ten seconds more');
  const busy = exhausted({ maxConnections: 10 }, { places: { counted: 10, taken: 9 } });
  t.match(busy.title, 'The pool is exhausted: 9 of 10 connections in use');
  const waits = exhausted({ maxConnections: 10, pending: 1 }, { places: { counted: 10, taken: 0 } });
  t.match(waits.title, 'The pool is exhausted: 0 of 10 connections in use, 1 request waiting');
  t.equal(waits.severity, 'error');
  t.end();
});
