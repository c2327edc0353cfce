import t from 'tap';
import type { CarpoolEvent } from '../../src/observer.ts';
import { DestinationBreaker } from '../../src/routing/circuit-breaker.ts';

const POLICY = { failures: 5, recoveryMs: 10_000, destinationFailures: 3 };

function breakerWith(policy = POLICY) {
  const seen: CarpoolEvent[] = [];
  const breaker = new DestinationBreaker('orders.shop:8080', policy, { emit: (event) => seen.push(event) });
  return { breaker, types: () => seen.map(({ type }) => type), seen };
}

/** Opens it at time `now`, as failures of requests do that went out just before. */
function open(breaker: DestinationBreaker, now: number): void {
  while (breaker.stats(now).state === 'closed') breaker.failed('status 503', now, now);
}

t.test('it opens after that many failures in a row, and a whole answer between starts the count again', async (t) => {
  const { breaker, seen } = breakerWith();
  for (let index = 0; index < 2; index++) breaker.failed('status 503', 0, 1);
  breaker.answered(1);
  t.equal(breaker.stats(1).failures, 2, 'a head alone proves little');
  breaker.completed();
  for (let index = 0; index < 2; index++) breaker.failed('status 503', 1, 2);
  t.equal(breaker.refusal(2), null);
  breaker.failed('UPSTREAM_RESET', 2, 3);
  t.same(seen, [{ type: 'breaker_opened', destination: 'orders.shop:8080', forMs: 10_000, cause: 'UPSTREAM_RESET' }]);
  t.match(breaker.refusal(1003), { code: 'CIRCUIT_OPEN', retryAfterSeconds: 9, message: /3 failures in a row/ });
  t.match(breaker.refusal(10_002.5), { retryAfterSeconds: 1 }, 'never 0');
  t.same(breaker.stats(1003), { state: 'open', failures: 3, triedAgainInMs: 9000 });
  t.equal(breaker.stats(1003.4).triedAgainInMs, 9000, 'whole milliseconds');
});

t.test(
  'when its time is over one request passes; its success closes it, its failure opens it for longer',
  async (t) => {
    const { breaker, types, seen } = breakerWith();
    open(breaker, 0);
    t.equal(breaker.stats(10_000).state, 'half_open', 'one may try, and nobody has yet');
    t.equal(breaker.refusal(10_000), null);
    t.ok(breaker.passes(10_000));
    t.match(breaker.refusal(10_001), { code: 'CIRCUIT_OPEN' });
    breaker.failed('status 503', 10_000, 10_002);
    t.match(seen.at(-1), { type: 'breaker_opened', forMs: 20_000 });
    t.equal(breaker.refusal(30_002), null);
    breaker.passes(30_002);
    breaker.answered(30_003);
    t.same(types(), ['breaker_opened', 'breaker_half_open', 'breaker_opened', 'breaker_half_open', 'breaker_closed']);
    t.equal(breaker.refusal(30_004), null);
    t.notOk(breaker.passes(30_004), 'it is no trial');
  },
);

t.test('a failure right after the trial, before anything was whole, opens it again', async (t) => {
  const { breaker } = breakerWith();
  open(breaker, 0);
  breaker.refusal(10_000);
  breaker.passes(10_000);
  breaker.answered(10_000);
  breaker.failed('grpc-status 14', 10_001, 10_001);
  t.equal(breaker.stats(10_001).state, 'open');
  breaker.refusal(30_001);
  breaker.passes(30_001);
  breaker.answered(30_001);
  breaker.completed();
  breaker.failed('status 503', 30_002, 30_002);
  t.equal(breaker.stats(30_002).state, 'closed');
});

t.test('the time grows to five times breaker.recovery, and health takes the growth back', async (t) => {
  const { breaker, seen } = breakerWith();
  let now = 0;
  const times: number[] = [];
  open(breaker, now);
  for (let round = 0; round < 5; round++) {
    const opened = seen.findLast(({ type }) => type === 'breaker_opened');
    if (opened?.type === 'breaker_opened') times.push(opened.forMs);
    now += times.at(-1) ?? 0;
    breaker.refusal(now);
    breaker.passes(now);
    breaker.failed('status 503', now, now);
  }
  t.same(times, [10_000, 20_000, 40_000, 50_000, 50_000]);
});

