import { figure, ms, percent } from '../status/number-words.ts';
import { HEADROOM, LARGEST_POOL, nextLimit, poolSize, SMALLEST_POOL } from '../status/pool-size.ts';
import type { Rule } from './advice-rule.ts';
import { meanMs, quantileMs, sum } from './counters-reading.ts';
import { type LoadWindow, rateOf, requestsIn, serviceMs } from './load-window.ts';

/** What the limits, reuse and connects of a pool say about its settings. */

/** Above this share of its limit a pool is as good as full at its peaks. */
const FULL = 0.85;
/** With this share in use a pool is too small even where nothing was seen to wait. */
const BRIMFUL = 0.9;
const SLOW_ACQUIRE_MS = 25;
/** With fewer new connections than this those that wait longest do not wait for a connect. */
const FEW_FRESH = 0.04;
const DEFAULT_LIMIT = 1024;
const GOOD_REUSE = 0.9;
const SLOW_CONNECT_MS = 20;
/** Below so many nothing can be said about shares. */
const ENOUGH = 20;

const clamp = (value: number): number => Math.min(Math.max(value, SMALLEST_POOL), LARGEST_POOL);

/** Little's law: how many connections the load needs, and how that comes about. */
function needed(window: LoadWindow): { connections: number; words: string } {
  const { pool, policy } = window;
  const streams = pool.http2 ? Math.max(1, policy.maxStreams) : 1;
  const { wanted } = poolSize(rateOf(window), serviceMs(window));
  const words = `${figure(rateOf(window))}/s × ${ms(serviceMs(window))} ÷ 1000 × ${HEADROOM}`;
  return {
    connections: Math.ceil(wanted / streams),
    words: streams === 1 ? words : `${words} ÷ ${streams} streams`,
  };
}

const tooSmall: Rule = (window) => {
  const { counted, pool, peakInUse, peakPending, policy } = window;
  const limit = pool.maxConnections;
  const use = limit === 0 ? 1 : peakInUse / limit;
  const refused = sum(counted.errors, (code) => code === 'ACQUIRE_TIMEOUT' || code === 'POOL_PENDING_FULL');
  const acquireMs = quantileMs(counted.acquire, 0.95);
  const late = acquireMs > SLOW_ACQUIRE_MS;
  const lateForOthers = late && counted.fresh / Math.max(counted.fresh + counted.reused, 1) < FEW_FRESH;
  if (refused === 0 && use < BRIMFUL && !lateForOthers && !((late || peakPending > 0) && use >= FULL)) return null;
  const seen = [peakInUse > 0 ? `${peakInUse} of ${limit} connections in use` : `the limit is ${limit}`];
  if (peakPending > 0) seen.push(`${peakPending} requests waiting`);
  if (late) seen.push(`1 in 20 waits over ${ms(acquireMs)} for a connection`);
  if (refused > 0) seen.push(`${refused} requests refused for want of one`);
  const found = seen.join(', ');
  const need = needed(window);
  const to = nextLimit(need.connections, limit, peakInUse + peakPending);
  const shared = pool.share !== null && pool.share === limit && limit < (pool.scaled ?? pool.configured);
  if (shared) {
    const budget = policy.fleetMaxConnections ?? 0;
    const larger = limit === 0 ? budget * 2 : Math.ceil((budget * to) / limit);
    return {
      topic: 'fleet share',
      found: `${found}; the share of this sidecar is ${limit} of the ${budget} of the fleet`,
      advice: `Set fleet.maxConnections to ${larger} if the upstream can take them, or run fewer pods: this one needs ${to} (${need.words}).`,
      settings: budget === 0 ? {} : { 'fleet.maxConnections': larger },
    };
  }
  const topic = 'pool too small';
  if (to <= pool.configured && pool.scaled !== null)
    return {
      topic,
      found: `${found}; pool.scaling has the limit at ${limit} of ${pool.configured}`,
      advice: 'Wait for the next step (scaling.cooldown), or set pool.scaling: off if the load comes in bursts.',
      settings: {},
    };
  if (limit >= LARGEST_POOL)
    return {
      topic,
      found: `${found}; a request takes ${ms(serviceMs(window))}`,
      advice: 'A larger pool is no answer: look for why the upstream is that slow, or give the app more pods.',
      settings: {},
    };
  return {
    topic,
    found,
    advice: `Set pool.maxConnections to ${to}: the load needs ${need.connections} (${need.words})${
      to === need.connections ? '' : `, and with those that wait there were ${peakInUse + peakPending} at a time`
    }. Then look again: what waits now shows its load only then.`,
    settings: { 'pool.maxConnections': to },
  };
};

const tooLarge: Rule = (window) => {
  const { pool, peakInUse, peakPending, seconds } = window;
  // The default is wide on purpose, and a limit costs nothing. A few seconds say little about the peak.
  if (pool.configured === DEFAULT_LIMIT || seconds < 30 || requestsIn(window) < 100) return null;
  if (pool.maxConnections < pool.configured || peakPending > 0) return null;
  const need = needed(window);
  const to = clamp(Math.max(need.connections, Math.ceil(peakInUse * HEADROOM)));
  if (to * 4 > pool.configured) return null;
  return {
    topic: 'pool far too large',
    found: `at most ${peakInUse} of ${pool.configured} connections in use; the load needs ${need.connections} (${need.words})`,
    advice: `pool.maxConnections may be ${to}. A limit costs nothing: lower it only where it is to protect the upstream, and watch the busiest hour first.`,
    settings: { 'pool.maxConnections': to },
  };
};

