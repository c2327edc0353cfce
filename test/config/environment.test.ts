import t from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigProblems } from '../../src/config/problems.ts';
import { SETTINGS } from '../../src/config/schema.ts';

const load = (env: Record<string, string>) => loadConfig({ file: null, env, flags: [] });

function problems(env: Record<string, string>): readonly string[] {
  try {
    load(env);
  } catch (error) {
    if (error instanceof ConfigProblems) return error.lines;
    throw error;
  }
  return [];
}

t.test('every setting but destinations has a variable of its own, made from its path', async (t) => {
  const variables = SETTINGS.flatMap(({ spec }) => spec.env ?? []);
  t.equal(variables.length, SETTINGS.length - 1);
  t.equal(new Set(variables).size, variables.length);
  const variable = (path: string) => SETTINGS.find((setting) => setting.path === path)?.spec.env;
  t.equal(variable('defaults.pool.maxConnections'), 'CARPOOL_POOL_MAX_CONNECTIONS');
  t.equal(variable('limits.maxConnections'), 'CARPOOL_LIMITS_MAX_CONNECTIONS');
  t.equal(variable('listener.allowNonLoopback'), 'CARPOOL_LISTENER_ALLOW_NON_LOOPBACK');
  t.equal(variable('defaults.retry.replayBytes'), 'CARPOOL_RETRY_REPLAY_BYTES');
  t.equal(variable('defaults.balancer'), 'CARPOOL_BALANCER');
});

t.test('text becomes the type of the setting', async (t) => {
  const { config } = load({
    CARPOOL_POOL_ENABLED: 'No',
    CARPOOL_POOL_MAX_IDLE: ' 12 ',
    CARPOOL_POOL_MAX_AGE: '0',
    CARPOOL_POOL_IDLE_TIMEOUT: '90s',
    CARPOOL_RETRY_REPLAY_BYTES: '1000',
    CARPOOL_SECURITY_CONNECT_PORTS: '443, 1024-2048',
    CARPOOL_SECURITY_ALLOW_ADDRESSES: '127.0.0.0/8,fd00::/8',
    CARPOOL_LISTENER_UPGRADE_PROTOCOLS: 'none',
    CARPOOL_CONTROL_SOCKET: 'none',
    CARPOOL_TELEMETRY_ACCESS_LOG_SAMPLE: '0.5',
    CARPOOL_VIA_MODE: 'both',
    CARPOOL_OPERATOR_HOST: '0.0.0.0',
  });
  t.equal(config.defaults.pool.enabled, false);
  t.equal(config.defaults.pool.maxIdle, 12);
  t.equal(config.defaults.pool.maxAgeMs, 0);
  t.equal(config.defaults.pool.idleTimeoutMs, 90_000);
  t.equal(config.defaults.retry.replayBytes, 1000);
  t.same(config.security.connectPorts, [
    { from: 443, to: 443 },
    { from: 1024, to: 2048 },
  ]);
  t.same(config.security.allowAddresses, ['127.0.0.0/8', 'fd00::/8']);
  t.same(config.listener.upgradeProtocols, []);
  t.equal(config.control.socket, null);
  t.equal(config.telemetry.accessLogSample, 0.5);
  t.equal(config.via.mode, 'both');
  t.equal(config.operator.host, '0.0.0.0');
});

t.test('an empty variable counts as not set', async (t) => {
  const { config, warnings } = load({ CARPOOL_POOL_MAX_IDLE: '', CARPOOL_NONSENSE: ' ', HTTP_MAX_CONNECTIONS: '' });
  t.equal(config.defaults.pool.maxIdle, 0);
  t.same(warnings, []);
});

t.test('wrong values are named by their variable, all at once', async (t) => {
  t.same(
    problems({
      CARPOOL_POOL_MAX_IDLE: 'many',
      CARPOOL_POOL_MAX_AGE: '30',
      CARPOOL_POOL_ENABLED: 'perhaps',
      CARPOOL_SECURITY_CONNECT_PORTS: '443,,80',
      HTTP_CONNECT_TIMEOUT: 'soon',
    }),
    [
      'CARPOOL_POOL_MAX_IDLE: defaults.pool.maxIdle is "many": must be a whole number from 0 to 65535',
      'CARPOOL_POOL_MAX_AGE: defaults.pool.maxAge is "30": a duration needs its unit: write 30s or 30ms (units are ms, s, m, h)',
      'CARPOOL_POOL_ENABLED: defaults.pool.enabled is "perhaps": must be true or false',
      'CARPOOL_SECURITY_CONNECT_PORTS: security.connectPorts is a list: its entry 2 is "" and must be a port or a range such as 443 or "1024-65535"',
      'HTTP_CONNECT_TIMEOUT: defaults.timeouts.connect is "soon": must be a duration such as 250ms, 30s, 5m or 1m30s (units are ms, s, m, h)',
    ],
  );
  t.match(problems({ CARPOOL_CONTROL_PORT: '9' }), [/^CARPOOL_CONTROL_PORT: control\.port needs control\.tokenFile/]);
});

