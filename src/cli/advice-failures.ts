import { ERRORS, type ErrorCode } from '../errors.ts';
import { figure, ms, percent } from '../status/number-words.ts';
import type { Rule, Settings } from './advice-rule.ts';
import { quantileMs, sum } from './counters-reading.ts';
import { type PolicyReading, rateOf, requestsIn } from './load-window.ts';

/** What failures of a destination say about its settings. */

/** Fewer may be chance. */
const SOME = 3;
const NAMED = 5;

const isCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);
/** Own errors that the app sees as a 5xx. */
const ownFailures = (errors: ReadonlyMap<string, number>): number =>
  sum(errors, (code) => isCode(code) && ERRORS[code].status >= 500);

const paused: Rule = ({ pool }) =>
  pool.paused
    ? {
        topic: 'paused',
        found: `an operator holds the destination; ${pool.pending} requests wait`,
        advice: 'carpool resume lets them through.',
        settings: {},
      }
    : null;

const breakerOpen: Rule = ({ pool, counted }) => {
  const refused = counted.errors.get('CIRCUIT_OPEN') ?? 0;
  const open = pool.breaker === 'open' || pool.breaker === 'half_open';
  if (!open && refused === 0) return null;
  return {
    topic: 'circuit breaker',
    found: `it is ${pool.breaker === 'half_open' ? 'half open' : pool.breaker}; ${refused} requests were refused by it`,
    advice:
      'The upstream kept failing on all endpoints: look at its errors first. If it opens for single bad moments, raise breaker.destinationFailures.',
    settings: {},
  };
};

const endpointsOut: Rule = ({ pool }) => {
  if (pool.out.length === 0) return null;
  const more = pool.out.length > NAMED ? ` and ${pool.out.length - NAMED} more` : '';
  return {
    topic: 'endpoints out',
    found: `${pool.out.length} of ${pool.endpoints} endpoints are out after failures: ${pool.out.slice(0, NAMED).join(', ')}${more}`,
    advice: 'Look at their logs; /health/destinations says how each stands.',
    settings: {},
  };
};

const connectErrors: Rule = ({ counted }) => {
  // Time-outs are among the errors.
  const failed = sum(counted.connectErrors);
  const share = failed / Math.max(failed + counted.created, 1);
  if (failed < SOME || share <= 0.05) return null;
  const codes = [...counted.connectErrors]
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1])
    .slice(0, NAMED)
    .map(([code, count]) => `${code} ${count}`);
  return {
    topic: 'connect errors',
    found: `${failed} of ${failed + counted.created} connection attempts failed (${percent(share)}): ${codes.join(', ')}`,
    advice: 'carpool doctor with this destination says which endpoints take no connection, and what to look at.',
    settings: {},
  };
};

const isStale = (reason: string): boolean => reason === 'upstream_closed' || reason === 'upstream_reset';

const staleConnections: Rule = (window) => {
  const { counted, pool } = window;
  const retried = sum(counted.retries, (key) => {
    const [reason = '', outcome] = key.split(' ');
    return isStale(reason) && (outcome === 'success' || outcome === 'failure');
  });
  const share = retried / Math.max(requestsIn(window), 1);
  if (retried < SOME || share < 0.005) return null;
  const half = Math.floor(pool.idleMs / 2000);
  return {
    topic: 'stale connections',
    found: `${retried} requests (${percent(share)}) were sent again because the upstream had closed or reset the connection; idle ones are kept ${ms(pool.idleMs)} (${pool.idleSource})`,
    advice: `Raise the keep-alive timeout of the server above that, or lower pool.idleTimeout${half > 0 ? ` to ${half}s` : ''}: a GET is saved by its second try, a POST is not. Resets on new connections are crashes: look at the upstream's log.`,
    settings: half > 0 ? { 'pool.idleTimeout': `${half}s` } : {},
  };
};

const lostWrites: Rule = ({ counted, policy }) => {
  const lost = sum(counted.retries, (key) => key.endsWith(' not_allowed'));
  if (lost < SOME || counted.writes === 0) return null;
  return {
    topic: 'requests that could not be sent again',
    found: `${lost} failed and were not sent again: not idempotent (POST, PATCH), or larger than retry.replayBytes`,
    advice: policy.idempotencyKey
      ? 'Let the app send Idempotency-Key with its writes, or raise retry.replayBytes.'
      : 'If the app sends Idempotency-Key with its writes and the upstream honours it, set retry.idempotencyKey: true.',
    settings: policy.idempotencyKey ? {} : { 'retry.idempotencyKey': true },
  };
};

