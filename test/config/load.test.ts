import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Environment } from '../../src/config/environment.ts';
import { type Flag, flagsFrom } from '../../src/config/flags.ts';
import { defaultConfig, loadConfig } from '../../src/config/load.ts';

type Given = { yaml?: string; env?: Environment; set?: string[]; flags?: Flag[]; memoryLimit?: number };

/** Loads a configuration whose file stands in the directory of the test. */
function load(t: Test, { yaml, env = {}, set = [], memoryLimit = 2 ** 30 }: Given) {
  const file = yaml === undefined ? null : join(t.testdir({ 'carpool.yaml': yaml }), 'carpool.yaml');
  return loadConfig({ file, env, flags: flagsFrom({ set }, {}).flags, memoryLimit });
}

t.test('without a file, variables or flags every setting has the default of the reference', async (t) => {
  const config = defaultConfig();
  t.match(config, {
    profile: 'production',
    listener: {
      host: '127.0.0.1',
      port: 14140,
      allowNonLoopback: false,
      originForm: 'refuse',
      idleTimeoutMs: 0,
      headTimeoutMs: 10_000,
      maxHeadBytes: 65_536,
      maxFields: 200,
      maxTargetBytes: 16_384,
      maxConnections: 10_000,
      upgradeProtocols: ['websocket'],
    },
    operator: { enabled: true, host: '::', port: 14191 },
    control: { socket: '/run/carpool/control.sock', port: null, tokenFile: null },
    security: {
      allowAddresses: [],
      connectPorts: [
        { from: 443, to: 443 },
        { from: 80, to: 80 },
        { from: 8080, to: 8080 },
        { from: 1024, to: 65_535 },
      ],
    },
    connect: {
      tlsPorts: [443, 6443, 8443, 9443, 10250].map((port) => ({ from: port, to: port })),
      sniffTimeoutMs: 50,
    },
    http2: { maxStreams: 256, pingAfterMs: 30_000, webSocket: false },
    discovery: {
      emptyWaitMs: 1000,
      dns: { minTtlMs: 5000, maxTtlMs: 60_000, hostsFile: '/etc/hosts', resolvConf: '/etc/resolv.conf' },
    },
    limits: { maxConnections: 10_000, tunnels: 1024, destinations: 10_000 },
    via: { mode: 'off', maxSelf: 3 },
    telemetry: {
      logLevel: 'info',
      accessLog: 'off',
      accessLogPath: false,
      maxDestinations: 50,
      poolLogIntervalMs: 60_000,
    },
    shutdown: { graceMs: 30_000 },
  });
  t.same(config.defaults, {
    mode: 'pool',
    fleetMaxConnections: null,
    balancer: 'p2c',
    slowStartMs: 0,
    protocol: 'auto',
    tls: { originate: false, ca: null, cert: null, key: null, serverName: null, minVersion: 'TLSv1.2' },
    vanished: null,
    pool: {
      enabled: true,
      maxConnections: 1024,
      maxIdle: 0,
      minConnections: 0,
      scaling: 'off',
      pauseTimeoutMs: 60_000,
      idleTimeoutMs: null,
      maxAgeMs: 300_000,
      maxAgeGraceMs: 0,
      maxRequests: 0,
      unsafeMaxIdleMs: 4000,
      acquireTimeoutMs: 5000,
      maxPending: 1000,
      maxStreams: 100,
      tcpKeepAliveMs: 30_000,
      sweepIntervalMs: 1000,
    },
    timeouts: {
      connectMs: 10_000,
      connectAttemptMs: 1000,
      responseMs: 600_000,
      bodyIdleMs: 300_000,
      writeMs: 300_000,
      streamIdleMs: 3_600_000,
      totalMs: 0,
    },
    retry: {
      attempts: null,
      on: ['reset', 'timeout', 'status'],
      statusCodes: [],
      unsafeStatuses: [],
      backoffBaseMs: 500,
      backoffMaxMs: 60_000,
      idempotencyKey: false,
      budget: 0.2,
      budgetMinimum: 10,
      replayBytes: 65_536,
    },
    breaker: { failures: 5, recoveryMs: 60_000, destinationFailures: null },
    healthCheck: {
      enabled: false,
      kind: 'tcp',
      intervalMs: 15_000,
      timeoutMs: 5000,
      threshold: 3,
      path: '',
      port: null,
      service: null,
    },
    rateLimit: { requestsPerMinute: 0, burst: null, exceeded: 'refuse', maxWaitMs: 30_000 },
    sticky: { by: 'address', name: null },
    scaling: { cooldownMs: 300_000, windowMs: 3_600_000 },
    headers: { set: [], remove: [] },
    eviction: { graceMs: 300_000 },
  });
  t.same(config.destinations, []);
});