t.test('the names of pool guides are read, their times in seconds', async (t) => {
  const { config, warnings, provenance } = load({
    HTTP_POOL_ENABLED: 'false',
    HTTP_MAX_CONNECTIONS: '100',
    HTTP_MAX_KEEPALIVE_CONNECTIONS: '20',
    HTTP_KEEPALIVE_EXPIRY: '300',
    HTTP_POOL_TIMEOUT: '0',
    HTTP_CONNECT_TIMEOUT: '2.5',
    HTTP_READ_TIMEOUT: '30',
    HTTP_WRITE_TIMEOUT: '10s',
  });
  t.match(config.defaults.pool, {
    enabled: false,
    maxConnections: 100,
    maxIdle: 20,
    idleTimeoutMs: 300_000,
    acquireTimeoutMs: 0,
  });
  t.match(config.defaults.timeouts, { connectMs: 2500, responseMs: 30_000, writeMs: 10_000, bodyIdleMs: 300_000 });
  t.same(warnings, []);
  t.same(provenance.get('defaults.timeouts.connect'), { kind: 'environment', name: 'HTTP_CONNECT_TIMEOUT' });
});

t.test('our own name wins over an alias; a warning says so when they differ', async (t) => {
  const { config, warnings } = load({ HTTP_POOL_TIMEOUT: '4', CARPOOL_POOL_ACQUIRE_TIMEOUT: '9s' });
  t.equal(config.defaults.pool.acquireTimeoutMs, 9000);
  t.same(warnings, [
    'HTTP_POOL_TIMEOUT: is not used, for CARPOOL_POOL_ACQUIRE_TIMEOUT sets defaults.pool.acquireTimeout to another value',
  ]);
  t.same(load({ HTTP_POOL_TIMEOUT: '9', CARPOOL_POOL_ACQUIRE_TIMEOUT: '9s' }).warnings, []);
  t.same(load({ HTTP_MAX_CONNECTIONS: '7', CARPOOL_POOL_MAX_CONNECTIONS: '7' }).warnings, []);
  t.equal(load({ HTTP_MAX_CONNECTIONS: 'x', CARPOOL_POOL_MAX_CONNECTIONS: '7' }).warnings.length, 1);
});

t.test('no kept connections is not turned into no cap', async (t) => {
  t.match(problems({ HTTP_MAX_KEEPALIVE_CONNECTIONS: '0' }), [
    /^HTTP_MAX_KEEPALIVE_CONNECTIONS: defaults\.pool\.maxIdle is "0": .*HTTP_POOL_ENABLED=false$/,
  ]);
});

t.test('the app’s proxy variables mean nothing here', async (t) => {
  const { config, warnings } = load({
    HTTP_PROXY: 'http://127.0.0.1:14140',
    HTTPS_PROXY: 'x',
    NO_PROXY: '*',
    http_proxy: 'y',
  });
  const { config: without } = load({});
  t.same(config, without);
  t.same(warnings, []);
});

t.test('a variable of ours that belongs to no setting is a warning with the nearest name', async (t) => {
  t.same(load({ CARPOOL_POOL_MAX_CONECTIONS: '5', CARPOOL_ZZZZZZZZZZZ: '1' }).warnings, [
    'CARPOOL_POOL_MAX_CONECTIONS: no setting has this variable; did you mean CARPOOL_POOL_MAX_CONNECTIONS?',
    'CARPOOL_ZZZZZZZZZZZ: no setting has this variable',
  ]);
});

t.test('what Kubernetes sets for Services called carpool, or carpool-listener, is no setting', async (t) => {
  const { config, warnings } = load({
    CARPOOL_SERVICE_HOST: '10.96.0.7',
    CARPOOL_SERVICE_PORT: '80',
    CARPOOL_SERVICE_PORT_METRICS: '14191',
    CARPOOL_PORT: 'tcp://10.96.0.7:80',
    CARPOOL_PORT_80_TCP: 'tcp://10.96.0.7:80',
    CARPOOL_PORT_80_TCP_PROTO: 'tcp',
    CARPOOL_PORT_80_TCP_PORT: '80',
    CARPOOL_PORT_80_TCP_ADDR: '10.96.0.7',
    CARPOOL_LISTENER_PORT: 'tcp://10.96.0.8:9',
    CARPOOL_OPERATOR_SERVICE_HOST: '10.96.0.9',
    CARPOOL_CONFIG: '/etc/carpool/carpool.yaml',
  });
  t.same(warnings, []);
  t.equal(config.listener.port, 14140);
  t.match(
    load({ CARPOOL_OPERATR_PORT: '9' }).warnings,
    [/did you mean CARPOOL_OPERATOR_PORT\?/],
    'but a typing error is told',
  );
});

t.test('a pod may be in a namespace, on a node and in a zone that are called other', async (t) => {
  const { config } = load({ POD_NAMESPACE: 'other', NODE_NAME: 'other', CARPOOL_ZONE: 'other', POD_IP: 'fd00::5' });
  t.match(config.discovery.kubernetes, { namespace: 'other', node: 'other', zone: 'other', podAddress: 'fd00::5' });
  const { config: fleet } = load({ CARPOOL_FLEET_COORDINATOR: 'none', CARPOOL_FLEET_REDIS_PREFIX: 'other' });
  t.equal(fleet.fleet.redis.prefix, 'other');
  t.equal(load({ NODE_NAME: 'n'.repeat(253) }).config.discovery.kubernetes.node?.length, 253);
  t.match(problems({ NODE_NAME: 'n'.repeat(254) }), [/NODE_NAME: .*at most 253 long/]);
  t.match(problems({ POD_NAMESPACE: 'shop-' }), [/POD_NAMESPACE: .*must be a name/]);
});
