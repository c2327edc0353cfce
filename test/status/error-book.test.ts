import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { CarpoolError } from '../../src/errors.ts';
import { ErrorBook } from '../../src/status/error-book.ts';
import { DestinationLabels } from '../../src/telemetry/destination-labels.ts';
import { TestClock } from '../test-clock.ts';

t.test('the last words and the time of each code are kept by label, the newest first', async (t) => {
  const clock = new TestClock();
  const book = new ErrorBook(clock);
  book.note('orders:80', new CarpoolError('NO_ROUTE', 'first'));
  clock.advance(1000);
  book.note('users:80', new CarpoolError('NO_ROUTE', 'theirs'));
  clock.advance(1000);
  book.note('orders:80', new CarpoolError('NO_ROUTE', 'second', { hint: 'look' }));
  t.match(book.rows(), [
    { code: 'NO_ROUTE', destination: 'orders:80', count: 2, status: 502, lastMessage: 'second', hint: 'look' },
    { code: 'NO_ROUTE', destination: 'users:80', count: 1, lastMessage: 'theirs' },
  ]);
  t.equal(book.rows()[0]?.lastTime, clock.wall());
});

t.test('what came in the last minute and in the last ten is told apart from all', async (t) => {
  const clock = new TestClock();
  const book = new ErrorBook(clock);
  for (let minute = 0; minute < 12; minute++) {
    book.note('a', new CarpoolError('CONNECT_FAILED', 'x'));
    clock.advance(60_000);
  }
  const [row] = book.seen();
  t.equal(row?.count, 12);
  t.equal(row?.lastTenMinutes, 9, 'slots of ten seconds: the one of ten minutes ago has gone');
  t.equal(row?.lastMinute, 1);
  clock.advance(20_000);
  t.equal(book.seen()[0]?.lastMinute, 0);
});

t.test('what is kept of an error keeps nothing of the place where it was made', async (t) => {
  const book = new ErrorBook(new TestClock());
  class Exchange {
    fail(): void {
      book.note('a', new CarpoolError('CONNECT_FAILED', 'x', { cause: new Error('why') }));
    }
  }
  const noted = (): WeakRef<Exchange> => {
    const exchange = new Exchange();
    exchange.fail();
    return new WeakRef(exchange);
  };
  const place = noted();
  // A reference is kept to the end of the turn in which it was made.
  await new Promise<void>((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  t.equal(place.deref(), undefined);
  t.equal(book.rows()[0]?.lastMessage, 'x');
});

t.test('a long silence leaves nothing behind in the counts', async (t) => {
  const clock = new TestClock();
  const book = new ErrorBook(clock);
  book.note('a', new CarpoolError('CONNECT_FAILED', 'x'));
  clock.advance(600_000 * 7);
  t.equal(book.seen()[0]?.lastTenMinutes, 0);
  book.note('a', new CarpoolError('CONNECT_FAILED', 'x'));
  t.equal(book.seen()[0]?.lastTenMinutes, 1);
});

t.test('after a silence that is longer than it counts, nothing of before is counted', async (t) => {
  const clock = new TestClock();
  const book = new ErrorBook(clock);
  for (let slot = 0; slot < 20; slot++) {
    book.note('a', new CarpoolError('CONNECT_FAILED', 'x'));
    clock.advance(10_000);
  }
  clock.advance(650_000);
  t.equal(book.seen()[0]?.lastTenMinutes, 0);
});

t.test('what a wrong variable led to is counted by its kind', async (t) => {
  const book = new ErrorBook(new TestClock());
  book.note('-', new CarpoolError('BAD_REQUEST', 'no TLS here', { misuse: 'tls' }));
  book.note('-', new CarpoolError('LOOP', 'own', { misuse: 'server' }));
  book.note('-', new CarpoolError('BAD_REQUEST', 'two spaces'));
  book.note('-', new CarpoolError('BAD_REQUEST', 'a path alone', { misuse: 'server' }));
  t.match(book.misuses(), [
    { kind: 'tls', count: 1, lastMessage: 'no TLS here' },
    { kind: 'server', count: 2, lastTenMinutes: 2, lastMessage: 'a path alone' },
  ]);
});

t.test('how long ago the last one was is known', async (t) => {
  const clock = new TestClock();
  const book = new ErrorBook(clock);
  book.note('-', new CarpoolError('BAD_REQUEST', 'no TLS here', { misuse: 'tls' }));
  clock.advance(5000);
  book.note('-', new CarpoolError('BAD_REQUEST', 'no TLS here', { misuse: 'tls' }));
  clock.advance(90_000);
  t.match(book.misuses(), [{ count: 2, agoMs: 90_000 }]);
});

t.test('it is bounded: what has not come for longest is forgotten', async (t) => {
  const clock = new TestClock();
  const book = new ErrorBook(clock);
  for (let label = 0; label < 600; label++) {
    clock.advance(1);
    book.note(`n${label}`, new CarpoolError('NO_ROUTE', 'x'));
  }
  const rows = book.rows();
  t.equal(rows.length, 500);
  t.equal(rows[0]?.destination, 'n599');
  t.equal(rows.at(-1)?.destination, 'n100');
});

t.test('errors of names that share a label are kept under it', async (t) => {
  const clock = new TestClock();
  const book = new ErrorBook(clock);
  const labels = new DestinationLabels({ clock, maxDestinations: 1, errors: book });
  labels.open('first:80', null).failed(new CarpoolError('NO_ROUTE', 'x'));
  labels.open('second:80', null).failed(new CarpoolError('NO_ROUTE', 'y'));
  t.same(
    book.rows().map(({ destination }) => destination),
    ['first:80', 'other'],
  );
});