const tooManyRequests: Rule = (window) => {
  const { counted, policy, seconds } = window;
  const requests = requestsIn(window);
  const told = sum(counted.retries, (key) => key.startsWith('status_429 '));
  const refusedHere = sum(
    counted.errors,
    (code) => isCode(code) && ERRORS[code].status >= 400 && ERRORS[code].status < 500,
  );
  const others = Math.max(0, (counted.codes.get('4xx') ?? 0) - refusedHere);
  const topic = 'refused by the upstream';
  const passed = Math.max(1, Math.floor((((requests - Math.max(told, others)) / seconds) * 60 * 9) / 10));
  if (told >= SOME) {
    const to = policy.requestsPerMinute > 0 ? Math.min(passed, Math.floor(policy.requestsPerMinute * 0.8)) : passed;
    return {
      topic,
      found: `429 came back ${told} times in ${requests} requests`,
      advice: `Ask less often, and in turn: rateLimit.requestsPerMinute ${to} is 9 in 10 of what it took; exceeded: queue lets requests wait for their turn. Its own documentation has the true figure. All pods count.`,
      settings: { 'rateLimit.requestsPerMinute': to, 'rateLimit.exceeded': 'queue' },
    };
  }
  if (others < 20 || others / requests < 0.1) return null;
  return {
    topic: 'many 4xx',
    found: `${others} of ${requests} answers were 4xx (${percent(others / requests)}); the metrics do not say which`,
    advice: `telemetry.accessLog: errors shows the statuses. If they are 429: rateLimit.requestsPerMinute ${passed} with exceeded: queue, and preset: external-api to send them again. Others are the app's to mend.`,
    settings: {},
  };
};

const upstreamFailures: Rule = (window) => {
  const { counted, policy } = window;
  const requests = requestsIn(window);
  const answered = Math.max(0, (counted.codes.get('5xx') ?? 0) - ownFailures(counted.errors));
  const retried = sum(counted.retries, (key) => /^status_5\d\d (success|failure)$/.test(key));
  const share = answered / Math.max(requests, 1);
  if (answered < 5 || share < 0.01) return null;
  const settings: Record<string, number | readonly number[]> = {};
  const advice: string[] = [];
  const unset = policy.attempts === null && policy.statusCodes.length === 0;
  if (unset) {
    advice.push(
      'Where they are 502, 503 or 504 and the next try may do better, let GETs be sent again: retry.attempts: 3 with statusCodes (preset: external-api for an API outside).',
    );
    settings['retry.attempts'] = 3;
    settings['retry.statusCodes'] = [502, 503, 504];
  } else advice.push('Look at the log of the upstream: tries alone do not mend it.');
  if (share > 0.2 && policy.destinationFailures === null) {
    advice.push('breaker.destinationFailures: 20 spares an upstream that is down, and answers the app at once.');
    settings['breaker.destinationFailures'] = 20;
  }
  return {
    topic: 'errors of the upstream',
    found: `${answered} of ${requests} answers were its own 5xx (${percent(share)})${retried > 0 ? `, after ${retried} further tries` : ''}`,
    advice: advice.join(' '),
    settings,
  };
};

/** What another try would mend of time-outs that come now and then, by how many there are already. */
function secondTry({ attempts, retryOn }: PolicyReading): { advice: string; settings: Settings } {
  if (attempts === null)
    return { advice: ', and let GETs be sent again (retry.attempts: 2)', settings: { 'retry.attempts': 2 } };
  if (attempts === 1) return { advice: '; retry.attempts is 1, so nothing is sent again', settings: {} };
  if (retryOn.includes('timeout'))
    return { advice: `; GETs have had their ${attempts} tries by then (retry.attempts)`, settings: {} };
  const on = [...retryOn, 'timeout'];
  return {
    advice: `, and let GETs be sent again after time-outs, too (retry.on: [${on.join(', ')}])`,
    settings: { 'retry.on': on },
  };
}

