import t from 'tap';
import { NameserverOrder } from '../../src/discovery/nameserver-order.ts';
import { TestClock } from '../test-clock.ts';

t.test('nameservers come as written, those that were silent lately last', async (t) => {
  const clock = new TestClock();
  const order = new NameserverOrder(clock);
  const conf = { nameservers: ['a', 'b', 'c'], rotate: false };
  t.same(order.next(conf), ['a', 'b', 'c']);
  order.silent('a');
  t.same(order.next(conf), ['b', 'c', 'a']);
  clock.advance(10_000);
  order.silent('b');
  t.same(order.next(conf), ['c', 'a', 'b']);
  clock.advance(20_000);
  t.same(order.next(conf), ['a', 'c', 'b'], 'after 30 s it gets its place back');
  order.answered('b');
  t.same(order.next(conf), ['a', 'b', 'c'], 'or when it answers');
});

t.test('rotation goes on among those that answer', async (t) => {
  const order = new NameserverOrder(new TestClock());
  const conf = { nameservers: ['a', 'b', 'c'], rotate: true };
  order.silent('b');
  t.same(
    [order.next(conf), order.next(conf), order.next(conf), order.next(conf)].map(([first]) => first),
    ['a', 'c', 'c', 'a'],
  );
});

t.test('a file that names ever other servers leaves memory flat', async (t) => {
  const order = new NameserverOrder(new TestClock());
  for (let i = 0; i < 100; i++) order.silent(`s${i}`);
  t.same(order.next({ nameservers: ['s0', 's99', 'x'], rotate: false }), ['s0', 'x', 's99'], 's0 is forgotten');
});
