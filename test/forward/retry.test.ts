import t from 'tap';
import type { RetryPolicy } from '../../src/config/types.ts';
import type { AttemptFailure } from '../../src/connection/upstream.ts';
import { causeOf, mayRetry, type RetryQuestion, tellsOfEndpoint } from '../../src/forward/retry.ts';
import {
  RetryRules,
  STATUS_ANY_METHOD,
  STATUS_IF_IDEMPOTENT,
  STATUS_IF_TOLD_WHEN,
} from '../../src/routing/retry-rules.ts';
import { policyOf } from './policy-fixture.ts';

const rulesOf = (retry: Partial<RetryPolicy>): RetryRules => new RetryRules(policyOf({ retry }));

/** A GET without a retry policy, on a reused connection that closed before a byte of the answer came. */
const stale: RetryQuestion = {
  cause: 'stale',
  attempts: 1,
  repeatable: true,
  retriedStale: false,
  retriedReset: false,
  complete: true,
  kept: true,
  rules: rulesOf({ attempts: null }),
};
const reset: RetryQuestion = { ...stale, cause: 'reset' };

t.test('an idempotent request on a stale connection is retried, once, outside of the budget', async (t) => {
  t.equal(mayRetry(stale), 'safe');
  t.equal(mayRetry({ ...stale, rules: rulesOf({ attempts: 1 }) }), 'safe', 'whatever policy says');
  t.equal(mayRetry({ ...stale, complete: false }), 'safe', 'an upload goes on');
  t.equal(mayRetry({ ...stale, attempts: 3 }), 'no', 'three attempts in all');
  t.equal(mayRetry({ ...stale, retriedStale: true }), 'in_budget', 'the second counts as a reset');
  t.equal(mayRetry({ ...stale, retriedStale: true, retriedReset: true }), 'no');
  t.equal(mayRetry({ ...stale, retriedStale: true, rules: rulesOf({ attempts: 1 }) }), 'no');
});

t.test('a request that is not idempotent is lost with a stale connection', async (t) => {
  t.equal(mayRetry({ ...stale, repeatable: false }), 'not_repeatable');
  t.equal(mayRetry({ ...stale, kept: false }), 'not_kept');
});

t.test('what was provably not processed is retried whatever the method', async (t) => {
  const unprocessed: RetryQuestion = { ...stale, cause: 'unprocessed', repeatable: false };
  t.equal(mayRetry(unprocessed), 'safe');
  t.equal(mayRetry({ ...unprocessed, retriedStale: true, retriedReset: true, attempts: 2 }), 'safe');
  t.equal(mayRetry({ ...unprocessed, attempts: 3 }), 'no', 'three attempts in all');
  t.equal(
    mayRetry({ ...unprocessed, attempts: 3, rules: rulesOf({ attempts: 5 }) }),
    'in_budget',
    'or what policy says',
  );
  t.equal(mayRetry({ ...unprocessed, attempts: 5, rules: rulesOf({ attempts: 5 }) }), 'no');
  t.equal(mayRetry({ ...unprocessed, kept: false }), 'not_kept');
});

t.test('a new connection that is reset costs an idempotent request one more try', async (t) => {
  t.equal(mayRetry(reset), 'in_budget');
  t.equal(mayRetry({ ...reset, retriedReset: true }), 'no');
  t.equal(mayRetry({ ...reset, attempts: 2, retriedStale: true }), 'in_budget', 'after a stale one, too');
  t.equal(mayRetry({ ...reset, attempts: 3 }), 'no');
  t.equal(mayRetry({ ...reset, repeatable: false }), 'no');
  t.equal(mayRetry({ ...reset, complete: false }), 'no', 'the rest of its body is still to come');
  t.equal(mayRetry({ ...reset, kept: false }), 'not_kept');
});

t.test('where attempts is set it counts all tries, for the causes in `on` alone', async (t) => {
  for (const cause of ['reset', 'timeout', 'status'] as const) {
    const asked = (attempts: number, policy: Partial<RetryPolicy>): string =>
      mayRetry({ ...reset, cause, attempts, retriedReset: true, rules: rulesOf(policy) });
    t.equal(asked(1, { attempts: 1 }), 'no', cause);
    t.equal(asked(1, { attempts: 2 }), 'in_budget', cause);
    t.equal(asked(2, { attempts: 2 }), 'no', cause);
    t.equal(asked(9, { attempts: 10 }), 'in_budget', cause);
    t.equal(asked(1, { attempts: 3, on: [cause] }), 'in_budget', cause);
    const others = (['reset', 'timeout', 'status'] as const).filter((each) => each !== cause);
    t.equal(asked(1, { attempts: 3, on: others }), 'no', cause);
    t.equal(mayRetry({ ...reset, cause, repeatable: false, rules: rulesOf({ attempts: 3 }) }), 'no', cause);
    t.equal(mayRetry({ ...reset, cause, complete: false, rules: rulesOf({ attempts: 3 }) }), 'no', cause);
    t.equal(mayRetry({ ...reset, cause, kept: false, rules: rulesOf({ attempts: 3 }) }), 'not_kept', cause);
  }
});

