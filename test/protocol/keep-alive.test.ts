import t from 'tap';
import { advertisedIdleMs } from '../../src/protocol/http1/keep-alive.ts';

t.test('the idle time that a server promises', async (t) => {
  const promised: readonly [string, number | null][] = [
    ['timeout=5', 5000],
    ['timeout=5, max=100', 5000],
    ['max=100, timeout=60', 60_000],
    ['max=100,timeout=60', 60_000],
    ['Timeout = 5', 5000],
    ['timeout="5"', 5000],
    ['timeout=0', 0],
    ['', null],
    ['max=100', null],
    ['timeout', null],
    ['timeout=', null],
    ['timeout=x', null],
    ['timeout=-5', null],
    ['xtimeout=5', null],
    ['300', null],
  ];
  for (const [value, ms] of promised) t.equal(advertisedIdleMs(value), ms, value);
});