t.test('a configuration is frozen all the way down', async (t) => {
  const { config } = load(t, { yaml: 'destinations: [{ match: a, endpoints: ["10.0.0.1:80"] }]' });
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.defaults.pool));
  t.ok(Object.isFrozen(config.destinations[0]?.endpoints?.[0]));
});

t.test('later sources win: defaults, profile, preset, file, environment, flags', async (t) => {
  const max = (given: Given): [number, string | undefined] => {
    const { config, provenance } = load(t, given);
    return [config.defaults.pool.maxConnections, provenance.get('defaults.pool.maxConnections')?.kind];
  };
  const profile = 'profile: development\n';
  const preset = `${profile}defaults: { preset: classic`;
  const file = `${preset}, pool: { maxConnections: 3 } }`;
  const env = { CARPOOL_POOL_MAX_CONNECTIONS: '4' };
  t.same(max({}), [1024, 'default']);
  t.same(max({ yaml: profile }), [20, 'profile']);
  t.same(max({ yaml: `${preset} }` }), [100, 'preset']);
  t.same(max({ yaml: file }), [3, 'file']);
  t.same(max({ yaml: file, env }), [4, 'environment']);
  t.same(max({ yaml: file, env, set: ['defaults.pool.maxConnections=5'] }), [5, 'flag']);
  t.same(max({ set: ['defaults.pool.maxConnections=5', 'defaults.pool.maxConnections=6'] }), [6, 'flag']);
});

t.test('provenance names the place in the file, the variable and the flag', async (t) => {
  const { provenance } = load(t, {
    yaml: 'listener:\n  port: 1\ndestinations:\n  - match: a\n    pool: { maxIdle: 3 }\n    preset: classic\n',
    env: { CARPOOL_OPERATOR_PORT: '2' },
    set: ['profile=development'],
  });
  t.match(provenance.get('listener.port')?.name, /carpool\.yaml:2:3$/);
  t.match(provenance.get('destinations[0].pool.maxIdle')?.name, /carpool\.yaml:5:13$/);
  t.same(provenance.get('destinations[0].pool.maxConnections'), { kind: 'preset', name: 'classic' });
  t.same(provenance.get('operator.port'), { kind: 'environment', name: 'CARPOOL_OPERATOR_PORT' });
  t.same(provenance.get('profile'), { kind: 'flag', name: '--set' });
  t.same(provenance.get('telemetry.logLevel'), { kind: 'profile', name: 'development' });
  t.equal(provenance.has('destinations[0].pool.maxAge'), false, 'what a destination inherits has no place of its own');
});

t.test('profile development has 20 connections, an access log of errors and debug logs, from any source', async (t) => {
  for (const given of [
    { yaml: 'profile: development' },
    { env: { CARPOOL_PROFILE: 'development' } },
    { yaml: 'profile: production', set: ['profile=development'] },
  ]) {
    const { config } = load(t, given);
    t.equal(config.profile, 'development');
    t.equal(config.defaults.pool.maxConnections, 20);
    t.equal(config.telemetry.accessLog, 'errors');
    t.equal(config.telemetry.logLevel, 'debug');
  }
});

t.test('preset classic has the tight values of pooling guides', async (t) => {
  const classic = {
    pool: { maxConnections: 100, maxIdle: 20, idleTimeoutMs: 300_000, acquireTimeoutMs: 5000 },
    timeouts: { connectMs: 10_000, responseMs: 30_000, writeMs: 10_000 },
  };
  t.match(load(t, { env: { CARPOOL_PRESET: 'classic' } }).config.defaults, classic);
  const { config } = load(t, { yaml: 'destinations: [{ match: a, preset: classic }, { match: b }]' });
  t.match(config.destinations[0]?.policy, classic);
  t.same(config.destinations[1]?.policy, config.defaults);
});

t.test('a destination starts from the effective defaults, then its preset, then its own values', async (t) => {
  const { config } = load(t, {
    yaml: `
defaults: { pool: { maxIdle: 7, maxConnections: 8 }, timeouts: { response: 1m }, balancer: round_robin, vanished: evict }
destinations:
  - match: "a:80"
    preset: classic
    pool: { maxIdle: 9 }
  - match: "b"
    vanished: keep
    pool: { idleTimeout: 20s }
`,
    env: { CARPOOL_POOL_MAX_AGE: '30s', CARPOOL_POOL_MAX_IDLE: '6' },
    set: ['defaults.pool.idleTimeout=10s'],
  });
  const [a, b] = config.destinations;
  t.equal(a?.policy.pool.maxIdle, 9, 'its own');
  t.equal(a?.policy.pool.maxConnections, 100, 'the preset is above the file’s defaults');
  t.equal(a?.policy.timeouts.responseMs, 30_000);
  t.equal(a?.policy.pool.maxAgeMs, 30_000, 'a variable sets the default');
  t.equal(a?.policy.balancer, 'round_robin');
  t.equal(a?.policy.vanished, 'evict');
  t.equal(b?.policy.pool.maxIdle, 6, 'a variable is above the file’s defaults');
  t.equal(b?.policy.pool.idleTimeoutMs, 20_000);
  t.equal(b?.policy.vanished, 'keep');
  t.same(b?.match, { host: 'b', port: null });
});

