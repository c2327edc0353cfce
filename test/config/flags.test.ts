import t from 'tap';
import { CONFIG_FLAGS, flagsFrom } from '../../src/config/flags.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigProblems } from '../../src/config/problems.ts';

const load = (set: string[]) => loadConfig({ file: null, env: {}, flags: flagsFrom({ set }, {}).flags });

function problems(set: string[]): readonly string[] {
  try {
    load(set);
  } catch (error) {
    if (error instanceof ConfigProblems) return error.lines;
    throw error;
  }
  return [];
}

t.test('--config names the file, else the variable CARPOOL_CONFIG', async (t) => {
  t.equal(flagsFrom({ config: '/a' }, { CARPOOL_CONFIG: '/b' }).file, '/a');
  t.equal(flagsFrom({}, { CARPOOL_CONFIG: '/b' }).file, '/b');
  t.equal(flagsFrom({}, {}).file, null);
  t.equal(flagsFrom({}, { CARPOOL_CONFIG: '' }).file, null);
  t.match(flagsFrom({}, { CARPOOL_CONFIG_IF_PRESENT: '/c' }), { file: '/c', fileMayBeMissing: true });
  t.match(flagsFrom({ config: '/a' }, { CARPOOL_CONFIG_IF_PRESENT: '/c' }), { file: '/a', fileMayBeMissing: false });
});

t.test('the short hands set their settings, and --set wins over them', async (t) => {
  const { flags } = flagsFrom({ profile: 'development', port: '1', logLevel: 'warn', set: ['listener.port=2'] }, {});
  const { config } = loadConfig({ file: null, env: {}, flags });
  t.equal(config.profile, 'development');
  t.equal(config.listener.port, 2);
  t.equal(config.telemetry.logLevel, 'warn');
  t.equal(CONFIG_FLAGS.filter((flag) => flag.repeatable).length, 1);
});

t.test('--set takes any setting; what stands behind the first = is the value', async (t) => {
  const { config } = load(['defaults.pool.maxAge=1m', 'control.socket=/run/a=b', 'security.connectPorts=443,80']);
  t.equal(config.defaults.pool.maxAgeMs, 60_000);
  t.equal(config.control.socket, '/run/a=b');
  t.equal(config.security.connectPorts.length, 2);
});

t.test('a flag that is wrong is named, with what would be right', async (t) => {
  t.same(problems(['listener.prt=1']), ['--set: listener.prt is no setting; did you mean listener.port?']);
  t.same(problems(['pool.maxAge=1s']), ['--set: pool.maxAge is no setting; did you mean defaults.pool.maxAge?']);
  t.same(problems(['pool.maxConections=5']), [
    '--set: pool.maxConections is no setting; did you mean defaults.pool.maxConnections?',
  ]);
  t.same(problems(['defaults.pool.maxConections=5']), [
    '--set: defaults.pool.maxConections is no setting; did you mean defaults.pool.maxConnections?',
  ]);
  t.same(problems(['pool.zebra=5']), ['--set: pool.zebra is no setting; did you mean defaults.pool?']);
  t.same(problems(['pool=5']), [
    '--set: pool is no setting; did you mean defaults.pool? It is a group: name one of its settings, such as defaults.pool.enabled',
  ]);
  for (const path of ['pool.maxConnections', 'defaults.pool.maxConnections'])
    t.same(problems([`${path}: 5`]), [`--set: ${path}: 5 has no =: write defaults.pool.maxConnections=5`]);
  t.same(problems(['zebra: 5']), ['--set: zebra: 5 has no =: write path=value']);
  t.same(problems(['defaults.pol.maxAge=5s']), [
    '--set: defaults.pol.maxAge is no setting; did you mean defaults.pool.maxAge?',
  ]);
  t.match(problems(['shutdown.zebra=1']), [/shutdown\.zebra is no setting; here are: grace/]);
  t.same(problems(['listener=1']), ['--set: listener is a group of settings: name one of them, such as listener.host']);
  t.same(problems(['listener.port']), ['--set: listener.port needs a value: --set path=value']);
  t.same(problems(['listener.port=']), ['--set: listener.port needs a value: --set path=value']);
  t.same(problems(['listener.port.x=1']), [
    '--set: listener.port.x is no setting: listener.port has one value and nothing inside',
  ]);
  t.same(problems(['destinations[0].match=a']), ['--set: destinations[0].match can be set in the file only']);
  t.same(problems(['destinations=a']), ['--set: destinations can be set in the file only']);
  t.match(problems(['fleet.coordinator=etcd'])[0], /fleet.coordinator is "etcd"/);
  t.match(problems(['']), [/^--set: is no setting/]);
  t.match(problems(['listener.port=x']), [/^--set: listener\.port is "x": must be a port/]);
  const { flags } = flagsFrom({ logLevel: 'loud' }, {});
  t.throws(
    () => loadConfig({ file: null, env: {}, flags }),
    /^--log-level: telemetry\.logLevel is "loud": must be one of trace/,
  );
});

t.test('a list that is written as in a file is refused with the form that a flag takes', async (t) => {
  t.same(problems(['security.allowAddresses=["10.0.0.0/8", \'127.0.0.1\']']).length, 1);
  t.match(problems(['security.allowAddresses=["10.0.0.0/8", \'127.0.0.1\']']), [
    /security\.allowAddresses.*; here a list is written bare, with commas: 10\.0\.0\.0\/8,127\.0\.0\.1$/,
  ]);
  t.match(problems(['security.allowAddresses=[]']), [/with commas: none$/]);
  t.notMatch(problems(['security.allowAddresses=localhost']), [/written bare/]);
  t.same(load(['security.allowAddresses=10.0.0.0/8,127.0.0.1']).config.security.allowAddresses, [
    '10.0.0.0/8',
    '127.0.0.1',
  ]);
});
