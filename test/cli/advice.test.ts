import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { adviseOn, asYaml } from '../../src/cli/advice.ts';
import type { LoadWindow } from '../../src/cli/load-window.ts';
import { loadConfig } from '../../src/config/load.ts';
import { healthyWindow, histogram } from './load-windows.ts';

/** What is found, as `topic: settings`. */
function topics(window: LoadWindow): string[] {
  return adviseOn(window).findings.map(({ topic, settings }) => `${topic} ${JSON.stringify(settings)}`);
}

/** The one thing that is found. */
function only(window: LoadWindow) {
  const { findings } = adviseOn(window);
  if (findings.length !== 1) t.fail(`found: ${findings.map(({ topic }) => topic).join(', ')}`);
  return findings[0];
}

t.test('of a destination that is well nothing is said but its numbers', (t) => {
  const { evidence, findings } = adviseOn(healthyWindow());
  t.same(findings, []);
  t.match(evidence, [
    /^6000 requests \(100\/s\), 20 ms on average, 99 % within about \d+ ms; 99\.2 % on a connection/,
    /^at most 4 of 1024 connections in use, 0 requests waiting$/,
    /^0 errors of carpool's own, 0 answers of 500 and above$/,
  ]);
  t.same(adviseOn(healthyWindow({ counted: { codes: new Map(), reused: 0, fresh: 0 } })), {
    evidence: ['no request ended'],
    idle: true,
    findings: [],
  });
  t.end();
});

t.test('a pool whose limit is reached grows to what Little’s law says', (t) => {
  // 100/s × 200 ms = 20 at a time, half as much again: 30.
  const finding = only(
    healthyWindow({
      peakInUse: 20,
      peakPending: 6,
      pool: { maxConnections: 20, configured: 20 },
      counted: {
        duration: histogram({ count: 6000, ms: 260 }),
        acquire: histogram({ count: 6000, ms: 60 }),
      },
    }),
  );
  t.match(finding, {
    topic: 'pool too small',
    found: /^20 of 20 connections in use, 6 requests waiting, 1 in 20 waits over \d+ ms for a connection$/,
    advice: /to 30: the load needs 30 \(100\/s × 200 ms ÷ 1000 × 1\.5\)\. Then/,
    settings: { 'pool.maxConnections': 30 },
  });
  t.end();
});

t.test('requests that wait count for the new limit, and it grows in steps', (t) => {
  const window = (peakPending: number) =>
    only(healthyWindow({ peakInUse: 20, peakPending, pool: { maxConnections: 20, configured: 20 } }))?.settings;
  t.same(window(1), { 'pool.maxConnections': 30 });
  t.same(window(25), { 'pool.maxConnections': 45 });
  t.same(window(5000), { 'pool.maxConnections': 80 });
  t.end();
});

t.test('a pool is too small by any of: its use, requests that wait at it, requests that were refused', (t) => {
  const pool = { maxConnections: 20, configured: 20 };
  t.match(topics(healthyWindow({ pool, peakInUse: 18 })), [/^pool too small/]);
  t.same(topics(healthyWindow({ pool, peakInUse: 17 })), []);
  t.match(topics(healthyWindow({ pool, peakInUse: 17, peakPending: 1 })), [/^pool too small/]);
  t.same(topics(healthyWindow({ pool, peakInUse: 16, peakPending: 1 })), [], 'they may wait for a connect');
  for (const code of ['ACQUIRE_TIMEOUT', 'POOL_PENDING_FULL'])
    t.match(topics(healthyWindow({ pool, counted: { errors: new Map([[code, 1]]) } })), [/^pool too small/], code);
  const acquire = histogram({ count: 5000, ms: 0 }, { count: 1000, ms: 60 });
  t.match(topics(healthyWindow({ pool, counted: { acquire } })), [/^pool too small/], 'nor do many wait for connects');
  t.same(
    topics(healthyWindow({ pool, counted: { acquire, fresh: 550, reused: 5450 } })),
    [],
    'where they may, they may',
  );
  t.end();
});

