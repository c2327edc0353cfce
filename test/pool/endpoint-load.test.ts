import t from 'tap';
import { EndpointHealth, EndpointLatency } from '../../src/pool/endpoint-load.ts';
import type { EndpointPool } from '../../src/pool/endpoint-pool.ts';
import { Rotation } from '../../src/pool/rotation.ts';
import { TestClock } from '../test-clock.ts';
import { loneEndpoint } from './pool-fixture.ts';

const endpoints = (count: number, clock: TestClock): EndpointPool[] =>
  Array.from({ length: count }, (_, index) => loneEndpoint(clock, `e${index}`));

t.test('latency jumps up to a worse value at once and comes down over ten seconds', async (t) => {
  const latency = new EndpointLatency();
  latency.observe(10, 1000);
  t.equal(latency.at(1000), 10);
  latency.observe(500, 2000);
  t.equal(latency.at(2000), 500);
  latency.observe(10, 2000);
  t.ok(latency.at(2000) < 500 && latency.at(2000) > 400, 'one good answer brings it down by a tenth');
  for (let index = 0; index < 60; index++) latency.observe(10, 2000);
  t.ok(latency.at(2000) < 12, 'many within a moment bring it down as well');
  const resting = new EndpointLatency();
  resting.observe(1000, 1000);
  t.ok(Math.abs(resting.at(11_000) - 1000 / Math.E) < 1, 'time without samples too');
  t.ok(resting.at(101_000) < 0.1);
  resting.observe(200, 11_000);
  t.ok(resting.at(11_000) < 368 && resting.at(11_000) > 200);
});

t.test('an ejection by connect failures grows from 1 s to 30 s', async (t) => {
  const health = new EndpointHealth(new TestClock());
  const times = Array.from({ length: 8 }, () => health.eject('connect', 60_000));
  t.same(times, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  t.ok(health.recovered());
  t.notOk(health.recovered(), 'it tells once');
});

t.test('what was well for as long as it was out is out for a step less the next time', async (t) => {
  const clock = new TestClock();
  const health = new EndpointHealth(clock);
  for (const ms of [10_000, 20_000, 40_000]) t.equal(health.eject('failures', 10_000), ms);
  health.recovered();
  clock.advance(5000);
  t.equal(health.eject('failures', 10_000), 50_000, 'a moment after it came back it is out for longer still');
  health.recovered();
  clock.advance(100_000);
  t.equal(health.eject('failures', 10_000), 20_000, 'twice as long as it was out: two steps less');
  health.recovered();
  clock.advance(1_000_000);
  t.equal(health.eject('failures', 10_000), 10_000, 'it begins again');
});

t.test('connect errors and failures grow apart', async (t) => {
  const health = new EndpointHealth(new TestClock());
  for (let index = 0; index < 5; index++) health.eject('connect', 60_000);
  t.equal(health.eject('failures', 60_000), 60_000);
});

t.test('an ejection by failures grows from breaker.recovery to five times that', async (t) => {
  const health = new EndpointHealth(new TestClock());
  const times = Array.from({ length: 5 }, () => health.eject('failures', 60_000));
  t.same(times, [60_000, 120_000, 240_000, 300_000, 300_000]);
});

t.test('an ejection ends with a trial, at its time and once', async (t) => {
  const clock = new TestClock();
  const health = new EndpointHealth(clock);
  t.notOk(health.expire(clock.now()));
  t.notOk(health.out);
  health.eject('failures', 1000);
  clock.advance(400);
  t.equal(health.remainingMs, 600);
  t.notOk(health.expire(clock.now()));
  clock.advance(600);
  t.ok(health.expire(clock.now()));
  t.notOk(health.expire(clock.now()));
  t.same(health.ejection, { state: 'trial', since: clock.now() - 1000, by: 'failures' });
  t.ok(health.out);
  t.equal(health.remainingMs, 0);
  health.consecutiveFailures = 5;
  t.ok(health.recovered());
  t.equal(health.consecutiveFailures, 5, 'until an exchange is complete, the next failure counts on');
  t.notOk(health.out);
});

t.test(
  'ready endpoints take requests before suspended ones, those before terminating ones that serve, no others',
  async (t) => {
    const clock = new TestClock();
    const rotation = new Rotation();
    const [a, b, c] = endpoints(3, clock);
    if (a === undefined || b === undefined || c === undefined) throw new Error('none');
    const all = [a, b, c];
    const inRotation = (): string[] => {
      rotation.update(all);
      return rotation.candidates.map(({ spec }) => spec.id);
    };
    b.state = 'suspended';
    c.state = 'terminating_serving';
    t.same(inRotation(), ['e0']);
    a.state = 'removed';
    t.same(inRotation(), ['e1']);
    b.state = 'unready';
    t.same(inRotation(), ['e2'], 'one that is not ready is passed over for one that still serves');
    b.state = 'terminating_serving';
    t.same(inRotation(), ['e1', 'e2']);
    c.state = 'terminating';
    t.same(inRotation(), ['e1']);
    b.state = 'unready';
    t.same(inRotation(), [], 'there is none');
    for (const each of all) each.state = 'removed';
    t.same(inRotation(), []);
  },
);

t.test('ejected endpoints are left out, except when nothing else is there', async (t) => {
  const clock = new TestClock();
  const rotation = new Rotation();
  const all = endpoints(2, clock);
  const [a, b] = all;
  if (a === undefined || b === undefined) throw new Error('none');
  const inRotation = (): string[] => {
    rotation.update(all);
    return rotation.candidates.map(({ spec }) => spec.id);
  };
  a.health.eject('connect', 0);
  t.same(inRotation(), ['e1']);
  b.health.eject('failures', 5000);
  t.same(inRotation(), ['e0', 'e1'], 'all are out: all are tried');
  clock.advance(5000);
  a.health.expire(clock.now());
  b.health.expire(clock.now());
  t.same(inRotation(), ['e1'], 'a request may try it; one that refused connects is tried in the background only');
});

t.test('at most half of the ready endpoints may be ejected, a single one never', async (t) => {
  const clock = new TestClock();
  const rotation = new Rotation();
  for (const [count, most] of [
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
  ] as const) {
    const all = endpoints(count, clock);
    let out = 0;
    for (const each of all) {
      if (!rotation.mayEject(all)) break;
      each.health.eject('connect', 0);
      out++;
    }
    t.equal(out, most, `${count} endpoints`);
  }
  const all = endpoints(4, clock);
  for (const each of all.slice(2)) each.state = 'suspended';
  all[0]?.health.eject('connect', 0);
  t.notOk(rotation.mayEject(all), 'endpoints out of rotation do not count');
});
