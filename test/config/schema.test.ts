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
      return '7s';
    case 'size':
      return '1MiB';
    case 'count':
      return String(Number(spec.default) + 1);
    case 'ratio':
      return '0.5';
    case 'boolean':
      return String(!spec.default);
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
    case 'tokens':
    case 'namespaces':
    case 'label':
    case 'serverName':
      return 'another';
    default:
      return '';
  }
}

const settable = SETTINGS.filter(
  ({ path }) => path !== 'destinations' && path !== 'profile' && path !== 'defaults.preset',
);

/** Settings that are refused without another. */
const PARTNERS: Readonly<Record<string, string>> = {
  'control.port': 'control.tokenFile',
  'defaults.tls.cert': 'defaults.tls.key',
  'defaults.tls.key': 'defaults.tls.cert',
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
    const partner = PARTNERS[setting.path];
    const need = partner === undefined ? [] : [{ flag: '--set', path: partner, text: files[partner] ?? '' }];
    const byFlag = loadConfig({ file: null, env: {}, flags: [...need, { flag: '--set', path: setting.path, text }] });
    const byEnv = loadConfig({ file: null, env: { [setting.spec.env ?? '']: text }, flags: need });
    t.same(byFlag.config, byEnv.config, setting.path);
    t.not(valueAt(plain, configPath(setting)), undefined, `${setting.path} is in the configuration`);
    t.notSame(valueAt(byFlag.config, configPath(setting)), valueAt(plain, configPath(setting)), setting.path);

    const { applied, newConnections, restart } = explain(plain, byFlag.config);
    const told = [...applied, ...newConnections, ...restart].filter(
      (line) => partner === undefined || !line.startsWith(partner),
    );
    t.equal(told.length, 1, `${setting.path}: ${told.join(' / ')}`);
    t.ok(told[0]?.startsWith(`${setting.path}: `), setting.path);
  }
});

t.test('every value of the configuration comes from a setting', async (t) => {
  const paths = new Set(SETTINGS.map(configPath));
  const leaves = (value: unknown, path: string): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
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