t.test('where a larger pool is no answer none is advised', (t) => {
  const full = { maxConnections: 1000, configured: 1000 };
  t.match(only(healthyWindow({ peakInUse: 1000, pool: full })), { advice: /no answer/, settings: {} });
  const scaled = { maxConnections: 20, configured: 40, scaled: 20 };
  t.match(only(healthyWindow({ peakInUse: 20, pool: scaled })), {
    found: /pool\.scaling has the limit at 20 of 40/,
    advice: /scaling\.cooldown/,
    settings: {},
  });
  t.end();
});

t.test('where the share of a fleet is the limit its budget is what has to grow', (t) => {
  const window = (share: number, fleetMaxConnections: number | null) =>
    healthyWindow({
      peakInUse: share,
      peakPending: 3,
      pool: { maxConnections: share, configured: 100, share },
      policy: { fleetMaxConnections },
    });
  t.match(only(window(20, 80)), {
    topic: 'fleet share',
    found: /the share of this sidecar is 20 of the 80 of the fleet/,
    settings: { 'fleet.maxConnections': 120 },
  });
  t.match(only(window(0, 5)), { topic: 'fleet share', settings: { 'fleet.maxConnections': 10 } });
  const ample = { maxConnections: 20, configured: 20, share: 20 };
  t.match(topics(healthyWindow({ peakInUse: 20, pool: ample })), [/^pool too small/], 'the own limit is as low');
  t.end();
});

t.test('HTTP/2 needs a connection for as many requests as it carries', (t) => {
  const window = (maxStreams: number) =>
    only(
      healthyWindow({
        peakInUse: 10,
        pool: { maxConnections: 10, configured: 10, http2: true },
        policy: { maxStreams },
        counted: { duration: histogram({ count: 6000, ms: 4000 }) },
      }),
    );
  t.match(window(10)?.settings, { 'pool.maxConnections': 60 });
  t.match(window(100), { advice: /÷ 100 streams/, settings: { 'pool.maxConnections': 15 } });
  t.end();
});

t.test('a limit far above what was seen may be lower, but the default is wide on purpose', (t) => {
  const pool = { maxConnections: 400, configured: 400 };
  t.match(only(healthyWindow({ pool })), {
    topic: 'pool far too large',
    found: 'at most 4 of 400 connections in use; the load needs 3 (100/s × 20 ms ÷ 1000 × 1.5)',
    settings: { 'pool.maxConnections': 10 },
  });
  t.same(topics(healthyWindow({ pool, peakInUse: 70 })), [], 'not where the peak needs it');
  t.same(topics(healthyWindow({ pool, seconds: 20 })), [], 'nor after a short look');
  t.end();
});

t.test('low reuse is explained by how connections end', (t) => {
  const low = { reused: 3000, fresh: 3000, created: 3000 };
  const by = (reason: string, changes: Parameters<typeof healthyWindow>[0] = {}) =>
    only(
      healthyWindow({
        ...changes,
        counted: {
          ...low,
          closed: new Map([
            [reason, 2900],
            ['goaway', 100],
          ]),
        },
      }),
    );
  t.match(by('idle_timeout'), {
    topic: 'low reuse',
    found: /^50 % of 6000 requests .*; 2900 of 3000 connections ended with idle_timeout$/,
    advice: /further apart than the 50 s .* \(default\)/,
    settings: { 'pool.minConnections': 'auto' },
  });
  t.match(by('idle_timeout', { pool: { idleMs: 5000, idleSource: 'configured' } }), {
    advice: /5000 ms are closed by pool\.idleTimeout/,
    settings: {},
  });
  t.match(by('upstream_closed'), { advice: /The server closes idle connections first/, settings: {} });
  t.match(by('not_reusable'), { advice: /Connection: close/, settings: {} });
  t.match(by('max_requests', { policy: { maxRequests: 2 } }), {
    advice: /pool\.maxRequests is 2/,
    settings: { 'pool.maxRequests': 0 },
  });
  t.match(by('max_age', { policy: { maxAgeMs: 1000 } }), { settings: { 'pool.maxAge': '300s' } });
  t.match(by('aborted'), { advice: /The app gives up/, settings: {} });
  t.match(by('error'), { advice: /crashes and resets/, settings: {} });
  t.match(by('rebalance'), { advice: /endpoints come and go/, settings: {} });
  t.match(by('shutdown'), { found: /100 ended$/ }, 'nobody chose that one');
  t.end();
});

