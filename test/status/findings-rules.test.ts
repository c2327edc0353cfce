import t from 'tap';
import { parse } from 'yaml';
import { findingsOf } from '../../src/status/findings/findings.ts';
import type { Sight } from '../../src/status/findings/sight.ts';
import type { Finding } from '../../src/status/types.ts';
import { destinationSight, error, sight } from './made-sight.ts';

const codes = (seen: Sight): string[] => findingsOf(seen).map(({ code }) => code);

/** The only finding that there is. */
function only(seen: Sight): Finding {
  const found = findingsOf(seen);
  const [first] = found;
  if (first === undefined || found.length > 1) throw new Error(`found ${found.map(({ code }) => code).join(', ')}`);
  return first;
}

t.test('a sidecar that is well has no findings', async (t) => {
  t.same(codes(sight()), []);
});

t.test('a share of a fleet’s budget that is used up asks for a larger budget, in proportion', async (t) => {
  const destinations = [
    destinationSight(
      { maxConnections: 10, signals: ['utilization'] },
      {
        limit: { configured: 100, scaled: null, share: 10, budget: 40 },
        places: { counted: 10, taken: 10 },
        serviceMs: 1000,
      },
    ),
  ];
  const finding = only(sight({ destinations }));
  t.match(finding.title, 'share of the fleet’s budget is used up: 10 of 10 connections');
  t.equal(finding.severity, 'warning', 'nobody waits');
  // 10 a second of a second each, with headroom: 15, of which 10 are there.
  t.same(parse(finding.lines[0] ?? ''), {
    destinations: [{ match: 'orders.shop:8080', fleet: { maxConnections: 60 } }],
  });
});

t.test('a limit that pool.scaling holds down asks for patience, or for no scaling', async (t) => {
  const destinations = [
    destinationSight(
      { maxConnections: 10, signals: ['utilization'] },
      { limit: { configured: 100, scaled: 10, share: null, budget: null }, places: { counted: 10, taken: 10 } },
    ),
  ];
  const finding = only(sight({ destinations }));
  t.match(finding.detail, 'pool.scaling has the limit at 10 of 100');
  t.match(finding.lines[0], 'pool: { scaling: off }');
});

t.test('a pool of a thousand that is full is not to be larger', async (t) => {
  const destinations = [
    destinationSight(
      { maxConnections: 1000, signals: ['utilization'] },
      { limit: { configured: 1000, scaled: null, share: null, budget: null }, places: { counted: 1000, taken: 1000 } },
    ),
  ];
  const finding = only(sight({ destinations, sidecar: { maxConnections: 5000 } }));
  t.match(finding.remedies[0], 'A larger pool is no answer');
  t.same(finding.lines, []);
});

t.test('with HTTP/2 a connection is as many places as it has streams', async (t) => {
  const of = (http2: boolean) => {
    const full = { maxConnections: 10, signals: ['utilization'], requestsPerSecond: 1000 };
    const places = { counted: 10, taken: 10 };
    const destinations = [destinationSight(full, { http2, places, serviceMs: 1000 })];
    return findingsOf(sight({ destinations }))[0]?.remedies[0] ?? '';
  };
  t.match(of(false), 'Set pool.maxConnections to 1000 ');
  t.match(of(true), 'Set pool.maxConnections to 15 ');
});

t.test('the worst come first, and what explains others before them', async (t) => {
  const seen = sight({
    sidecar: { reloads: { applied: 0, refused: 1, lastError: 'pool.maxConnections must be a whole number' } },
    destinations: [destinationSight({ paused: true })],
    misuses: [{ kind: 'tls', count: 1, lastTenMinutes: 1, lastTime: 0, agoMs: 0, lastMessage: '' }],
  });
  t.same(codes(seen), ['proxy_spoken_tls', 'reload_refused', 'paused']);
});

t.test('a refused reload has what is wrong and the command that checks it', async (t) => {
  const reloads = { applied: 0, refused: 1, lastError: 'pool.maxConnections must be a whole number' };
  const finding = only(sight({ sidecar: { reloads } }));
  t.match(finding.detail, 'must be a whole number');
  t.same(finding.lines, ['carpool check /etc/carpool/carpool.yaml']);
});

t.test('a coordinator that is away, and an API server that tells no changes', async (t) => {
  const fleet = { coordinator: 'redis', state: 'failover', peers: 3, problem: 'connect ECONNREFUSED' };
  t.match(only(sight({ sidecar: { fleet } })), { code: 'fleet_failover', detail: /ECONNREFUSED.*3 sidecars/ });
  const kubernetes = { connected: false, watches: 1, problems: [{ message: '403', hint: 'Grant it list and watch.' }] };
  const finding = only(sight({ sidecar: { kubernetes } }));
  t.equal(finding.code, 'discovery_disconnected');
  t.same(finding.remedies, ['Grant it list and watch.']);
  t.same(codes(sight({ sidecar: { kubernetes: { ...kubernetes, connected: true, problems: [] } } })), []);
});