t.test('null takes a default away from one destination', async (t) => {
  const { config } = load(t, {
    yaml: 'defaults: { pool: { idleTimeout: 10s }, vanished: keep }\ndestinations: [{ match: a, vanished: null, pool: { idleTimeout: null } }]',
  });
  t.equal(config.destinations[0]?.policy.pool.idleTimeoutMs, null);
  t.equal(config.destinations[0]?.policy.vanished, null);
});

t.test('a destination has a label, static endpoints, a local port and a base path', async (t) => {
  const { config, warnings } = load(t, {
    yaml: `destinations:
  - { name: legacy, match: "Legacy:9000", endpoints: ["10.0.0.5:9000", "[fd00::6]:9000"], localPort: 14151, basePath: /v1/ }`,
  });
  const { policy: _policy, ...destination } = config.destinations[0] ?? { policy: null };
  t.same(destination, {
    name: 'legacy',
    match: { host: 'legacy', port: 9000 },
    localPort: 14151,
    basePath: '/v1',
    endpoints: [
      { address: '10.0.0.5', port: 9000 },
      { address: 'fd00::6', port: 9000 },
    ],
    to: null,
    mode: null,
    fleet: { maxConnections: null },
  });
  t.same(warnings, []);
});

t.test('limits.bufferBytes is a quarter of the memory limit, at least 32 MiB, or what is said', async (t) => {
  t.equal(load(t, { memoryLimit: 2 ** 30 }).config.limits.bufferBytes, 2 ** 28);
  t.equal(load(t, { memoryLimit: 2 ** 26 }).config.limits.bufferBytes, 2 ** 25);
  t.equal(load(t, { yaml: 'limits: { bufferBytes: 4MiB }' }).config.limits.bufferBytes, 2 ** 22);
  t.equal(load(t, { yaml: 'limits: { bufferBytes: auto }' }).config.limits.bufferBytes, 2 ** 28);
  t.equal(load(t, { env: { CARPOOL_LIMITS_BUFFER_BYTES: '8388608' } }).config.limits.bufferBytes, 2 ** 23);
  t.ok(defaultConfig().limits.bufferBytes >= 2 ** 25);
});

t.test('via may be written short, and groups may be empty', async (t) => {
  const { config } = load(t, { yaml: 'via: both\nlistener:\noperator: {}\ndiscovery: { dns: }\n' });
  t.equal(config.via.mode, 'both');
  t.equal(config.listener.port, 14140);
});

t.test('an empty file is all defaults and a warning', async (t) => {
  for (const yaml of ['', '\n', '# nothing\n', '---\n']) {
    const { config, warnings } = load(t, { yaml });
    t.equal(config.listener.port, 14140);
    t.match(warnings, [/carpool\.yaml: is empty/]);
  }
});

t.test('anchors, aliases and merge keys work', async (t) => {
  const { config } = load(t, {
    yaml: 'destinations:\n  - { match: a, pool: &tight { maxConnections: 2 } }\n  - { match: b, pool: *tight }\n  - { match: c, pool: { <<: *tight, maxIdle: 1 } }\n',
  });
  t.same(
    config.destinations.map(({ policy }) => policy.pool.maxConnections),
    [2, 2, 2],
  );
  t.equal(config.destinations[2]?.policy.pool.maxIdle, 1);
});

t.test('YAML 1.2 words are words: accessLog off is no boolean', async (t) => {
  t.equal(load(t, { yaml: 'telemetry: { accessLog: off }' }).config.telemetry.accessLog, 'off');
});

t.test('a thousand destinations are read without quadratic work', async (t) => {
  const yaml = `destinations:\n${Array.from({ length: 1000 }, (_, n) => `  - { match: "s${n}.shop:80", pool: { maxIdle: ${n} } }\n`).join('')}`;
  const { config } = load(t, { yaml });
  t.equal(config.destinations.length, 1000);
  t.equal(config.destinations[999]?.policy.pool.maxIdle, 999);
});
