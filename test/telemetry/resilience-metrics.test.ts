import t from 'tap';
import { sampleValue } from './exposition-parser.ts';
import { destination, processStats } from './fake-inspector.ts';
import { countHealthy, metricsSetup } from './metrics-fixture.ts';

t.test('what resilience does has series of its own, which begin when it is used', async (t) => {
  const { labels, inspector, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const observer = labels.open('a:80', null);
  countHealthy(observer);
  inspector.stats = [destination('a:80')];
  const names = [
    'circuit_breaker_state',
    'rate_limited_total',
    'health_checks_total',
    'pool_paused',
    'pool_health_warning',
    'pool_connections_share',
    'observe_would_reuse_total',
  ];
  const plain = await scrape();
  for (const name of names) t.same(plain.get(`carpool_${name}`)?.samples, [], name);
  observer.rateLimitRefused = 3;
  observer.rateLimitQueued = 4;
  observer.healthChecks.set('passed', 8).set('failed', 2);
  observer.wouldReuse = 6;
  inspector.stats = [
    destination('a:80', {
      maxConnections: 6,
      limit: { configured: 20, scaled: null, share: 6, budget: 24 },
      paused: true,
      breaker: { state: 'half_open', failures: 7, triedAgainInMs: 0 },
      signals: ['pending'],
    }),
  ];
  for (const format of ['prometheus', 'openmetrics'] as const) {
    const families = await scrape(format);
    const is = (name: string, value: number, labels: Record<string, string> = {}) =>
      t.equal(sampleValue(families, `carpool_${name}`, { destination: 'a:80', ...labels }), value, `${name} ${format}`);
    is('circuit_breaker_state', 1);
    is('rate_limited_total', 3, { outcome: 'refused' });
    is('rate_limited_total', 4, { outcome: 'queued' });
    is('health_checks_total', 8, { outcome: 'passed' });
    is('health_checks_total', 2, { outcome: 'failed' });
    is('observe_would_reuse_total', 6);
    is('pool_paused', 1);
    is('pool_health_warning', 1, { signal: 'pending' });
    is('pool_connections_max', 6);
    is('pool_connections_share', 6);
  }
  inspector.stats = [destination('a:80', { breaker: { state: 'closed', failures: 0, triedAgainInMs: 0 } })];
  const after = await scrape();
  t.equal(sampleValue(after, 'carpool_pool_paused', { destination: 'a:80' }), 0, 'what was there goes to 0');
  t.equal(sampleValue(after, 'carpool_pool_health_warning', { destination: 'a:80', signal: 'pending' }), 0);
  t.equal(sampleValue(after, 'carpool_circuit_breaker_state', { destination: 'a:80' }), 0);
  t.equal(sampleValue(after, 'carpool_pool_connections_share', { destination: 'a:80' }), undefined);
});

t.test(
  'of several destinations under one label the breaker that is open furthest counts, and shares add up',
  async (t) => {
    const { labels, inspector, eventLoop, scrape } = metricsSetup(0);
    t.teardown(() => eventLoop.stop());
    const states = ['closed', 'open', 'half_open', 'off'] as const;
    inspector.stats = states.map((state, index) => {
      labels.open(`${index}:80`, null).requestEnded(0, 200, 1);
      return destination(`${index}:80`, {
        breaker: { state, failures: 0, triedAgainInMs: 0 },
        limit: { configured: 10, scaled: null, share: index === 3 ? null : 2, budget: null },
      });
    });
    const families = await scrape();
    t.equal(sampleValue(families, 'carpool_circuit_breaker_state', { destination: 'other' }), 2);
    t.equal(sampleValue(families, 'carpool_pool_connections_share', { destination: 'other' }), 6);
  },
);

t.test('the coordinator of a fleet and the peers show where there is one', async (t) => {
  const { inspector, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  t.equal(sampleValue(await scrape(), 'carpool_fleet_connected'), undefined);
  const fleet = { coordinator: 'redis', peers: 4, problem: null } as const;
  for (const [state, value] of [
    ['starting', 0],
    ['connected', 1],
    ['failover', 0],
  ] as const) {
    inspector.processStats = processStats({ fleet: { ...fleet, state } });
    const families = await scrape();
    t.equal(sampleValue(families, 'carpool_fleet_connected'), value, state);
    t.equal(sampleValue(families, 'carpool_fleet_peers'), 4);
  }
});
