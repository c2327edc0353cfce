import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { generatedDocs } from '../../src/config/generate-docs.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigProblems } from '../../src/config/problems.ts';
import { DESTINATION_SETTINGS, SETTINGS } from '../../src/config/schema.ts';
import { staleAmong } from '../../src/config/written-files.ts';
import { schemaProblems } from './json-schema-check.ts';

const DOCS = join(import.meta.dirname, '..', '..', 'docs');
const page = readFileSync(join(DOCS, 'configuration.md'), 'utf8');
const schema: unknown = JSON.parse(readFileSync(join(DOCS, 'configuration.schema.json'), 'utf8'));
const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';

/** Whether carpool takes a configuration. */
function accepted(t: Test, yaml: string): boolean {
  try {
    loadConfig({ file: join(t.testdir({ 'c.yaml': yaml }), 'c.yaml'), env: {}, flags: [] });
    return true;
  } catch (error) {
    if (error instanceof ConfigProblems) return false;
    throw error;
  }
}

t.test('the generated pages are as the schema would make them now', async (t) => {
  t.same(staleAmong(generatedDocs()), [], 'run node src/config/generate-docs.ts');
  t.same([...generatedDocs().keys()], ['docs/configuration.md', 'docs/configuration.schema.json']);
});

t.test('the reference has a row for every setting, its variable and its alias', async (t) => {
  for (const { path, spec } of SETTINGS) {
    if (path === 'destinations') continue;
    const row = page.split('\n').find((line) => line.startsWith(`| \`${path}\` |`));
    t.ok(row, path);
    t.ok(row?.includes(`| \`${spec.env}\` |`), path);
    t.ok(row?.includes(`| ${spec.applies} |`), path);
    if (spec.alias) t.ok(row?.includes(spec.alias.name), path);
    t.equal(row?.split(/(?<!\\)\|/).length, 8, `${path} is one row of six cells`);
  }
  for (const name of ['match', 'name', 'endpoints', 'localPort', 'basePath']) {
    t.ok(DESTINATION_SETTINGS.some(({ path }) => path === name));
    t.ok(page.includes(`| \`destinations[].${name}\` |`), name);
  }
});

t.test('no placeholder is left, and links within the docs lead somewhere', async (t) => {
  for (const name of ['configuration.md', 'coming-from-a-pool-guide.md']) {
    const text = readFileSync(join(DOCS, name), 'utf8');
    t.notMatch(text, /\{\{|undefined|\[object/);
    for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)\)/g))
      if (!/^https?:/.test(target)) t.doesNotThrow(() => readFileSync(join(DOCS, target)), target);
  }
});

t.test('the example is accepted without a warning, by carpool and by the JSON schema', async (t) => {
  const file = join(t.testdir({ 'c.yaml': example }), 'c.yaml');
  t.same(loadConfig({ file, env: {}, flags: [] }).warnings, []);
  t.same(schemaProblems(schema, parse(example)), []);
});

t.test(
  'every setting that the guide’s table names exists, where it does not say that it is not there yet',
  async (t) => {
    const guide = readFileSync(join(DOCS, 'coming-from-a-pool-guide.md'), 'utf8');
    const known = [...SETTINGS, ...DESTINATION_SETTINGS].map(({ path }) => path);
    const rows = guide.split('\n').filter((line) => line.startsWith('| `') && !line.includes('`/'));
    t.ok(rows.length > 15);
    for (const row of rows.filter((line) => !line.includes('not there yet'))) {
      const [, , ours = ''] = row.split('|');
      for (const [, path = ''] of ours.matchAll(/`([A-Za-z.]+)`/g))
        t.ok(
          known.some((each) => each === path || each.startsWith(`${path}.`)),
          path,
        );
    }
    for (const { spec } of SETTINGS)
      if (spec.alias?.name.startsWith('HTTP_')) t.ok(guide.includes(spec.alias.name), spec.alias.name);
  },
);