t.test('low reuse without connections that end is a pool that grows, and pooling that is off is told so', (t) => {
  const counted = { reused: 3000, fresh: 3000, created: 3000, closed: new Map() };
  t.match(only(healthyWindow({ counted })), { found: /3000 connections were opened and 0 ended/ });
  t.match(only(healthyWindow({ counted, policy: { pooled: false } })), { settings: { 'pool.enabled': true } });
  t.same(topics(healthyWindow({ counted: { ...counted, reused: 5, fresh: 5 } })), [], 'ten requests say nothing');
  t.end();
});

t.test('connects that are slow against the answers ask for warm connections', (t) => {
  const counted = { reused: 5600, fresh: 400, connect: histogram({ count: 400, ms: 80 }) };
  t.match(only(healthyWindow({ counted })), {
    topic: 'slow connects',
    found: 'a new connection takes 80 ms and a request 20 ms; 400 of 6000 requests had to wait for one',
    settings: { 'pool.minConnections': 'auto' },
  });
  t.same(topics(healthyWindow({ counted, policy: { minConnections: -1 } })), [], 'they are kept already');
  const slow = { ...counted, duration: histogram({ count: 6000, ms: 900 }) };
  t.same(topics(healthyWindow({ counted: slow })), [], 'what is slow anyhow does not gain by it');
  t.same(topics(healthyWindow({ counted: { ...counted, reused: 5950, fresh: 50 } })), [], 'nor where it is rare');
  t.end();
});

t.test('mode: observe says what pooling would save', (t) => {
  const counted = {
    reused: 0,
    fresh: 6000,
    created: 6000,
    wouldReuse: 5400,
    connect: histogram({ count: 6000, ms: 10 }),
  };
  t.match(only(healthyWindow({ counted, policy: { mode: 'observe' } })), {
    found: /5400 of 6000 requests would have found an idle connection \(90 %\), 10 ms each: 54 s in all/,
    settings: { mode: 'pool' },
  });
  t.end();
});

t.test('the settings of several findings make one entry, which a sidecar takes', (t) => {
  const { findings } = adviseOn(
    healthyWindow({
      seconds: 30,
      peakInUse: 20,
      pool: { maxConnections: 20, configured: 20 },
      policy: { requestsPerMinute: 6000 },
      counted: {
        codes: new Map([
          ['2xx', 4000],
          ['5xx', 2000],
        ]),
        reused: 3000,
        fresh: 3000,
        created: 3000,
        closed: new Map([['max_requests', 3000]]),
        retries: new Map([
          ['upstream_closed success', 90],
          ['upstream_reset not_allowed', 9],
        ]),
        rateRefused: 7,
      },
    }),
  );
  const yaml = asYaml('orders.shop:8080', findings);
  const file = join(t.testdir(), 'config.yaml');
  writeFileSync(file, yaml);
  const { config } = loadConfig({ file, env: {}, flags: [] });
  t.match(config.destinations, [
    {
      match: { host: 'orders.shop', port: 8080 },
      policy: {
        pool: { maxConnections: 30, maxRequests: 0, idleTimeoutMs: 25_000 },
        retry: { attempts: 3, statusCodes: [502, 503, 504], idempotencyKey: true },
        breaker: { destinationFailures: 20 },
        rateLimit: { requestsPerMinute: 14_400 },
      },
    },
  ]);
  t.equal(asYaml('a:80', []), '');
  t.match(asYaml('*.shop:80', findings), 'match: "*.shop:80"');
  t.end();
});
