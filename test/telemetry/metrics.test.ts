import { monitorEventLoopDelay } from 'node:perf_hooks';
import t from 'tap';
import { CLOSE_REASONS, type DestinationObserver } from '../../src/observer.ts';
import { LABEL_IDLE_MS } from '../../src/telemetry/destination-labels.ts';
import { METRICS } from '../../src/telemetry/metric-definitions.ts';
import { parseExposition, sampleValue, seriesOf } from './exposition-parser.ts';
import { connection, destination, endpoint, processStats } from './fake-inspector.ts';
import { countHealthy, metricsSetup, OPENMETRICS_ACCEPT } from './metrics-fixture.ts';

t.test('what destinations counted is what a scrape shows, in both formats', async (t) => {
  const { labels, inspector, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const observer = labels.open('orders.shop:8080', null);
  observer.requestEnded(0, 200, 3);
  observer.requestEnded(0, 204, 60);
  observer.requestEnded(1, 503, 40_000, 1);
  observer.requestEnded(2, 0, 1);
  observer.connectFailed('ECONNREFUSED');
  observer.error('CONNECT_FAILED');
  observer.retried('upstream_closed', 'success');
  observer.connectionClosed('goaway');
  observer.connectionsCreated = 4;
  observer.connectTimeouts = 2;
  observer.reusedRequests = 9;
  observer.freshRequests = 1;
  observer.acquireDuration.observe(30);
  inspector.stats = [
    destination('orders.shop:8080', {
      pending: 6,
      maxConnections: 8,
      endpoints: [
        endpoint({ dialing: { http1: 1, http2: 0 }, connections: [connection('active'), connection('idle')] }),
        endpoint({
          address: '10.0.0.6',
          state: 'ejected',
          idle: { effectiveMs: 4500, source: 'learned' },
          connections: [connection('draining', { protocol: 'http2' })],
        }),
      ],
    }),
  ];
  const destinationLabel = { destination: 'orders.shop:8080' };
  for (const format of ['prometheus', 'openmetrics', 'prometheus'] as const) {
    const families = await scrape(format);
    const is = (name: string, labels: Record<string, string>, value: number | undefined) =>
      t.equal(sampleValue(families, `carpool_${name}`, { ...destinationLabel, ...labels }), value, `${name} ${format}`);
    is('requests_total', { method_class: 'read', code_class: '2xx', protocol: 'http1' }, 2);
    is('requests_total', { method_class: 'write', code_class: '5xx', protocol: 'http2' }, 1);
    is('requests_total', { method_class: 'tunnel', code_class: 'none', protocol: 'http1' }, 1);
    is('request_duration_seconds_bucket', { le: '0.001' }, 1);
    is('request_duration_seconds_bucket', { le: '0.005' }, 2);
    is('request_duration_seconds_bucket', { le: '0.1' }, 3);
    is('request_duration_seconds_bucket', { le: format === 'openmetrics' ? '30.0' : '30' }, 3);
    is('request_duration_seconds_bucket', { le: '+Inf' }, 4);
    is('request_duration_seconds_count', {}, 4);
    is('request_duration_seconds_sum', {}, 40.064);
    is('pool_acquire_duration_seconds_count', {}, 1);
    is('pool_connect_duration_seconds_count', {}, undefined);
    is('pool_connect_errors_total', { code: 'ECONNREFUSED' }, 1);
    is('pool_connect_timeouts_total', {}, 2);
    is('errors_total', { code: 'CONNECT_FAILED' }, 1);
    is('retries_total', { reason: 'upstream_closed', outcome: 'success' }, 1);
    is('pool_connections_closed_total', { reason: 'goaway' }, 1);
    is('pool_connections_created_total', {}, 4);
    is('pool_requests_total', { reused: 'true' }, 9);
    is('pool_requests_total', { reused: 'false' }, 1);
    is('pool_connections', { protocol: 'http1', state: 'active' }, 1);
    is('pool_connections', { protocol: 'http1', state: 'connecting' }, 1);
    is('pool_connections', { protocol: 'http1', state: 'idle' }, 1);
    is('pool_connections', { protocol: 'http2', state: 'draining' }, 1);
    is('pool_connections', { protocol: 'http2', state: 'idle' }, undefined);
    is('pool_connections_max', {}, 8);
    is('pool_utilization_ratio', {}, 0.25);
    is('pool_pending_requests', {}, 6);
    is('pool_learned_idle_seconds', { source: 'learned' }, 4.5);
    is('endpoints', { state: 'ready' }, 1);
    is('endpoints', { state: 'ejected' }, 1);
  }
});

t.test('the sidecar itself is measured', async (t) => {
  const { inspector, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const families = await scrape('openmetrics');
  const is = (name: string, value: number, labels: Record<string, string> = {}) =>
    t.equal(sampleValue(families, `carpool_${name}`, labels), value, name);
  is('downstream_connections', 3);
  is('exchanges', 2);
  is('tunnels', 1);
  is('upstream_connections', 4);
  is('upstream_connections_max', 10_000);
  is('buffered_bytes', 4096);
  is('buffer_limit_bytes', 33_554_432);
  is('config_reloads_total', 2, { outcome: 'applied' });
  is('config_reloads_total', 1, { outcome: 'refused' });
  is('log_dropped_lines_total', 5);
  is('build_info', 1, { version: '1.2.3', node: process.version });
  is('process_max_fds', inspector.process().limits.fileDescriptors);
  for (const name of ['resident_memory_bytes', 'heap_bytes', 'heap_used_bytes', 'external_memory_bytes', 'open_fds'])
    t.ok((sampleValue(families, `carpool_process_${name}`) ?? 0) > 0, name);
  t.ok((sampleValue(families, 'carpool_process_cpu_seconds_total', { mode: 'user' }) ?? 0) > 0);
  t.ok(seriesOf(families).length < 200);
});

t.test('Kubernetes discovery has metrics of its own from its first use on', async (t) => {
  const { inspector, discovery, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const names = ['discovery_connected', 'discovery_watches', 'endpoint_propagation_seconds_count'];
  const off = await scrape();
  for (const name of names) t.equal(sampleValue(off, `carpool_${name}`, {}), undefined, name);
  inspector.processStats = processStats({ kubernetes: { connected: null, watches: 0, problems: [] } });
  t.equal(sampleValue(await scrape(), 'carpool_discovery_connected', {}), undefined, 'nothing is known before a use');
  inspector.processStats = processStats({ kubernetes: { connected: false, watches: 2, problems: [] } });
  discovery.request('watch', 'ok');
  discovery.request('watch', 'ok');
  discovery.request('get', 'forbidden');
  discovery.event('MODIFIED');
  discovery.propagation.observe(2);
  discovery.propagation.observe(8);
  for (const format of ['prometheus', 'openmetrics'] as const) {
    const families = await scrape(format);
    const is = (name: string, value: number, labels: Record<string, string> = {}) =>
      t.equal(sampleValue(families, `carpool_${name}`, labels), value, `${name} ${format}`);
    is('discovery_connected', 0);
    is('discovery_watches', 2);
    is('discovery_requests_total', 2, { verb: 'watch', outcome: 'ok' });
    is('discovery_requests_total', 1, { verb: 'get', outcome: 'forbidden' });
    is('discovery_events_total', 1, { type: 'MODIFIED' });
    is('endpoint_propagation_seconds_bucket', 0, { le: '0.001' });
    is('endpoint_propagation_seconds_bucket', 1, { le: '0.0025' });
    is('endpoint_propagation_seconds_bucket', 2, { le: '0.01' });
    is('endpoint_propagation_seconds_bucket', 2, { le: '+Inf' });
    is('endpoint_propagation_seconds_count', 2);
    is('endpoint_propagation_seconds_sum', 0.01);
  }
});

t.test('event-loop lag is there from the second scrape on', async (t) => {
  const { eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  t.equal(sampleValue(await scrape(), 'carpool_event_loop_lag_seconds', { quantile: '1' }), undefined);
  // The monitor samples on a timer inside libuv; turns of the event loop pass until it has.
  while (eventLoop.read() === null) await new Promise((resolve) => setImmediate(resolve));
  t.ok((sampleValue(await scrape(), 'carpool_event_loop_lag_seconds', { quantile: '1' }) ?? -1) >= 0);
});

t.test('the format is the one that the scraper asks for', async (t) => {
  const { metrics, eventLoop } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const type = async (accept?: string) => (await metrics.scrape(accept)).contentType.split(';')[0];
  t.equal(await type(), 'text/plain');
  t.equal(await type('*/*'), 'text/plain');
  t.equal(await type(OPENMETRICS_ACCEPT), 'application/openmetrics-text');
  t.equal(await type('application/openmetrics-text;q=0.2,text/plain;q=0.9'), 'text/plain');
  t.equal(await type('application/openmetrics-text;q=0'), 'text/plain');
  t.equal(await type('text/plain;version=0.0.4'), 'text/plain');
});

t.test('every metric is described in both formats before anything happened', async (t) => {
  const { eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const text = await scrape('prometheus');
  const openMetrics = await scrape('openmetrics');
  for (const { name, type, help } of METRICS) {
    t.match(text.get(name), { type, help });
    t.match(openMetrics.get(type === 'counter' ? name.replace(/_total$/, '') : name), { type, help });
  }
  t.equal(text.size, METRICS.length);
});

t.test('a healthy destination of one protocol has at most 40 series', async (t) => {
  const { labels, inspector, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  countHealthy(labels.open('a:80', null));
  inspector.stats = [
    destination('a:80', {
      endpoints: [
        endpoint({ dialing: { http1: 1, http2: 0 }, connections: [connection('active'), connection('idle')] }),
      ],
    }),
  ];
  const count = seriesOf(await scrape(), 'a:80').length;
  t.ok(count <= 40, `${count} series`);
  t.ok(count > 30, `${count} series`);
});

/** Everything that can go wrong has gone wrong, with more codes than there may be label values. */
function countEverything(observer: DestinationObserver): void {
  countHealthy(observer);
  observer.acquireDuration.observe(500);
  observer.connectTimeouts = 1;
  for (const protocol of [0, 1] as const)
    for (const status of [0, 200, 302, 404, 500]) {
      observer.requestEnded(0, status, 2, protocol);
      observer.requestEnded(1, status, 2, protocol);
    }
  for (const status of [0, 101, 404, 502]) observer.requestEnded(2, status, 5);
  for (const reason of CLOSE_REASONS) observer.connectionClosed(reason);
  observer.rateLimitRefused = 3;
  observer.rateLimitQueued = 4;
  observer.healthChecks.set('passed', 8).set('failed', 2);
  for (let i = 0; i < 40; i++) {
    observer.connectFailed(`E${i}`);
    observer.error(`CODE_${i}`);
    for (const outcome of ['success', 'failure', 'not_allowed', 'budget'] as const)
      observer.retried(`reason_${i}`, outcome);
  }
}

t.test('a destination where everything happened has at most 120 series, and none of its counts is lost', async (t) => {
  const { labels, inspector, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  countEverything(labels.open('a:80', null));
  const connections = (['http1', 'http2'] as const).flatMap((protocol) =>
    (['active', 'idle', 'draining'] as const).map((state) => connection(state, { protocol })),
  );
  // `suspended` is what DNS says of an endpoint, `unready` what Kubernetes says: a destination has one or the other. And
  // one that is only observed reuses nothing.
  const states = ['ready', 'unready', 'terminating', 'removed', 'ejected', 'failing'] as const;
  inspector.stats = [
    destination('a:80', {
      limit: { configured: 20, scaled: 15, share: 10, budget: 40 },
      paused: true,
      breaker: { state: 'open', failures: 7, triedAgainInMs: 1000 },
      signals: ['pending', 'errors', 'utilization'],
      endpoints: states.map((state, i) =>
        endpoint({ state, dialing: { http1: 1, http2: 1 }, connections: i === 0 ? connections : [] }),
      ),
    }),
  ];
  const families = await scrape();
  const count = seriesOf(families, 'a:80').length;
  t.ok(count <= 120, `${count} series`);
  const sum = (name: string) => families.get(name)?.samples.reduce((total, { value }) => total + value, 0);
  t.equal(sum('carpool_errors_total'), 40);
  t.equal(sum('carpool_pool_connect_errors_total'), 40);
  t.equal(sum('carpool_retries_total'), 160);
  t.equal(sum('carpool_pool_connections_closed_total'), CLOSE_REASONS.length + 2);
  t.equal(sampleValue(families, 'carpool_errors_total', { destination: 'a:80', code: 'other' }), 33);
});

t.test('of retries for many reasons the reason becomes other, the outcome never does', async (t) => {
  const { labels, inspector, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const observer = labels.open('a:80', null);
  inspector.stats = [destination('a:80')];
  for (const status of [429, 500, 502, 503, 504, 529])
    for (const outcome of ['success', 'failure'] as const) observer.retried(`status_${status}`, outcome);
  for (let i = 0; i < 7; i++) observer.retried('status_503', 'budget');
  for (let i = 0; i < 3; i++) observer.retried('status_500', 'not_allowed');
  const families = await scrape();
  const is = (reason: string, outcome: string, value: number | undefined) =>
    t.equal(
      sampleValue(families, 'carpool_retries_total', { destination: 'a:80', reason, outcome }),
      value,
      `${reason} ${outcome}`,
    );
  is('status_429', 'success', 1);
  is('status_429', 'failure', 1);
  is('other', 'budget', 7);
  is('other', 'not_allowed', 3);
  is('other', 'other', undefined);
});

t.test(
  'a time-out and a certificate that is out of date are told by name beside the usual connect errors',
  async (t) => {
    const { labels, inspector, eventLoop, scrape } = metricsSetup();
    t.teardown(() => eventLoop.stop());
    const observer = labels.open('a:80', null);
    inspector.stats = [destination('a:80')];
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'CERT_HAS_EXPIRED']) observer.connectFailed(code);
    const families = await scrape();
    for (const code of ['ETIMEDOUT', 'CERT_HAS_EXPIRED'])
      t.equal(sampleValue(families, 'carpool_pool_connect_errors_total', { destination: 'a:80', code }), 1, code);
  },
);

t.test('a state that a connection was in once goes to 0 and does not end', async (t) => {
  const { clock, labels, inspector, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const observer = labels.open('a:80', null);
  const active = { destination: 'a:80', protocol: 'http1', state: 'active' };
  inspector.stats = [destination('a:80', { endpoints: [endpoint({ connections: [connection('active')] })] })];
  t.equal(sampleValue(await scrape(), 'carpool_pool_connections', active), 1);
  inspector.stats = [destination('a:80')];
  t.equal(sampleValue(await scrape(), 'carpool_pool_connections', active), 0);
  labels.close(observer);
  inspector.stats = [];
  t.equal(sampleValue(await scrape(), 'carpool_pool_connections', active), undefined, 'the destination is gone');
  clock.advance(LABEL_IDLE_MS);
  await scrape();
  labels.open('a:80', null);
  inspector.stats = [destination('a:80')];
  t.equal(sampleValue(await scrape(), 'carpool_pool_connections', active), undefined, 'and forgotten with its label');
});

t.test('destinations that share a label are added up', async (t) => {
  const { labels, inspector, eventLoop, scrape } = metricsSetup(1);
  t.teardown(() => eventLoop.stop());
  for (const name of ['a:80', 'b:80', 'c:80']) labels.open(name, null).requestEnded(0, 200, 1);
  inspector.stats = ['a:80', 'b:80', 'c:80'].map((name, i) =>
    destination(name, {
      pending: i + 1,
      endpoints: [
        endpoint({ idle: { effectiveMs: 1000 * (i + 1), source: 'advertised' }, connections: [connection('idle')] }),
      ],
    }),
  );
  const families = await scrape();
  t.equal(sampleValue(families, 'carpool_pool_pending_requests', { destination: 'a:80' }), 1);
  t.equal(sampleValue(families, 'carpool_pool_pending_requests', { destination: 'other' }), 5);
  t.equal(sampleValue(families, 'carpool_pool_connections_max', { destination: 'other' }), 20);
  t.equal(
    sampleValue(families, 'carpool_pool_learned_idle_seconds', { destination: 'other', source: 'advertised' }),
    2,
  );
  t.equal(sampleValue(families, 'carpool_request_duration_seconds_count', { destination: 'other' }), 2);
  t.same(seriesOf(families, 'b:80'), []);
});

t.test('label values that the app chose cannot break the format', async (t) => {
  const { labels, eventLoop, scrape } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  labels.open('we"ird\\na\nme:80', null).requestEnded(0, 200, 1);
  for (const format of ['prometheus', 'openmetrics'] as const) {
    const families = await scrape(format);
    t.ok(seriesOf(families, 'we\\"ird\\\\na\\nme:80').length > 0);
  }
});

t.test('scrapes at the same time share one answer, in each format', async (t) => {
  const { metrics, eventLoop } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  const first = metrics.scrape(undefined);
  t.equal(metrics.scrape(undefined), first);
  t.not(metrics.scrape(OPENMETRICS_ACCEPT), first);
  await first;
  t.not(metrics.scrape(undefined), first);
});

t.test('a scrape of 50 busy destinations lets the event loop run many times in between', async (t) => {
  const { labels, inspector, metrics, eventLoop } = metricsSetup();
  t.teardown(() => eventLoop.stop());
  for (let i = 0; i < 50; i++) {
    countEverything(labels.open(`service-${i}.shop.svc.cluster.local:8080`, null));
    inspector.stats.push(
      destination(`service-${i}.shop.svc.cluster.local:8080`, {
        endpoints: Array.from({ length: 4 }, (_, n) =>
          endpoint({ address: `10.0.${i}.${n}`, connections: Array.from({ length: 5 }, () => connection('active')) }),
        ),
      }),
    );
  }
  await metrics.scrape(undefined);
  let turns = 0;
  let running = true;
  const count = () => {
    turns++;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  const lag = monitorEventLoopDelay({ resolution: 1 });
  lag.enable();
  const { body } = await metrics.scrape(undefined);
  running = false;
  lag.disable();
  t.ok(seriesOf(parseExposition(body, 'prometheus')).length > 5000);
  t.ok(turns > 2, `${turns} turns`);
  t.comment(`longest hold: ${(lag.max / 1e6).toFixed(1)} ms`);
});