const timeouts: Rule = (window) => {
  const { counted, policy } = window;
  const late = counted.errors.get('RESPONSE_TIMEOUT') ?? 0;
  const overdue = counted.errors.get('DEADLINE') ?? 0;
  const p50 = quantileMs(counted.duration, 0.5);
  const p99 = quantileMs(counted.duration, 0.99);
  if (late > 0) {
    const again = secondTry(policy);
    const slow = p50 * 10 >= policy.responseMs;
    const to = Math.ceil(policy.responseMs / 500);
    return {
      topic: 'response time-outs',
      found: `${late} requests had no answer within timeouts.response (${ms(policy.responseMs)}); half of all are done within ${ms(p50)}`,
      advice: slow
        ? `The upstream is slow on the whole: raise timeouts.response to ${to}s.`
        : `The others are answered long before: the upstream hangs at times. A longer time-out does not help; look at its log${again.advice}.`,
      settings: slow ? { 'timeouts.response': `${to}s` } : again.settings,
    };
  }
  if (overdue > 0)
    return {
      topic: 'deadlines',
      found: `${overdue} exchanges took longer than ${policy.totalMs > 0 ? `timeouts.total (${ms(policy.totalMs)}) or ` : ''}the time that the request itself allowed; 1 in 100 takes over ${ms(p99)}`,
      advice: 'Raise the one that is too short, or look for why the upstream is slow.',
      settings: {},
    };
  const limit = policy.totalMs > 0 ? Math.min(policy.totalMs, policy.responseMs) : policy.responseMs;
  if (requestsIn(window) < 100 || limit === 0 || p99 <= limit / 2) return null;
  const to = Math.ceil((p99 * 3) / 1000);
  const path = limit === policy.totalMs ? 'timeouts.total' : 'timeouts.response';
  return {
    topic: 'time-outs near',
    found: `1 in 100 takes about ${ms(p99)}, and ${path} is ${ms(limit)}`,
    advice: `Raise ${path} to ${to}s, three times that.`,
    settings: { [path]: `${to}s` },
  };
};

const rateLimited: Rule = (window) => {
  const { counted, policy } = window;
  const limit = policy.requestsPerMinute;
  if (counted.rateRefused === 0 || limit === 0) return null;
  const demand = Math.ceil(rateOf(window) * 60);
  const to = Math.ceil(demand * 1.2);
  const queues = policy.rateExceeded === 'queue';
  const topic = 'rate limit';
  const found = `${counted.rateRefused} requests were refused and ${counted.rateQueued} queued: the app calls ${demand} times a minute, rateLimit.requestsPerMinute is ${limit}`;
  if (demand > limit)
    return {
      topic,
      found,
      advice: `Set it to ${to} if the upstream allows that${queues ? '' : '; where the app may wait instead, rateLimit.exceeded: queue'}.`,
      settings: { 'rateLimit.requestsPerMinute': to },
    };
  const burst = policy.rateBurst === null ? 'what ten seconds allow' : String(policy.rateBurst);
  return {
    topic,
    found: `${found}: enough on the whole, but they come in bursts`,
    advice: queues
      ? `Raise rateLimit.burst (${burst}) if the upstream takes more at once, or rateLimit.maxWait where the app may wait longer.`
      : `Let a burst wait for its turn (rateLimit.exceeded: queue), or raise rateLimit.burst (${burst}) if the upstream takes more at once.`,
    settings: queues ? {} : { 'rateLimit.exceeded': 'queue' },
  };
};

const budgetUsedUp: Rule = ({ counted, policy }) => {
  const denied = sum(counted.retries, (key) => key.endsWith(' budget'));
  if (denied === 0) return null;
  return {
    topic: 'retry budget',
    found: `${denied} further tries were not made: more than ${percent(policy.retryBudget)} of the requests failed`,
    advice:
      'That is what keeps an outage from becoming a storm: mend the upstream rather than raise retry.budget. breaker.destinationFailures answers the app at once meanwhile.',
    settings: policy.destinationFailures === null ? { 'breaker.destinationFailures': 20 } : {},
  };
};

/** Those that another rule speaks of. */
const SPOKEN_OF =
  /^(ACQUIRE_TIMEOUT|POOL_PENDING_FULL|CIRCUIT_OPEN|RATE_LIMITED|RESPONSE_TIMEOUT|DEADLINE|DOWNSTREAM_ABORTED)$/;

const otherErrors: Rule = (window) => {
  const codes = [...window.counted.errors]
    .filter(([code, count]) => count > 0 && !SPOKEN_OF.test(code))
    .sort((a, b) => b[1] - a[1]);
  const total = codes.reduce((all, [, count]) => all + count, 0);
  const [first = ''] = codes[0] ?? [];
  if (total < SOME || total / Math.max(requestsIn(window), 1) < 0.001) return null;
  return {
    topic: "carpool's own errors",
    found: codes
      .slice(0, NAMED)
      .map(([code, count]) => `${code} ${count} (${figure(count / window.seconds)}/s)`)
      .join(', '),
    advice: isCode(first) ? ERRORS[first].hint : 'docs/errors.md says what each asks for.',
    settings: {},
  };
};

export const FAILURE_RULES: readonly Rule[] = [
  paused,
  breakerOpen,
  endpointsOut,
  connectErrors,
  upstreamFailures,
  timeouts,
  tooManyRequests,
  rateLimited,
  budgetUsedUp,
  staleConnections,
  lostWrites,
  otherErrors,
];
