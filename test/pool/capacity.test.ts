import t from 'tap';
import { Capacity, type CapacityUser } from '../../src/pool/capacity.ts';
import { DialHandle, Pending } from '../../src/pool/pending.ts';
import { PendingQueue } from '../../src/pool/pending-queue.ts';
import { TestClock } from '../test-clock.ts';
import { loneEndpoint, TestRequest } from './pool-fixture.ts';

/** Holds idle connections as a number, and wants as many places as `wants` says. */
class User implements CapacityUser {
  idle = 0;
  wants = 0;
  taken = 0;
  readonly #capacity: Capacity;

  constructor(capacity: Capacity) {
    this.#capacity = capacity;
    capacity.join(this);
  }

  giveUpIdle(): boolean {
    if (this.idle === 0) return false;
    this.idle--;
    this.#capacity.release();
    return true;
  }

  roomFreed(): void {
    while (this.wants > 0 && this.#capacity.take(this)) {
      this.wants--;
      this.taken++;
    }
  }
}

t.test('places are had up to the limit, then an idle connection of anybody makes room', async (t) => {
  const capacity = new Capacity(2);
  const [a, b] = [new User(capacity), new User(capacity)];
  t.ok(capacity.take(a));
  t.ok(capacity.take(a));
  t.equal(capacity.used, 2);
  t.notOk(capacity.take(b));
  t.ok(capacity.wanted);
  a.idle = 1;
  t.ok(capacity.take(b));
  t.equal(a.idle, 0);
  t.equal(capacity.used, 2);
  t.notOk(capacity.takeFree());
  capacity.setMax(3);
  t.ok(capacity.takeFree());
});

t.test('who waited longest is asked first, then each in turn', async (t) => {
  const capacity = new Capacity(1);
  const [holder, a, b] = [new User(capacity), new User(capacity), new User(capacity)];
  capacity.take(holder);
  a.wants = 3;
  b.wants = 1;
  a.roomFreed();
  b.roomFreed();
  capacity.release();
  t.same([a.taken, b.taken], [1, 0]);
  capacity.release();
  t.same([a.taken, b.taken], [1, 1], 'a waits behind b again');
  capacity.release();
  t.same([a.taken, b.taken], [2, 1]);
});

t.test('one that needs its place no more, or left, does not keep it from the next', async (t) => {
  const capacity = new Capacity(1);
  const users = [new User(capacity), new User(capacity), new User(capacity)];
  const [a, b, c] = users;
  if (a === undefined || b === undefined || c === undefined) throw new Error('none');
  capacity.take(new User(capacity));
  for (const user of users) {
    user.wants = 1;
    user.roomFreed();
  }
  a.wants = 0;
  capacity.leave(b);
  capacity.release();
  t.same([a.taken, b.taken, c.taken], [0, 0, 1]);
  t.equal(capacity.used, 1);
  t.notOk(capacity.wanted);
});

t.test('waiting requests leave the queue once, by a lease or by their deadline', async (t) => {
  const clock = new TestClock();
  const queue = new PendingQueue(clock);
  const requests = [new TestRequest('/a'), new TestRequest('/b'), new TestRequest('/c')];
  const [a, b, c] = requests.map((request) => new Pending(request, [], clock.now()));
  if (a === undefined || b === undefined || c === undefined) throw new Error('none');
  const expired: Pending[] = [];
  for (const entry of [a, b, c]) queue.add(entry, 1000, (late) => expired.push(late));
  t.equal(queue.size, 3);
  t.equal(queue.limited, 3);
  const handle = new DialHandle(loneEndpoint(clock), 'http1', 1, false, true);
  handle.board(a);
  t.equal(queue.limited, 2);
  t.equal(queue.firstLimitedFor(handle), b);
  t.equal(queue.find(c.waiter), c);
  t.equal(queue.find(new TestRequest()), null);
  t.ok(queue.remove(a));
  t.notOk(queue.remove(a));
  t.notOk(queue.has(a));
  queue.add(b, 5000, (late) => expired.push(late));
  clock.advance(1000);
  t.same(expired, [c], 'a had left, b has another deadline now');
  clock.advance(4000);
  t.same(expired, [c, b]);
  t.equal(queue.size, 0);
  t.equal(clock.waiting, 0, 'no timer is left');
});
