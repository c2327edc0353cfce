import fc from 'fast-check';
import t from 'tap';
import { NONE_LEFT, RetryBudget } from '../../src/routing/retry-budget.ts';

/** How many of `asked` retries are granted. */
function granted(budget: RetryBudget, now: number, asked: number, share = 0.2, minimum = 0): number {
  let count = 0;
  for (let each = 0; each < asked; each++) if (budget.take(now, share, minimum) !== NONE_LEFT) count++;
  return count;
}

function requests(budget: RetryBudget, now: number, count: number): void {
  for (let each = 0; each < count; each++) budget.request(now);
}

t.test('retries are a share of the requests of the last ten seconds', async (t) => {
  const budget = new RetryBudget();
  requests(budget, 500_000, 100);
  t.equal(granted(budget, 500_000, 50), 20);
  t.equal(granted(budget, 500_999, 50), 0);
  requests(budget, 505_000, 10);
  t.equal(granted(budget, 505_000, 50), 2);
  t.equal(granted(budget, 509_999, 50), 0);
  t.equal(granted(budget, 510_000, 50), 0, 'ten requests, and the two retries that they allowed');
  requests(budget, 510_000, 5);
  t.equal(granted(budget, 510_000, 50), 1);
});

t.test('so many are allowed whatever the share', async (t) => {
  const budget = new RetryBudget();
  t.equal(granted(budget, 500_000, 50, 0.2, 10), 10);
  t.equal(granted(budget, 509_000, 50, 0.2, 10), 0);
  t.equal(granted(budget, 510_000, 50, 0.2, 10), 10);
  t.equal(granted(budget, 900_000, 50, 0, 0), 0, 'none at all');
});

t.test('a long silence empties the window', async (t) => {
  const budget = new RetryBudget();
  requests(budget, 500_000, 1000);
  t.equal(granted(budget, 900_000, 50), 0);
  requests(budget, 900_000, 5);
  t.equal(granted(budget, 900_000, 50), 1);
});

t.test('a retry that was not made is given back, while it counts', async (t) => {
  const budget = new RetryBudget();
  requests(budget, 500_000, 10);
  const first = budget.take(500_000, 0.2, 0);
  budget.take(503_000, 0.2, 0);
  t.equal(granted(budget, 504_000, 5), 0);
  budget.giveBack(first);
  t.equal(granted(budget, 504_000, 5), 1);
  budget.giveBack(NONE_LEFT);
  requests(budget, 511_000, 10);
  budget.giveBack(first);
  t.equal(granted(budget, 511_000, 5), 0, 'what has left the window is not given back twice');
});

t.test('over any time there are no more retries than the share of all requests', async (t) => {
  const step = fc.record({
    after: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 30_000 })),
    requests: fc.integer({ min: 0, max: 60 }),
    retries: fc.integer({ min: 0, max: 60 }),
    back: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 0, max: 2e9 }), (steps, start) => {
      const budget = new RetryBudget();
      let now = start;
      let asked = 0;
      const made: number[] = [];
      const inWindow: { readonly at: number; readonly requests: number; readonly retries: number }[] = [];
      for (const { after, requests: count, retries, back } of steps) {
        now += after;
        requests(budget, now, count);
        asked += count;
        const before = made.length;
        for (let each = 0; each < retries; each++) {
          const token = budget.take(now, 0.2, 0);
          if (token !== NONE_LEFT) made.push(token);
        }
        if (back) {
          const token = made.pop();
          if (token !== undefined && made.length >= before) budget.giveBack(token);
          else if (token !== undefined) made.push(token);
        }
        inWindow.push({ at: Math.floor(now / 1000), requests: count, retries: made.length - before });
        const recent = inWindow.filter(({ at }) => at > Math.floor(now / 1000) - 10);
        const seen = recent.reduce((sum, each) => sum + each.requests, 0);
        const spent = recent.reduce((sum, each) => sum + each.retries, 0);
        if (made.length > before && spent > 0.2 * seen) return false;
      }
      return made.length <= 0.2 * asked;
    }),
    { numRuns: 300 },
  );
  t.pass();
});