t.test('without attempts time-outs and statuses are answers', async (t) => {
  for (const cause of ['timeout', 'status'] as const) t.equal(mayRetry({ ...reset, cause }), 'no', cause);
});

const failure = (changes: Partial<AttemptFailure>): AttemptFailure => ({
  code: 'UPSTREAM_CLOSED',
  message: '',
  unprocessed: false,
  responseStarted: false,
  connectionLost: true,
  streamCode: null,
  ...changes,
});

t.test('how an attempt ended follows from its failure', async (t) => {
  t.equal(causeOf(failure({}), true), 'stale');
  t.equal(causeOf(failure({ code: 'UPSTREAM_RESET' }), true), 'stale');
  t.equal(causeOf(failure({}), false), 'reset', 'a fresh connection that closes says something of the server');
  const stream = failure({ code: 'UPSTREAM_RESET', connectionLost: false, streamCode: 2 });
  t.equal(causeOf(stream, true), 'reset', 'a stream that the upstream reset is no stale connection');
  t.equal(causeOf(failure({ unprocessed: true, code: 'STREAM_REFUSED' }), false), 'unprocessed');
  t.equal(causeOf(failure({ responseStarted: true }), true), null);
  t.equal(causeOf(failure({ responseStarted: true, unprocessed: true }), true), null);
  t.equal(causeOf(failure({ code: 'UPSTREAM_PROTOCOL' }), true), null);
});

t.test('a stale connection says nothing about its endpoint, nor does one that is shut down in order', async (t) => {
  t.equal(tellsOfEndpoint(failure({}), true), false);
  t.equal(tellsOfEndpoint(failure({}), false), true);
  t.equal(tellsOfEndpoint(failure({ responseStarted: true }), true), true);
  t.equal(tellsOfEndpoint(failure({ unprocessed: true, connectionLost: false }), true), false);
  t.equal(tellsOfEndpoint(failure({ unprocessed: true }), false), true);
  t.equal(tellsOfEndpoint(failure({ connectionLost: false }), true), true, 'a stream alone');
});

t.test(
  'rules: a status stands for idempotent methods, for any, or for any that is told when to come back',
  async (t) => {
    const { statuses } = rulesOf({ attempts: 3, statusCodes: [429, 500, 503], unsafeStatuses: [429, 503, 529] });
    t.equal(statuses[500], STATUS_IF_IDEMPOTENT);
    t.equal(statuses[503], STATUS_IF_IDEMPOTENT | STATUS_IF_TOLD_WHEN);
    t.equal(statuses[429], STATUS_IF_IDEMPOTENT | STATUS_ANY_METHOD);
    t.equal(statuses[529], STATUS_IF_TOLD_WHEN);
    t.equal(statuses[200], 0);
    t.equal(statuses[599], 0);
    for (const off of [{ attempts: 1 }, { attempts: 3, on: ['reset'] as const }])
      t.equal(rulesOf({ statusCodes: [503], ...off }).statuses[503], 0);
  },
);

t.test('rules: what may have to be sent again is worth keeping, and nothing else', async (t) => {
  const [fresh, used, http2] = [
    { refusable: false, reused: false },
    { refusable: false, reused: true },
    { refusable: true, reused: false },
  ];
  for (const [policy, get, post] of [
    [{ attempts: null }, true, false],
    [{ attempts: 1 }, false, false],
    [{ attempts: 1, statusCodes: [503], unsafeStatuses: [429] }, false, false],
    [{ attempts: 2 }, true, false],
    [{ attempts: 2, on: [] }, false, false],
    [{ attempts: 2, on: ['timeout'] }, true, false],
    [{ attempts: 2, on: ['status'] }, false, false],
    [{ attempts: 2, on: ['status'], statusCodes: [503] }, true, false],
    [{ attempts: 2, on: ['status'], unsafeStatuses: [503] }, true, true],
  ] as const) {
    const rules = rulesOf(policy);
    const said = JSON.stringify(policy);
    t.equal(rules.mayGoAgain(fresh, false), get, said);
    t.equal(rules.mayGoAgain(fresh, true), post, said);
    t.equal(rules.mayGoAgain(used, false), true, said);
    t.equal(rules.mayGoAgain(used, true), post, said);
    t.equal(rules.mayGoAgain(http2, true), true, said);
  }
});

t.test('rules: a key counts only where it is the app’s own', async (t) => {
  const retry = { idempotencyKey: true };
  t.equal(rulesOf({}).byKey, false);
  t.equal(rulesOf(retry).byKey, true);
  t.equal(new RetryRules(policyOf({ retry, headers: { set: [], remove: ['idempotency-key'] } })).byKey, false);
  const set = [{ name: 'idempotency-key', value: 'x', file: null, prefix: '' }];
  t.equal(new RetryRules(policyOf({ retry, headers: { set, remove: [] } })).byKey, false);
});