/** What a reason for the end of connections says about a low reuse rate. */
function whyClosed(reason: string, window: LoadWindow): { advice: string; settings: Record<string, string | number> } {
  const { pool, policy } = window;
  const kept = ms(pool.idleMs);
  switch (reason) {
    case 'idle_timeout':
      if (pool.idleSource === 'configured')
        return {
          advice: `Connections idle for ${kept} are closed by pool.idleTimeout: raise it to what the server allows, or leave it out so that it is learned.`,
          settings: {},
        };
      return {
        advice: `Requests come further apart than the ${kept} that an idle connection may be trusted (${pool.idleSource}): raise the server's keep-alive timeout, or keep connections ready with pool.minConnections: auto.`,
        settings: { 'pool.minConnections': 'auto' },
      };
    case 'upstream_closed':
      return {
        advice: `The server closes idle connections first, after ${kept} or so: set its keep-alive timeout above the idle time of the app's calls (65 s is usual).`,
        settings: {},
      };
    case 'not_reusable':
      return {
        advice:
          'The server ends the connection with each response (Connection: close, HTTP/1.0, or a body without length): turn keep-alive on there, and let it send Content-Length or chunks.',
        settings: {},
      };
    case 'max_requests':
      return {
        advice: `pool.maxRequests is ${policy.maxRequests}: raise it, or leave it out.`,
        settings: { 'pool.maxRequests': 0 },
      };
    case 'max_age':
      return {
        advice: `pool.maxAge is ${ms(policy.maxAgeMs)}: raise it (300s is the default).`,
        settings: policy.maxAgeMs < 300_000 ? { 'pool.maxAge': '300s' } : {},
      };
    case 'aborted':
      return {
        advice:
          'The app gives up before the response is complete, and on HTTP/1.1 that costs the connection: raise its time-outs, or use HTTP/2 to the upstream.',
        settings: {},
      };
    case 'error':
    case 'protocol_error':
      return {
        advice: 'Connections end with errors: look at the log of the upstream for crashes and resets.',
        settings: {},
      };
    default:
      return {
        advice: `Most connections ended with ${reason}: endpoints come and go. Look at whether rollouts or restarts are that frequent.`,
        settings: {},
      };
  }
}

const lowReuse: Rule = (window) => {
  const { counted, policy } = window;
  const served = counted.reused + counted.fresh;
  if (policy.mode === 'observe' || served < ENOUGH || counted.reused / served >= GOOD_REUSE) return null;
  const topic = 'low reuse';
  const found = `${percent(counted.reused / served)} of ${served} requests on a connection that had served before (over 90 % is good)`;
  if (!policy.pooled)
    return {
      topic,
      found: `${found}: pool.enabled is false`,
      advice: 'Set pool.enabled: true.',
      settings: { 'pool.enabled': true },
    };
  const ends = [...counted.closed].filter(
    ([reason, count]) => count > 0 && reason !== 'shutdown' && reason !== 'admin',
  );
  const all = ends.reduce((total, [, count]) => total + count, 0);
  const [reason, most] = ends.sort((a, b) => b[1] - a[1])[0] ?? ['', 0];
  if (all < counted.fresh / 2 || reason === '')
    return {
      topic,
      found: `${found}; ${counted.created} connections were opened and ${all} ended`,
      advice:
        'The pool is still growing to its load: look again later. Where bursts do this again and again, pool.minConnections: auto keeps them ready.',
      settings: policy.minConnections === 0 ? { 'pool.minConnections': 'auto' } : {},
    };
  return { topic, found: `${found}; ${most} of ${all} connections ended with ${reason}`, ...whyClosed(reason, window) };
};

const slowConnects: Rule = (window) => {
  const { counted, policy } = window;
  const served = counted.reused + counted.fresh;
  const connectMs = meanMs(counted.connect);
  const often = counted.fresh / Math.max(served, 1) > 0.05;
  if (policy.mode === 'observe' || policy.minConnections !== 0 || served < ENOUGH || !often) return null;
  if (connectMs < SLOW_CONNECT_MS || connectMs < serviceMs(window) / 4) return null;
  return {
    topic: 'slow connects',
    found: `a new connection takes ${ms(connectMs)} and a request ${ms(serviceMs(window))}; ${counted.fresh} of ${served} requests had to wait for one`,
    advice: 'Keep connections ready: pool.minConnections: auto learns how many.',
    settings: { 'pool.minConnections': 'auto' },
  };
};

const observed: Rule = (window) => {
  const { counted, policy } = window;
  if (policy.mode !== 'observe') return null;
  const served = counted.reused + counted.fresh;
  const connectMs = meanMs(counted.connect);
  const saved = counted.wouldReuse * connectMs;
  return {
    topic: 'mode: observe',
    found: `nothing is pooled; ${counted.wouldReuse} of ${served} requests would have found an idle connection (${percent(counted.wouldReuse / Math.max(served, 1))}), ${ms(connectMs)} each: ${ms(saved)} in all`,
    advice: 'Set mode: pool to have that.',
    settings: { mode: 'pool' },
  };
};

export const POOL_RULES: readonly Rule[] = [tooSmall, tooLarge, observed, lowReuse, slowConnects];
