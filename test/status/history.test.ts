import t from 'tap';
import { DestinationObserver } from '../../src/observer.ts';
import { DestinationHistory, POINT_MS } from '../../src/status/destination-history.ts';
import { HistoryBook } from '../../src/status/history-book.ts';
import { DestinationLabels } from '../../src/telemetry/destination-labels.ts';
import { TestClock } from '../test-clock.ts';
import { seen } from './seen.ts';

t.test('a point holds what came in its five seconds, and no more', (t) => {
  const observer = new DestinationObserver('a:80');
  const history = new DestinationHistory(0, null);
  for (let i = 0; i < 3; i++) observer.requestEnded(0, 200, 2);
  observer.requestEnded(1, 503, 2, 1);
  observer.requestEnded(2, 0, 2);
  history.add(observer, 0.25, 7, POINT_MS);
  observer.requestEnded(0, 404, 2);
  history.add(observer, 0, 0, 2 * POINT_MS);
  history.add(observer, 0, 0, 3 * POINT_MS);
  t.same(history.history(), {
    intervalMs: 5000,
    points: [
      { requests: 5, failed: 2, utilization: 0.25, pending: 7 },
      { requests: 1, failed: 0, utilization: 0, pending: 0 },
      { requests: 0, failed: 0, utilization: 0, pending: 0 },
    ],
  });
  t.same(history.lastPoint, { requests: 0, failed: 0, utilization: 0, pending: 0 });
  t.end();
});

t.test('it keeps sixty points, the oldest first', (t) => {
  const observer = new DestinationObserver('a:80');
  const history = new DestinationHistory(0, null);
  for (let point = 1; point <= 75; point++) {
    for (let i = 0; i < point; i++) observer.requestEnded(0, 200, 1);
    history.add(observer, 0, 0, point * POINT_MS);
  }
  const { points } = history.history();
  t.equal(points.length, 60);
  t.equal(points[0]?.requests, 16);
  t.equal(points[59]?.requests, 75);
  t.end();
});

t.test('the figures are of the last minute: what is older counts no more', (t) => {
  const observer = new DestinationObserver('a:80');
  const history = new DestinationHistory(0, null);
  for (let i = 0; i < 100; i++) observer.requestEnded(0, 500, 20_000);
  observer.freshRequests = 100;
  history.add(observer, 0, 0, POINT_MS);
  t.match(history.figures(observer, POINT_MS).row, { requestsPerSecond: 20, failedShare: 1, reuseShare: 0 });
  for (let point = 2; point <= 13; point++) {
    for (let i = 0; i < 10; i++) observer.requestEnded(0, i === 0 ? 502 : 200, 3);
    observer.reusedRequests += 9;
    observer.freshRequests += 1;
    history.add(observer, 0, 0, point * POINT_MS);
  }
  const now = 13 * POINT_MS;
  const { row } = history.figures(observer, now);
  t.match(row, { requestsPerSecond: 2, failedShare: 0.1, reuseShare: 0.9 });
  t.ok(row.p99Ms !== null && row.p99Ms <= 5, 'the slow ones are gone');
  // Between points nothing moves, whatever comes.
  observer.requestEnded(0, 200, 3);
  t.same(history.figures(observer, now + 3000).row, row);
  t.end();
});

t.test('in its first minute what has come since the last point counts too', (t) => {
  const observer = new DestinationObserver('a:80');
  const history = new DestinationHistory(0, null);
  observer.requestEnded(0, 200, 3);
  observer.requestEnded(0, 200, 3);
  t.equal(history.figures(observer, 2000).row.requestsPerSecond, 1);
  t.equal(history.figures(observer, 100).row.requestsPerSecond, 2, 'a moment is no rate');
  t.end();
});

t.test('a scrape moves counts on, and nothing of them is lost or seen twice', (t) => {
  const clock = new TestClock();
  const labels = new DestinationLabels({ clock, maxDestinations: 5 });
  const observer = labels.open('a:80', null);
  const history = new DestinationHistory(0, null);
  const work = (times: number) => {
    for (let i = 0; i < times; i++) observer.requestEnded(0, i % 2 === 0 ? 200 : 503, 2);
    observer.reusedRequests += times;
  };
  work(4);
  labels.collect();
  work(2);
  history.add(observer, 0, 0, POINT_MS);
  labels.collect();
  labels.collect();
  history.add(observer, 0, 0, 2 * POINT_MS);
  work(6);
  labels.collect();
  history.add(observer, 0, 0, 3 * POINT_MS);
  t.same(
    history.history().points.map(({ requests, failed }) => [requests, failed]),
    [
      [6, 3],
      [0, 0],
      [6, 3],
    ],
  );
  t.match(history.figures(observer, 3 * POINT_MS).row, { failedShare: 0.5, reuseShare: 1, p50Ms: 2 });
  t.end();
});

/** What a row says of requests that took so long. */
function shown(...durations: readonly number[]) {
  const observer = new DestinationObserver('a:80');
  const history = new DestinationHistory(0, null);
  for (const ms of durations) observer.requestEnded(0, 200, ms);
  history.add(observer, 0, 0, POINT_MS);
  const { p50Ms, p99Ms } = history.figures(observer, POINT_MS).row;
  return { p50Ms: p50Ms ?? Number.NaN, p99Ms: p99Ms ?? Number.NaN };
}

