import t from 'tap';
import { median, medianInterval, minimum, pairedRatios, percentile } from '../../bench/rig/statistics.ts';

t.test(
  'the median of an even sample lies between the two in the middle, and the sample is left as it was',
  async (t) => {
    const sample = [9, 1, 3, 5];
    t.equal(median(sample), 4);
    t.strictSame(sample, [9, 1, 3, 5]);
    t.equal(median([7]), 7);
    t.equal(median([]), null);
    t.equal(minimum(sample), 1);
    t.equal(minimum([]), null);
  },
);

t.test('a percentile is a value of the sample, by nearest rank', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  t.equal(percentile(hundred, 0.5), 50);
  t.equal(percentile(hundred, 0.99), 99);
  t.equal(percentile(hundred, 1), 100);
  t.equal(percentile([4], 0.99), 4);
  t.equal(percentile([], 0.5), null);
});

t.test('the interval of a median is that of the binomial law, and there is none below six values', async (t) => {
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
  t.equal(medianInterval(upTo(5)), null);
  // Known ranks of the 95 % interval: 1 and 6 of 6, 2 and 9 of 10, 6 and 15 of 20.
  t.strictSame(medianInterval(upTo(6)), { low: 1, high: 6 });
  t.strictSame(medianInterval(upTo(10)), { low: 2, high: 9 });
  t.strictSame(medianInterval(upTo(20)), { low: 6, high: 15 });
});

t.test('ratios are taken inside a round, and rounds that only one side finished are left out', async (t) => {
  const subject = new Map([
    [0, 10],
    [1, 30],
    [2, 8],
  ]);
  const peer = new Map([
    [0, 20],
    [1, 10],
    [3, 1],
  ]);
  t.strictSame(pairedRatios(subject, peer), [0.5, 3]);
});
