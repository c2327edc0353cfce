import t from 'tap';
import { IdleTime } from '../../src/pool/idle-time.ts';
import { advertisedIdleMs } from '../../src/protocol/http1/keep-alive.ts';

/** Each close at another moment than the one before. */
let now = 1_000_000;
const later = (): number => {
  now += 60_000;
  return now;
};

const known = (time: IdleTime) => ({ effectiveMs: time.effectiveMs, source: time.source, known: time.known });

t.test('50 s are trusted while nothing is known', async (t) => {
  t.same(known(new IdleTime(null)), { effectiveMs: 50_000, source: 'default', known: false });
});

t.test('what the user set holds as a cap, and tells nothing about the server', async (t) => {
  const time = new IdleTime(120_000);
  t.same(known(time), { effectiveMs: 120_000, source: 'configured', known: false });
  time.advertised(60_000);
  t.same(known(time), { effectiveMs: 54_000, source: 'advertised', known: true });
  time.setConfigured(10_000);
  t.same(known(time), { effectiveMs: 10_000, source: 'configured', known: true });
  time.setConfigured(null);
  t.same(known(time), { effectiveMs: 54_000, source: 'advertised', known: true }, 'what was learned stays');
});

t.test(
  'an advertised time is trusted less a tenth, at least half a second, but never less than its half',
  async (t) => {
    for (const [seconds, trusted] of [
      [75, 67_500],
      [5, 4500],
      [2, 1500],
      [1, 500],
      [0, 0],
      [10_000, 300_000],
    ] as const) {
      const time = new IdleTime(null);
      time.advertised(seconds * 1000);
      t.equal(time.effectiveMs, trusted, `${seconds} s`);
      t.ok(time.known);
      t.equal(time.source, 'advertised');
    }
  },
);

t.test('a close teaches the time after which it came; of two lessons the shorter one holds', async (t) => {
  const time = new IdleTime(null);
  t.equal(time.closedAfter(60_000, later()), 60_000);
  t.same(known(time), { effectiveMs: 54_000, source: 'learned', known: true });
  t.equal(time.closedAfter(20_000, later()), 20_000);
  t.equal(time.effectiveMs, 18_000);
  t.equal(time.closedAfter(19_900, later()), null, 'nearly the same teaches nothing new');
  time.advertised(5000);
  t.same(known(time), { effectiveMs: 4500, source: 'advertised', known: true });
});

t.test('a close after a longer time than was learned corrects it upward', async (t) => {
  const time = new IdleTime(null);
  time.closedAfter(20_000, later());
  t.equal(time.closedAfter(30_000, later()), 30_000);
  t.equal(time.effectiveMs, 27_000);
});

t.test('closes within the first moments teach nothing: servers that restart look like that', async (t) => {
  const time = new IdleTime(null);
  for (const ms of [0, 5, 30, 10, 0, 20]) t.equal(time.closedAfter(ms, later()), null);
  t.notOk(time.known);
  t.equal(time.effectiveMs, 50_000);
});

t.test('a burst of closes at a restart teaches nothing where longer idle times were survived', async (t) => {
  const time = new IdleTime(null);
  time.survived(45_000);
  t.equal(time.closedAfter(2000, later()), null);
  t.equal(time.closedAfter(9000, later()), null);
  time.survived(30_000);
  t.equal(time.closedAfter(1000, later()), null, 'an exchange after a pause shows that it was a restart');
  t.notOk(time.known);
});

t.test(
  'three closes in a row against what was survived are believed: the time-out of the server was lowered',
  async (t) => {
    const time = new IdleTime(null);
    time.survived(45_000);
    t.equal(time.closedAfter(10_000, later()), null);
    t.equal(time.closedAfter(10_000, later()), null);
    t.equal(time.closedAfter(10_000, later()), 10_000);
    t.equal(time.effectiveMs, 9000);
  },
);

t.test(
  'a probe is started once in five minutes, only where something was learned and the cap is not reached',
  async (t) => {
    const time = new IdleTime(null);
    t.notOk(time.startProbe(1_000_000), 'nothing learned yet');
    time.closedAfter(20_000, later());
    t.ok(time.startProbe(1_000_000));
    t.notOk(time.startProbe(1_299_999));
    t.ok(time.startProbe(1_300_000));
    t.equal(time.probeUntilMs, 30_000);
    const capped = new IdleTime(5000);
    capped.closedAfter(20_000, later());
    t.equal(capped.effectiveMs, 5000);
    t.notOk(capped.startProbe(1_000_000));
  },
);

t.test('what a probe survives raises the learned time, up to the cap, never lowers it', async (t) => {
  const time = new IdleTime(null);
  time.probeSurvived(10_000);
  t.notOk(time.known);
  time.closedAfter(20_000, later());
  time.probeSurvived(19_000);
  t.equal(time.learnedMs, 20_000);
  const rises: number[] = [];
  for (let probe = 0; probe < 12; probe++) {
    time.probeSurvived(time.probeUntilMs);
    rises.push(time.effectiveMs);
  }
  t.same(rises.slice(0, 3), [27_000, 40_500, 60_750]);
  t.equal(rises.at(-1), 270_000, 'the cap less the margin');
  t.equal(time.probeUntilMs, 300_000);
});

t.test('Keep-Alive: timeout is read wherever it stands', async (t) => {
  for (const [value, ms] of [
    ['timeout=5', 5000],
    ['timeout=5, max=100', 5000],
    ['max=100, timeout=5', 5000],
    ['max=100,TIMEOUT = "72"', 72_000],
    ['timeout=0', 0],
    ['max=100', null],
    ['mytimeout=5', null],
    ['timeout=-5', null],
    ['timeout=abc', null],
    ['', null],
  ] as const) {
    t.equal(advertisedIdleMs(value), ms, value);
  }
});
