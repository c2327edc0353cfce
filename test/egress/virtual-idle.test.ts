import t from 'tap';
import { VirtualIdle } from '../../src/pool/virtual-idle.ts';

const ANY = Number.POSITIVE_INFINITY;

t.test('a request finds the connection of one that ended before it began, once', async (t) => {
  const idle = new VirtualIdle();
  t.equal(idle.begun(0, 50, ANY), false);
  idle.ended(10, 5);
  t.equal(idle.begun(9, 50, ANY), false, 'that one was in use still');
  t.equal(idle.begun(10, 50, ANY), true);
  t.equal(idle.begun(11, 50, ANY), false, 'and now is again');
});

t.test('what was idle for longer than it is trusted is of no use, to nobody', async (t) => {
  const idle = new VirtualIdle();
  idle.ended(0, 5);
  idle.ended(10, 5);
  t.equal(idle.begun(61, 50, ANY), false);
  t.equal(idle.begun(20, 50, ANY), false, 'they are closed');
});

t.test('the one that was used last is taken, so that a request that wants a recent one finds it', async (t) => {
  const idle = new VirtualIdle();
  idle.ended(0, 5);
  idle.ended(30, 5);
  t.equal(idle.begun(40, 50, 5), false, 'not that recent');
  t.equal(idle.begun(33, 50, 5), true);
  t.equal(idle.begun(33, 50, 5), false, 'the other one is too old for it');
  t.equal(idle.begun(33, 50, ANY), true);
});

t.test('no more are kept than the pool might have, the oldest go', async (t) => {
  const idle = new VirtualIdle();
  for (let now = 0; now < 10; now++) idle.ended(now, 3);
  for (let count = 0; count < 3; count++) t.equal(idle.begun(20, 50, ANY), true);
  t.equal(idle.begun(20, 50, ANY), false);
  for (let now = 0; now < 5000; now++) idle.ended(100, 65_535);
  let found = 0;
  while (idle.begun(100, 50, ANY)) found++;
  t.equal(found, 4096);
});

t.test('a connection that became a tunnel does not come back', async (t) => {
  const idle = new VirtualIdle();
  idle.becomesTunnel();
  idle.ended(0, 5);
  t.equal(idle.begun(1, 50, ANY), false);
  idle.ended(1, 5);
  t.equal(idle.begun(1, 50, ANY), true);
});
