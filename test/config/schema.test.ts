import t from 'tap';
import { configPath, explain } from '../../src/config/explain.ts';
import { FORMATS } from '../../src/config/formats.ts';
import { defaultConfig, loadConfig } from '../../src/config/load.ts';
import { SCHEMA, SETTINGS } from '../../src/config/schema.ts';
import { flatten, type SettingSpec, valueAt } from '../../src/config/setting.ts';
import { certificates } from '../discovery/kubernetes/certificates.ts';

/** Text for a value that is right and not the default. */
function another(spec: SettingSpec): string {
  switch (spec.format) {
    case 'duration':
      return `${Math.max(7, (spec.min ?? 0) / 1000 + 1)}s`;
    case 'size':
      return '1MiB';
    case 'count':
    case 'countOrWord':
      return String(Number(spec.default) + 1);
    case 'ratio':
      return '0.5';
    case 'boolean':
      return String(!spec.default);
    case 'choices':
      return 'reset';
    case 'statuses':
      return '429';
    case 'fieldName':
    case 'fieldNames':
      return 'x-another';
    case 'headerSet':
      return '{"x-a":{"file":"/k"},"x-b":"c"}';
    case 'redisUrl':
      return 'redis://10.0.0.1:6379/2';
    case 'proxyUrl':
      return 'http://proxy:3128';
    case 'noProxy':
      return '.another,10.0.0.0/9';
    case 'basePath':
      return '/another';
    case 'choice':
      return spec.choices?.find((choice) => choice !== spec.default) ?? '';
    case 'port':
      return '15000';
    case 'host':
      return '127.0.0.2';
    case 'path':
      return '/another/path';
    case 'ports':
      return '9';
    case 'addressRanges':
      return '10.0.0.0/8';
    case 'autoBoolean':
      return 'true';
    case 'httpsUrl':
      return 'https://10.0.0.1:6443';
    case 'collectorUrl':
      return 'http://collector:4318/own';
    case 'tokens':
    case 'namespaces':
    case 'label':
    case 'name':
    case 'serverName':
      return 'another';
    default:
      return '';
  }
}

const settable = SETTINGS.filter(
  ({ path }) => path !== 'destinations' && path !== 'profile' && path !== 'defaults.preset',
);

type Partner = readonly [path: string, text?: string];

/** Settings that are refused without others. */
const FLEET: readonly Partner[] = [
  ['fleet.coordinator', 'kubernetes'],
  ['fleet.service', 'shop'],
];
const PARTNERS: Readonly<Record<string, readonly Partner[]>> = {
  'control.port': [['control.tokenFile']],
  'defaults.tls.cert': [['defaults.tls.key']],
  'defaults.tls.key': [['defaults.tls.cert']],
  'defaults.retry.statusCodes': [['defaults.retry.attempts', '3']],
  'defaults.retry.unsafeStatuses': [['defaults.retry.attempts', '3']],
  'defaults.sticky.by': [['defaults.sticky.name', 'x-key']],
  'defaults.sticky.name': [['defaults.sticky.by', 'header']],
  'defaults.rateLimit.burst': [['defaults.rateLimit.requestsPerMinute', '60']],
  'fleet.coordinator': [['fleet.service', 'shop']],
  'fleet.maxConnections': FLEET,
};

t.test('every setting reaches the configuration, by its variable and by --set alike, and alone', async (t) => {
  const plain = defaultConfig();
  // TLS files are read.
  const { ca, cert, key } = await certificates();
  const directory = t.testdir({ ca, cert, key });
  const files: Readonly<Record<string, string>> = {
    'control.tokenFile': '/t',
    'defaults.tls.ca': `${directory}/ca`,
    'defaults.tls.cert': `${directory}/cert`,
    'defaults.tls.key': `${directory}/key`,
  };
  for (const setting of settable) {
    const text = files[setting.path] ?? another(setting.spec);
    const partners = PARTNERS[setting.path] ?? [];
    const need = partners.map(([path, given]) => ({ flag: '--set', path, text: given ?? files[path] ?? '' }));
    const byFlag = loadConfig({ file: null, env: {}, flags: [...need, { flag: '--set', path: setting.path, text }] });
    const byEnv = loadConfig({ file: null, env: { [setting.spec.env ?? '']: text }, flags: need });
    t.same(byFlag.config, byEnv.config, setting.path);
    t.not(valueAt(plain, configPath(setting)), undefined, `${setting.path} is in the configuration`);
    t.notSame(valueAt(byFlag.config, configPath(setting)), valueAt(plain, configPath(setting)), setting.path);

    const { applied, newConnections, restart } = explain(plain, byFlag.config);
    const told = [...applied, ...newConnections, ...restart].filter(
      (line) => !partners.some(([path]) => line.startsWith(path)),
    );
    t.equal(told.length, 1, `${setting.path}: ${told.join(' / ')}`);
    t.ok(told[0]?.startsWith(`${setting.path}: `), setting.path);
  }
});

t.test('every value of the configuration comes from a setting', async (t) => {
  // What stands at the top and in an entry is resolved into every policy.
  const paths = new Set([...SETTINGS.map(configPath), 'defaults.mode', 'defaults.fleetMaxConnections']);
  const leaves = (value: unknown, path: string): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && !paths.has(path)
      ? Object.entries(value).flatMap(([name, inner]) => leaves(inner, path === '' ? name : `${path}.${name}`))
      : [path];
  t.same(
    leaves(defaultConfig(), '').filter((path) => !paths.has(path)),
    [],
  );
});

t.test('every setting has words, a format, a class, and a default that is right', async (t) => {
  for (const { path, spec } of flatten(SCHEMA)) {
    t.match(spec.doc, /\.$/, path);
    t.ok(Object.hasOwn(FORMATS, spec.format), path);
    t.ok(!spec.nullable || spec.absent !== undefined, `${path} says what null means`);
    t.ok(spec.default !== 0 || spec.format !== 'duration' || spec.zero !== undefined, `${path} says what 0 means`);
  }
});
