import t from 'tap';
import { FakeDestination, shareBook } from './fleet-fixture.ts';

function open() {
  const upstream = new FakeDestination('upstream:80', 20);
  const { book, clock, told } = shareBook([upstream]);
  const shares = (): number[] => told.flatMap((event) => (event.type === 'fleet_share' ? [event.share] : []));
  const give = (share: number, peers = 4): void => {
    for (const each of book.budgeted()) book.give(each, share, peers);
  };
  /** So many seconds, each with its tick. */
  const seconds = (count: number, each: () => void = () => {}): void => {
    for (let second = 0; second < count; second++) {
      clock.advance(1000);
      each();
      book.tell();
    }
  };
  return { upstream, book, give, seconds, shares };
}

t.test('a share is told at once, and one that comes soon after it when it has stayed for 3 s', (t) => {
  const { book, give, seconds, shares } = open();
  give(5);
  book.tell();
  t.same(shares(), [5]);
  seconds(1, () => give(8));
  seconds(2, () => give(8));
  t.same(shares(), [5]);
  seconds(1, () => give(8));
  t.same(shares(), [5, 8], 'the last line is what is in force');
  seconds(60, () => give(8));
  t.same(shares(), [5, 8]);
  t.end();
});

t.test('one that changes all the time is told every 10 s, and its last value after that', (t) => {
  const { give, seconds, shares, book } = open();
  give(1);
  book.tell();
  let share = 1;
  seconds(30, () => give(++share));
  t.equal(shares().length, 4);
  seconds(3);
  t.equal(shares().at(-1), share);
  t.end();
});

t.test('a share that came back before it was told is no news', (t) => {
  const { give, seconds, shares, book } = open();
  give(5);
  book.tell();
  seconds(1, () => give(8));
  seconds(20, () => give(5));
  t.same(shares(), [5]);
  t.end();
});

t.test('nothing given yet is marked where nobody is known, and only there', (t) => {
  const { upstream, give } = open();
  give(0, 0);
  t.match(upstream.pool.limit, { share: 0, awaited: true });
  give(0, 30);
  t.match(upstream.pool.limit, { share: 0, awaited: false });
  give(2, 0);
  t.match(upstream.pool.limit, { share: 2, awaited: false });
  t.end();
});