t.test('the JSON schema and carpool agree on what is right and what is wrong', async (t) => {
  const right = [
    '{}',
    'profile: development',
    'listener:\noperator: {}',
    'via: both',
    'via: { mode: both, maxSelf: 2 }',
    'listener: { port: 1, maxHeadBytes: 8192, maxTargetBytes: 8KiB }',
    'control: { socket: null, port: 5, tokenFile: /t }',
    'limits: { bufferBytes: auto }',
    'defaults: { preset: classic, vanished: evict, pool: { maxAge: 0, idleTimeout: 1m30s, maxConnections: 1 } }',
    'defaults: { pool: { idleTimeout: null } }',
    'destinations: [{ match: a, timeouts: { total: 0 }, breaker: { failures: 1, recovery: 500ms } }]',
    'security: { connectPorts: [443, "80", "1-2"], allowAddresses: [] }',
    'telemetry: { accessLogSample: 1, accessLog: off }',
    'defaults: { protocol: http2, tls: { originate: true, serverName: a.b, minVersion: TLSv1.3 } }',
    'connect: { tlsPorts: [443, "6000-7000"], sniffTimeout: 0 }',
    'http2: { maxStreams: 1, pingAfter: 0, webSocket: true }',
    'mode: observe',
    'fleet: { coordinator: redis, maxConnections: 5, redis: { url: "redis://10.0.0.1:6379/1", passwordFile: /p } }',
    'egress: { parentProxy: { url: "http://proxy:3128", noProxy: [.svc, 10.0.0.0/8, "a.b:80"] } }',
    'defaults: { retry: { attempts: 3, on: [reset, status], statusCodes: [503] }, pool: { minConnections: auto } }',
    'defaults: { headers: { set: { x-a: b, authorization: { file: /k, prefix: "Bearer " } }, remove: [x-b] } }',
    'destinations: [{ match: a, to: [{ host: "b:80", weight: 9 }, { host: "c:80" }], preset: external-api }]',
    'destinations: [{ match: a, to: "b:80", mode: pool, rateLimit: { requestsPerMinute: 60, exceeded: queue } }]',
  ];
  const wrong = [
    'nonsense: 1',
    'profile: prod',
    'listener: 5',
    'listener: { prt: 1 }',
    'listener: { port: "1" }',
    'listener: { port: 70000 }',
    'listener: { headTimeout: 30 }',
    'listener: { headTimeout: 0 }',
    'listener: { headTimeout: 1d }',
    'listener: { maxHeadBytes: 64KB }',
    'via: loud',
    'via: { mod: both }',
    'defaults: { pool: { maxConnections: 0 } }',
    'defaults: { pool: { maxConnections: null } }',
    'defaults: { pool: { enabled: "true" } }',
    'defaults: { protocol: spdy }',
    'defaults: { tls: { minVersion: TLSv1.1 } }',
    'defaults: { tls: { ca: relative.pem } }',
    'connect: { sniffTimeout: 50 }',
    'http2: { maxStreams: 0 }',
    'defaults: { match: a }',
    'destinations: [{ name: a }]',
    'destinations: [{ match: a, colour: blue }]',
    'destinations: [{ match: a, endpoints: [] }]',
    'destinations: [{ match: a, endpoints: [10.0.0.1] }]',
    'destinations: { match: a }',
    'destinations: [a]',
    'fleet: { coordinator: etcd }',
    'fleet: { coordinator: redis, maxConnections: 5, redis: { url: "http://a" } }',
    'defaults: { retry: { statusCodes: [200], attempts: 3 } }',
    'defaults: { headers: { set: { x-a: { fil: /k } } } }',
    'destinations: [{ match: a, to: b }]',
    'mode: look',
    'security: { connectPorts: 443 }',
    'telemetry: { accessLogSample: 2 }',
    'control: { socket: relative }',
  ];
  for (const yaml of right) {
    t.same(schemaProblems(schema, parse(yaml)), [], yaml);
    t.ok(accepted(t, yaml), yaml);
  }
  for (const yaml of wrong) {
    t.not(schemaProblems(schema, parse(yaml)).length, 0, yaml);
    t.notOk(accepted(t, yaml), yaml);
  }
});

t.test('every default of the JSON schema is right by its own rule', async (t) => {
  let defaults = 0;
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if ('default' in node && 'description' in node) {
      defaults++;
      t.same(schemaProblems(node, node.default), [], JSON.stringify(node.description));
    }
    for (const inner of Object.values(node)) walk(inner);
  };
  walk(schema);
  t.ok(defaults > 50);
});
