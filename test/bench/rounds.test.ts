import t from 'tap';
import { blockWorks } from '../../bench/micro/block-works.ts';
import { frameWorks } from '../../bench/micro/frame-works.ts';
import { measureWork } from '../../bench/micro/rounds.ts';

t.test('figures are for one operation, without the rounds in which the compiler is at work', async (t) => {
  let now = 0n;
  let runs = 0;
  // A run takes 20 ms, which is a round: two rounds ten times as dear, then 20, 40 and 90 ms.
  const costs = [200n, 200n, 20n, 40n, 90n];
  const work = {
    name: 'x',
    operations: 1000,
    run(): number {
      now += (costs[runs++] ?? 0n) * 1_000_000n;
      return 0;
    },
  };
  t.strictSame(
    measureWork([work], 3, () => now),
    [{ name: 'x', medianNs: 40_000, minimumNs: 20_000 }],
  );
  t.equal(runs, 5);
});

t.test('a round goes on until it is long enough to be timed', async (t) => {
  let now = 0n;
  let runs = 0;
  const work = {
    name: 'x',
    operations: 10,
    run(): number {
      now += 7_000_000n;
      return ++runs;
    },
  };
  t.match(
    measureWork([work], 1, () => now),
    [{ medianNs: 700_000 }],
  );
  t.equal(runs, 9, 'three runs of 7 ms are above 20 ms, three rounds');
});

for (const work of [...blockWorks(), ...frameWorks()]) {
  t.test(`there is work done in: ${work.name}`, async (t) => {
    t.ok(work.run() >= work.operations * 10, 'bytes of heads and frames');
    t.ok(work.run() > 0, 'and again');
  });
}