t.test('p50 and p99 are those of the requests, to a few percent', (t) => {
  const even = (from: number, to: number) => Array.from({ length: 1000 }, (_, at) => from + ((to - from) * at) / 999);
  for (const [from, to] of [
    [0, 1],
    [2, 3],
    [180, 220],
    [1000, 1240],
    [1, 4000],
    [40_000, 90_000],
  ] as const) {
    const { p50Ms, p99Ms } = shown(...even(from, to));
    const half = (from + to) / 2;
    t.ok(Math.abs(p50Ms - half) <= 0.12 * half, `${from} to ${to}: p50 ${p50Ms}`);
    t.ok(Math.abs(p99Ms - (from + 0.99 * (to - from))) <= 0.06 * to, `${from} to ${to}: p99 ${p99Ms}`);
    t.ok(p99Ms <= to, `${from} to ${to}: p99 ${p99Ms}`);
  }
  t.match(shown(), { p50Ms: Number.NaN, p99Ms: Number.NaN }, 'of none there is none');
  t.same(shown(309), { p50Ms: 309, p99Ms: 309 }, 'of one there is one');
  t.same(shown(200), { p50Ms: 200, p99Ms: 200 });
  t.same(shown(2_000_000), { p50Ms: 2_000_000, p99Ms: 2_000_000 }, 'above the scale');
  const outlier = shown(...even(1100, 1200), 4900);
  t.ok(outlier.p99Ms < 1300, `one that is slow is no p99: ${outlier.p99Ms}`);
  t.end();
});

t.test('the longest request is that of the last minute', (t) => {
  const observer = new DestinationObserver('a:80');
  const history = new DestinationHistory(0, null);
  observer.requestEnded(0, 200, 206);
  history.add(observer, 0, 0, POINT_MS);
  for (let point = 2; point <= 14; point++) {
    observer.requestEnded(0, 200, 201);
    history.add(observer, 0, 0, point * POINT_MS);
  }
  t.equal(history.figures(observer, 14 * POINT_MS).row.p99Ms, 201);
  t.end();
});

t.test('a destination without a request has no history; the first request begins it', (t) => {
  const book = new HistoryBook(0);
  const quiet = seen('quiet:80');
  book.tick(5000, () => [quiet]);
  t.equal(book.of(quiet, 5000), null);
  quiet.observer.requestEnded(0, 200, 1);
  t.equal(book.of(quiet, 6000)?.lastPoint, null);
  book.tick(9999, () => [quiet]);
  t.equal(book.points, 1, 'no point before its time');
  book.tick(10_000, () => [quiet]);
  t.match(book.of(quiet, 10_000)?.lastPoint, { requests: 1 });
  t.end();
});

t.test('one that waits for its first answer has a history too', (t) => {
  const book = new HistoryBook(0);
  const waiting = seen('waiting:80', 10, 3);
  book.tick(5000, () => [waiting]);
  t.same(book.of(waiting, 5000)?.lastPoint, { requests: 0, failed: 0, utilization: 1, pending: 3 });
  t.end();
});

t.test('a process that stood still goes on with one point', (t) => {
  const book = new HistoryBook(0);
  const one = seen('a:80');
  one.observer.requestEnded(0, 200, 1);
  book.tick(123_456, () => [one]);
  t.equal(book.points, 1);
  book.tick(124_999, () => [one]);
  t.equal(book.points, 1);
  book.tick(125_000, () => [one]);
  t.equal(book.points, 2);
  t.end();
});

t.test('two hundred histories at most: those longest without requests go, and begin anew without their past', (t) => {
  const book = new HistoryBook(0);
  const all = Array.from({ length: 201 }, (_, index) => seen(`d${index}:80`));
  const [first, second] = all;
  const last = all[200];
  if (first === undefined || second === undefined || last === undefined) throw new Error('there are 201');
  for (const each of all.slice(0, 200)) each.observer.requestEnded(0, 200, 1);
  book.tick(5000, () => all);
  t.equal(book.of(last, 5000), null, 'it has had no request');
  last.observer.requestEnded(0, 200, 1);
  t.equal(book.of(last, 5000), null, 'all others are busy');
  let now = 5000;
  for (let point = 0; point < 3; point++) {
    now += 5000;
    for (const each of all.slice(1)) each.observer.requestEnded(0, 200, 1);
    book.tick(now, () => all);
  }
  t.match(book.of(last, now)?.lastPoint, { requests: 1 }, 'the quiet one has made room');
  t.equal(book.of(first, now), null);
  for (let point = 0; point < 3; point++) {
    now += 5000;
    first.observer.requestEnded(0, 200, 1);
    for (const each of all.slice(2)) each.observer.requestEnded(0, 200, 1);
    book.tick(now, () => all);
  }
  t.equal(book.of(second, now), null);
  const again = book
    .of(first, now)
    ?.history()
    .points.map(({ requests }) => requests);
  t.ok(
    again?.every((requests) => requests <= 1),
    `${again}`,
  );
  t.end();
});

t.test('what the router dropped is forgotten', (t) => {
  const book = new HistoryBook(0);
  const one = seen('a:80');
  one.observer.requestEnded(0, 200, 1);
  book.tick(5000, () => [one]);
  const before = book.of(one, 5000);
  book.tick(10_000, () => []);
  t.not(book.of(one, 10_000), before);
  t.end();
});
