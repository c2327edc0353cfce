import t from 'tap';
import { age, bytes, count, latency, number, percent } from '../../src/page/words.ts';

/** Without the narrow spaces before units. */
const plain = (text: string): string => text.replaceAll('\u202f', ' ');

t.test('numbers have as many digits as help', async (t) => {
  for (const [value, words] of [
    [0, '0'],
    [0.004, '<0.01'],
    [0.25, '0.25'],
    [0.1, '0.1'],
    [1, '1'],
    [3.44, '3.4'],
    [10, '10'],
    [99.6, '100'],
    [1234, '1,234'],
  ] as const)
    t.equal(number(value), words);
});

t.test('a share is never rounded to none or to all of it', async (t) => {
  for (const [value, words] of [
    [null, '–'],
    [0, '0 %'],
    [0.0004, '<0.1 %'],
    [0.004, '0.4 %'],
    [0.0996, '10 %'],
    [0.125, '13 %'],
    [0.996, '99.6 %'],
    [0.99999, '99.9 %'],
    [1, '100 %'],
  ] as const)
    t.equal(plain(percent(value)), words);
});

t.test('latencies and ages are in units that a person reads', async (t) => {
  for (const [value, words] of [
    [null, '–'],
    [0, '0 ms'],
    [0.4, '0.4 ms'],
    [7.64, '7.6 ms'],
    [120, '120 ms'],
    [1240, '1.2 s'],
    [10_000, '10 s'],
    [30_400, '30 s'],
    [180_000, '3 min'],
  ] as const)
    t.equal(plain(latency(value)), words);
  for (const [value, words] of [
    [-5, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [184_000, '3 min 4 s'],
    [7_500_000, '2 h 5 min'],
    [273_600_000, '3 d 4 h'],
  ] as const)
    t.equal(plain(age(value)), words);
});

t.test('bytes and counts', async (t) => {
  for (const [value, words] of [
    [0, '0 B'],
    [2048, '2 KiB'],
    [48_000, '47 KiB'],
    [84_934_656, '81 MiB'],
    [1_288_490_189, '1.2 GiB'],
  ] as const)
    t.equal(plain(bytes(value)), words);
  t.equal(count(1, 'problem'), '1 problem');
  t.equal(count(0, 'problem'), '0 problems');
});