t.test('buffers: half full warns, full is an error with a size to set', async (t) => {
  t.same(codes(sight({ sidecar: { bufferedBytes: 30_000_000 } })), []);
  t.equal(only(sight({ sidecar: { bufferedBytes: 40_000_000 } })).severity, 'warning');
  const finding = only(sight({ sidecar: { bufferedBytes: 67_000_000 } }));
  t.equal(finding.severity, 'error');
  t.same(finding.lines, ['limits: { bufferBytes: 128MiB }']);
});

t.test('an unknown short name asks for its namespace, one of many names for none', async (t) => {
  const errors = [error({ destination: 'ordres:8080' })];
  const kubernetes = { connected: true, watches: 1, problems: [] };
  const short = only(sight({ sidecar: { kubernetes }, errors }));
  t.same(only(sight({ errors })).lines, ['carpool doctor ordres:8080'], 'no kubectl without Kubernetes');
  t.match(short.title, 'ordres is not known to DNS: 1 request failed');
  t.match(short.remedies[0], 'Write ordres.NAMESPACE');
  t.match(short.lines[0], 'metadata.name=ordres');
  t.equal(short.destination, null, 'its destination may be gone');
  const many = only(sight({ errors: [error({ destination: 'other', lastTenMinutes: 7 })] }));
  t.match(many.title, 'Some names are not known to DNS: 7 requests');
  t.same(many.lines, ['carpool errors']);
});

t.test('errors of a pattern’s label are no single destination’s', async (t) => {
  const rows = ['a.shop:80', 'b.shop:80'].map((name) => destinationSight({ name, label: '*.shop' }));
  t.equal(only(sight({ destinations: rows, errors: [error({ destination: '*.shop' })] })).destination, null);
});

t.test('nobody serves a Service: its pods are what to look at', async (t) => {
  const finding = only(sight({ errors: [error({ code: 'NO_ENDPOINTS' })] }));
  t.equal(finding.code, 'no_endpoints');
  t.match(finding.remedies[0], 'none of its 2 endpoints is ready');
  t.equal(finding.lines[0], 'kubectl -n shop describe service orders');
});

t.test('endpoints that are unfit: a few warn, all are an error', async (t) => {
  const unfit = [{ id: '10.0.0.1:8080', state: 'ejected' }] as const;
  const some = only(sight({ destinations: [destinationSight({ endpointsUnfit: 1 }, { unfit })] }));
  t.match(some, { code: 'endpoints_unfit', severity: 'warning', title: /1 of 2 endpoints is unfit: 10\.0\.0\.1:8080/ });
  const all = only(sight({ destinations: [destinationSight({ endpointsUnfit: 2 }, { unfit })] }));
  t.match(all, { severity: 'error', title: /All 2 endpoints are unfit/ });
});

t.test('low reuse: only with enough requests, and not while the sidecar is young', async (t) => {
  const low = destinationSight({ reuseShare: 0.3, requestsPerSecond: 20 });
  t.match(only(sight({ destinations: [low] })), { code: 'reuse_low', title: /Only 30 %/ });
  t.same(codes(sight({ destinations: [low], sidecar: { uptimeMs: 60_000 } })), []);
  t.same(codes(sight({ destinations: [destinationSight({ reuseShare: 0.3, requestsPerSecond: 1 })] })), []);
  const off = { ...low.policy, pool: { ...low.policy.pool, enabled: false } };
  t.match(only(sight({ destinations: [{ ...low, policy: off }] })).lines[0], 'pool: { enabled: true }');
});

t.test('a flapping address outside the cluster is a habit of its DNS, inside it is a pod', async (t) => {
  const flap = (name: string) => ({
    destinations: [destinationSight({ name })],
    flapping: [{ destination: name, endpoint: '10.0.0.1:80', times: 4, by: 'removed', why: null } as const],
  });
  t.same(codes(sight(flap('s3.eu-west-1.amazonaws.com:80'))), []);
  const finding = only(sight(flap('orders.shop.svc.cluster.local:80')));
  t.match(finding.title, 'Endpoint 10.0.0.1:80 is flapping: it went and came back 4 times in 10 minutes');
  t.match(finding.remedies[0], 'readiness probe');
  t.ok(finding.lines.includes('kubectl -n shop get pods -o wide --field-selector status.podIP=10.0.0.1'));
});

t.test('every finding has a title, a remedy and no empty line', async (t) => {
  const seen = sight({
    sidecar: { upstreamConnections: 1000, bufferedBytes: 67_108_864 },
    destinations: [
      destinationSight({ breaker: 'open', pending: 5, paused: true }),
      destinationSight({ name: 'b:1', discovery: { source: 'dns', state: 'failing', error: 'SERVFAIL' } }),
    ],
    misuses: (['tls', 'socks', 'server', 'operator_port', 'loopback'] as const).map((kind) => ({
      kind,
      count: 1,
      lastTenMinutes: 1,
      lastTime: 0,
      agoMs: 0,
      lastMessage: 'words',
    })),
  });
  const found = findingsOf(seen);
  t.ok(found.length >= 10);
  for (const { code, title, detail, remedies, lines } of found) {
    t.ok(title !== '' && !title.includes('\n') && detail !== '', code);
    t.ok(remedies.length > 0 && remedies.every((each) => each.endsWith('.')), `${code}: remedies are sentences`);
    t.ok(
      lines.every((each) => each.trim() !== ''),
      code,
    );
  }
});

