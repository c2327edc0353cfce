import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { configSources } from '../../src/admin/config-sources.ts';
import { type ConfigSources, loadConfig } from '../../src/config/load.ts';
import { DESTINATION_SETTINGS, SETTINGS } from '../../src/config/schema.ts';

/** The settings of a configuration by path, as `[value, origin, where]`; places in the file without its directory. */
function sources(t: Test, yaml: string, changes: Partial<ConfigSources> = {}) {
  const directory = t.testdir();
  const file = join(directory, 'carpool.yaml');
  writeFileSync(file, yaml);
  const { settings } = configSources(loadConfig({ file, env: {}, flags: [], ...changes }));
  return {
    paths: settings.map(({ path }) => path),
    at: (path: string) => {
      const found = settings.find((setting) => setting.path === path);
      return found === undefined ? undefined : [found.value, found.origin, found.where.replace(`${directory}/`, '')];
    },
  };
}

t.test('every setting is told with the last of the sources that set it', (t) => {
  const { paths, at } = sources(
    t,
    `profile: development
defaults:
  preset: classic
  pool:
    maxIdle: 7
    maxAge: 300s
  timeouts: { connect: 3s }
listener: { port: 1234, headTimeout: 5s }
`,
    {
      env: { CARPOOL_POOL_MAX_AGE: '200s', CARPOOL_LISTENER_PORT: '2345' },
      flags: [{ flag: '--port', path: 'listener.port', text: '3456' }],
    },
  );
  t.same(at('defaults.pool.maxIdle'), [7, 'file', 'carpool.yaml:5:5']);
  t.same(at('defaults.pool.maxAge'), ['200s', 'environment', 'CARPOOL_POOL_MAX_AGE']);
  t.same(at('listener.port'), [3456, 'flag', '--port']);
  t.same(at('defaults.pool.acquireTimeout'), ['5s', 'preset', 'classic']);
  t.same(at('defaults.timeouts.connect'), ['3s', 'file', 'carpool.yaml:7:15'], 'beside a preset what is written wins');
  t.same(at('telemetry.logLevel'), ['debug', 'profile', 'development']);
  t.same(at('limits.bufferBytes'), ['auto', 'default', ''], 'as it would be written');
  t.same(at('security.connectPorts'), [[443, 80, 8080, '1024-65535'], 'default', '']);
  t.same(paths, [...paths].sort());
  t.same(new Set(paths), new Set(SETTINGS.map(({ path }) => path).filter((path) => path !== 'destinations')));
  t.end();
});

t.test('of a destination what is its own is told, under the name that the app calls it by', (t) => {
  const { paths, at } = sources(
    t,
    `destinations:
  - match: "orders.shop:8080"
    pool: { maxConnections: 20 }
  - match: "*.example.com:443"
    preset: external-api
    retry: { attempts: 2 }
`,
  );
  t.same(at('destinations[orders.shop:8080].pool.maxConnections'), [20, 'file', 'carpool.yaml:3:13']);
  t.equal(at('destinations[orders.shop:8080].pool.maxIdle'), undefined, 'what it inherits stands under defaults');
  t.same(at('destinations[*.example.com:443].retry.attempts'), [2, 'file', 'carpool.yaml:6:14']);
  t.same(at('destinations[*.example.com:443].retry.backoffMax'), ['60s', 'preset', 'external-api']);
  t.ok(paths.filter((path) => path.startsWith('destinations[')).length < DESTINATION_SETTINGS.length);
  t.end();
});

t.test('secrets are masked, and where they come from is not', (t) => {
  const { at } = sources(
    t,
    `defaults: { headers: { set: { x-api-key: abc } } }
destinations:
  - match: "a:80"
    headers: { set: { authorization: { file: /run/secrets/key, prefix: "Bearer " }, x-other: plain } }
`,
  );
  t.same(at('defaults.headers.set'), [{ 'x-api-key': '***' }, 'file', 'carpool.yaml:1:24']);
  const set = at('destinations[a:80].headers.set');
  t.notMatch(JSON.stringify(set), 'plain');
  t.match(JSON.stringify(set), '/run/secrets/key', 'a path to a secret is none');
  t.end();
});

t.test('the value of a field is masked whatever the field is called, and a number too', (t) => {
  const { at } = sources(
    t,
    `defaults: { headers: { set: { x-pin: 4711, x-debug: true, file: "f-secret", name: "n-secret" } } }
destinations:
  - match: "a:80"
    headers: { set: { x-pin: 4712, name: { file: /run/name, prefix: "p-secret" } } }
`,
  );
  t.same(at('defaults.headers.set')?.[0], { 'x-pin': '***', 'x-debug': '***', file: '***', name: '***' });
  t.same(at('destinations[a:80].headers.set')?.[0], { 'x-pin': '***', name: { file: '/run/name', prefix: '***' } });
  t.end();
});
