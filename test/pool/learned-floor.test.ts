import t from 'tap';
import { LearnedFloor } from '../../src/pool/learned-floor.ts';

const BEGIN = 5_000_000;

/** Tells the floor, second by second, the peak that `load` gives for each; returns what it says at the end of each. */
function watch(floor: LearnedFloor, from: number, to: number, load: (second: number) => number): number[] {
  const said: number[] = [];
  for (let second = from; second < to; second++) {
    const now = BEGIN + (second + 1) * 1000;
    floor.observe(load(second), now);
    said.push(floor.at(now));
  }
  return said;
}

t.test('what was needed for a while is kept for five minutes, and no longer', (t) => {
  const floor = new LearnedFloor(86_400_000, BEGIN);
  const said = watch(floor, 0, 1000, (second) => (second < 120 ? 12 : 0));
  t.equal(said[5], 0, 'nothing is known in the first ten seconds');
  t.equal(said[12], 12);
  t.equal(said[119], 12);
  t.equal(said[119 + 200], 12, 'the load has gone, and may come again');
  t.equal(said[119 + 310], 0, 'it has not');
  t.end();
});

t.test('a single burst among quiet minutes is not what is kept warm', (t) => {
  const floor = new LearnedFloor(86_400_000, BEGIN);
  const said = watch(floor, 0, 600, (second) => (second === 400 ? 50 : 3));
  t.same(new Set(said.slice(20)), new Set([3]));
  t.end();
});

t.test('a burst in every minute is', (t) => {
  const floor = new LearnedFloor(86_400_000, BEGIN);
  const said = watch(floor, 0, 600, (second) => (second % 60 === 30 ? 20 : 1));
  t.same(new Set(said.slice(300)), new Set([20]));
  t.end();
});

t.test('what was needed at some time of the period before is kept from half a minute ahead of that time', (t) => {
  const floor = new LearnedFloor(3_600_000, BEGIN);
  // 40 connections in the twentieth minute of each hour.
  const load = (second: number): number => (Math.floor(second / 60) % 60 === 20 ? 40 : 0);
  const first = watch(floor, 0, 3600, load);
  t.equal(Math.max(...first.slice(0, 1200)), 0, 'nothing is known of the first hour');
  const second = watch(floor, 3600, 7200, load);
  t.equal(second[1200 - 40], 0);
  t.equal(second[1200 - 25], 40, 'before it comes');
  t.equal(second[1259], 40);
  t.equal(second[1260 + 400], 0, 'and not for the rest of the hour');
  t.end();
});

t.test('what does not come again is worth half as much in each period', (t) => {
  const floor = new LearnedFloor(600_000, BEGIN);
  const load = (second: number): number => (second >= 60 && second < 120 ? 40 : 0);
  const said = watch(floor, 0, 4800, load);
  const ahead = [1, 2, 3, 4, 5, 6, 7].map((period) => said[period * 600 + 50]);
  t.same(ahead, [40, 20, 10, 5, 3, 1, 1]);
  t.same(new Set(said.slice(4700)), new Set([0]));
  t.end();
});

t.test('looks that are far apart count for all the time between them', (t) => {
  const floor = new LearnedFloor(3_600_000, BEGIN);
  floor.observe(7, BEGIN + 300_000);
  t.equal(floor.at(BEGIN + 300_000), 7);
  floor.observe(0, BEGIN + 300_000 + 86_400_000);
  t.equal(floor.at(BEGIN + 300_000 + 86_400_000), 0, 'a day without a look');
  t.end();
});

t.test('a period may be as short as a minute, and as long as a week', (t) => {
  const minute = new LearnedFloor(60_000, BEGIN);
  const said = watch(minute, 0, 600, (second) => (second < 10 ? 9 : 0));
  t.equal(said[11], 9);
  t.equal(said[590], 0);
  const week = new LearnedFloor(7 * 86_400_000, BEGIN);
  week.observe(5, BEGIN + 1000);
  week.observe(0, BEGIN + 3_600_000);
  t.equal(week.at(BEGIN + 3_600_000), 0);
  t.equal(week.at(BEGIN + 7 * 86_400_000 + 60_000), 5);
  t.end();
});

t.test('more connections than are possible break nothing', (t) => {
  const floor = new LearnedFloor(3_600_000, BEGIN);
  t.equal(watch(floor, 0, 60, () => 1_000_000).at(-1), 65_535);
  t.end();
});