t.test('spans that no collector took are told while traces are made', async (t) => {
  const traced = {
    ...sight().config,
    telemetry: { ...sight().config.telemetry, tracing: { ...sight().config.telemetry.tracing, enabled: true } },
  };
  t.same(codes(sight({ spansLost: 3 })), []);
  t.same(codes(sight({ config: traced })), []);
  const finding = only(sight({ config: traced, spansLost: 3 }));
  t.equal(finding.code, 'traces_lost');
  t.equal(finding.severity, 'warning');
  t.match(finding.title, '3 spans of traces lost in 10 minutes');
});

t.test('without Kubernetes no command of kubectl is told, whatever the name looks like', async (t) => {
  const discovery = { source: 'static', state: 'ready', error: null };
  const name = 'orders.shop:80';
  const errors = (code: string) => [error({ code, destination: name, lastMinute: 5, lastTenMinutes: 5 })];
  const unfit = [{ id: '10.0.0.1:80', state: 'ejected' }] as const;
  const flapping = [{ destination: name, endpoint: '10.0.0.1:80', times: 4, by: 'ejected', why: null }] as const;
  const row = { name, discovery };
  const seen = [
    sight({ destinations: [destinationSight(row)], errors: errors('CONNECT_FAILED') }),
    sight({ destinations: [destinationSight(row)], errors: errors('NO_ENDPOINTS') }),
    sight({ destinations: [destinationSight({ ...row, endpointsUnfit: 1 }, { unfit })] }),
    sight({ destinations: [destinationSight(row)], flapping }),
  ];
  const kubernetes = { connected: true, watches: 1, problems: [] };
  for (const each of seen) {
    t.notMatch(only(each).lines.join(' '), 'kubectl');
    const inCluster = { ...each, sidecar: { ...each.sidecar, kubernetes } };
    t.match(only(inCluster).lines.join(' '), 'kubectl -n shop ', 'where the sidecar has Kubernetes, any may be a pod');
  }
});

t.test('a name of the internet with two labels is no Service', async (t) => {
  const down = (name: string): string[] => {
    const errors = [error({ code: 'CONNECT_FAILED', destination: name, lastMinute: 5 })];
    return [...only(sight({ destinations: [destinationSight({ name })], errors })).lines];
  };
  t.same(down('stripe.com:443'), ['carpool doctor stripe.com:443']);
  t.match(down('orders.shop:443')[1], 'kubectl -n shop describe service orders');
});

t.test('the setting for checks that are too strict stays within their interval', async (t) => {
  const healthCheck = { timeoutMs: 4000, intervalMs: 5000, threshold: 1 };
  const well = destinationSight();
  const policy = { ...well.policy, healthCheck: { ...well.policy.healthCheck, ...healthCheck } };
  const flapping = [
    {
      destination: 'orders.shop:8080',
      endpoint: '10.0.0.1:80',
      times: 3,
      by: 'failing',
      why: 'timed out after 4000 ms',
    },
  ] as const;
  const finding = only(sight({ destinations: [{ ...well, policy }], flapping }));
  t.match(finding.lines.at(-1), 'healthCheck: { timeout: 5000ms, threshold: 3 }');
});

t.test('a command about a strange name is quoted, so that it can be copied into a shell', async (t) => {
  const commands = (name: string): string[] => {
    const errors = [error({ code: 'CONNECT_FAILED', destination: name, lastMinute: 5 })];
    const down = only(sight({ destinations: [destinationSight({ name })], errors }));
    const unknown = only(sight({ destinations: [], errors: [error({ code: 'NO_ROUTE', destination: name })] }));
    return [...down.lines, ...unknown.lines];
  };
  t.same(commands('$(reboot);x:80'), ["carpool doctor '$(reboot);x:80'", "carpool doctor '$(reboot);x:80'"]);
  t.same(commands("a'b.shop:80"), ["carpool doctor 'a'\\''b.shop:80'", "carpool doctor 'a'\\''b.shop:80'"]);
  t.equal(commands('https://api.example:443')[0], 'carpool doctor https://api.example:443');
});

t.test('a wrong variable that has led nothing here for a while is told in the past, with when', async (t) => {
  const titles = (agoMs: number): string[] =>
    findingsOf(
      sight({
        misuses: (['tls', 'socks', 'server', 'operator_port', 'loopback'] as const).map((kind) => ({
          kind,
          count: 3,
          lastTenMinutes: 3,
          lastTime: 0,
          agoMs,
          lastMessage: 'words',
        })),
      }),
    ).map(({ title }) => title);
  for (const title of titles(59_000))
    t.match(title, /^The app (speaks|calls|sends) .*, the last less than a minute ago$/);
  for (const title of titles(61_000)) t.match(title, /^The app (spoke|called|sent) .*, the last 1 minute ago$/);
  for (const title of titles(580_000)) t.match(title, /, the last 9 minutes ago$/);
});