t.test('what went out before the trial says nothing about how things are now', async (t) => {
  const { breaker } = breakerWith();
  open(breaker, 5000);
  breaker.answered(4000);
  breaker.completed();
  breaker.failed('RESPONSE_TIMEOUT', 4000, 6000);
  t.same(breaker.stats(6000), { state: 'open', failures: 3, triedAgainInMs: 9000 });
  breaker.refusal(15_000);
  breaker.passes(15_000);
  breaker.answered(14_000);
  breaker.failed('RESPONSE_TIMEOUT', 14_000, 15_001);
  breaker.left(14_000);
  t.equal(breaker.stats(15_001).state, 'half_open');
  t.match(breaker.refusal(15_001), { code: 'CIRCUIT_OPEN' });
});

t.test(
  'a trial that comes to nothing, or to nothing for as long as breaker.recovery, leaves it to the next',
  async (t) => {
    const { breaker } = breakerWith();
    open(breaker, 0);
    breaker.refusal(10_000);
    breaker.passes(10_000);
    breaker.left(10_000);
    t.equal(breaker.refusal(10_001), null, 'its app has left');
    breaker.passes(10_001);
    breaker.trialGone();
    t.equal(breaker.refusal(10_002), null, 'it got no connection, for reasons of our own');
    breaker.passes(10_002);
    t.match(breaker.refusal(20_001), { code: 'CIRCUIT_OPEN' });
    t.equal(breaker.refusal(20_002), null, 'nothing was heard of it');
  },
);

t.test('a reload to a shorter recovery holds for what is open', async (t) => {
  const { breaker } = breakerWith();
  open(breaker, 0);
  breaker.configure({ ...POLICY, recoveryMs: 1000 }, 100);
  t.equal(breaker.stats(100).triedAgainInMs, 5000);
});

t.test('switched off while it is open, it tells that it is closed', async (t) => {
  const { breaker, types } = breakerWith();
  open(breaker, 0);
  breaker.close();
  t.same(types(), ['breaker_opened', 'breaker_closed']);
  breaker.close();
  t.equal(types().length, 2);
});

t.test('an outage long ago does not make the next one longer', async (t) => {
  const { breaker, seen } = breakerWith();
  open(breaker, 0);
  for (const at of [10_000, 30_000, 70_000]) {
    breaker.refusal(at);
    breaker.passes(at);
    if (at < 70_000) breaker.failed('status 503', at, at);
    else breaker.answered(at);
  }
  breaker.completed();
  open(breaker, 75_000);
  t.match(seen.at(-1), { type: 'breaker_opened', forMs: 50_000 }, 'a moment after it closed');
  breaker.refusal(125_000);
  breaker.passes(125_000);
  breaker.answered(125_000);
  breaker.completed();
  open(breaker, 125_000 + 3_600_000);
  t.match(seen.at(-1), { type: 'breaker_opened', forMs: 10_000 });
});

t.test('what went out before a trial that closed it does not open it again', async (t) => {
  const { breaker } = breakerWith();
  open(breaker, 5000);
  breaker.refusal(15_000);
  breaker.passes(15_000);
  breaker.answered(15_000);
  for (let index = 0; index < 5; index++) breaker.failed('RESPONSE_TIMEOUT', 4000, 15_001);
  t.same(breaker.stats(15_001), { state: 'closed', failures: 2, triedAgainInMs: 0 });
  breaker.completed();
  for (let index = 0; index < 5; index++) breaker.failed('RESPONSE_TIMEOUT', 4000, 15_002);
  t.equal(breaker.refusal(15_002), null);
  for (let index = 0; index < 3; index++) breaker.failed('status 503', 15_001, 15_003);
  t.equal(breaker.stats(15_003).state, 'open', 'what went out since counts');
});
