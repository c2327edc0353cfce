import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { RULE_THRESHOLDS } from '../../dashboards/rule-thresholds.ts';
import { DURATION_PATTERN } from '../../src/config/duration.ts';
import { staleAmong } from '../../src/config/written-files.ts';
import { INJECTION_DEFAULTS, injectionJsonSchema } from '../../src/injection/settings-schema.ts';
import { chartSchema } from '../../src/packaging/chart-schema.ts';
import { generatedFiles } from '../../src/packaging/generate.ts';
import { portable } from '../../src/packaging/portable-schema.ts';

const ROOT = join(import.meta.dirname, '..', '..');

type Tree = Readonly<Record<string, unknown>>;

function tree(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function yamlOf(path: string): Tree {
  return tree(parse(readFileSync(join(ROOT, path), 'utf8')));
}

const values = yamlOf('charts/carpool/values.yaml');

/** Every schema inside a schema, with its path. */
function schemas(schema: unknown, path: string): readonly (readonly [string, Tree])[] {
  const own = tree(schema);
  const named = (group: string) =>
    Object.entries(tree(own[group])).flatMap(([name, each]) => schemas(each, `${path}/${name}`));
  const listed = (group: string) => {
    const list = own[group];
    return Array.isArray(list) ? list.flatMap((each, nth) => schemas(each, `${path}/${group}${nth}`)) : [];
  };
  return [
    [path, own],
    ...['properties', 'patternProperties', 'definitions'].flatMap(named),
    ...['anyOf', 'oneOf', 'allOf'].flatMap(listed),
    ...['items', 'additionalProperties'].flatMap((name) =>
      typeof own[name] === 'object' ? schemas(own[name], `${path}/${name}`) : [],
    ),
  ];
}

t.test('the schema and the README are as they would be made', async (t) => {
  t.same(staleAmong(generatedFiles()), []);
});

t.test('chart, app and package have one version', async (t) => {
  const { version } = yamlOf('package.json');
  const chart = yamlOf('charts/carpool/Chart.yaml');
  t.equal(chart.version, version);
  t.equal(chart.appVersion, version);
});

t.test('the values of injection are the defaults of injection', async (t) => {
  const { imagePullPolicy, ...rest } = INJECTION_DEFAULTS;
  t.same(values.inject, { ...rest, mode: 'auto' });
  t.equal(tree(values.image).pullPolicy, imagePullPolicy);
});

t.test('the thresholds of the alerts are those of the rules', async (t) => {
  t.same(tree(values.prometheusRule).thresholds, RULE_THRESHOLDS);
});

t.test('every value has its line in values.yaml, and every line its place in the schema', async (t) => {
  const missing: string[] = [];
  const compare = (path: string, schema: Tree, given: Tree): void => {
    const members = tree(schema.properties);
    const isMap = schema.patternProperties !== undefined;
    for (const name of Object.keys(given))
      if (!isMap && !(name in members)) missing.push(`${path}${name} is in no schema`);
    for (const [name, member] of Object.entries(members)) {
      const value = given[name];
      if (value === undefined) missing.push(`${path}${name} is not in values.yaml`);
      else if (Object.keys(tree(value)).length > 0) compare(`${path}${name}.`, tree(member), tree(value));
    }
  };
  compare('', chartSchema(), { ...values, global: '', enabled: '' });
  // A resource without a value has no limit; the pull policy is that of the image.
  const empty = /^(inject|webhook)\.resources\.(requests|limits)\.\S+ is not|^inject\.imagePullPolicy is not/;
  t.same(
    missing.filter((each) => !empty.test(each)),
    [],
  );
});

t.test('no object of the schema takes names that it does not know', async (t) => {
  // What the API server checks, and what is not read.
  const open = /^\/webhook\/affinity\/|^\/global$/;
  for (const [path, schema] of schemas(chartSchema(), '')) {
    const isObject = schema.type === 'object' || (Array.isArray(schema.type) && schema.type.includes('object'));
    if (!isObject || open.test(path)) continue;
    t.ok(schema.additionalProperties !== undefined && schema.additionalProperties !== true, path);
  }
});

t.test('every value is described', async (t) => {
  for (const [name, member] of Object.entries(tree(chartSchema().properties)))
    t.ok(String(tree(member).description ?? '') !== '', name);
});

t.test('what a lookahead said is said by a length: Go knows no lookahead', async (t) => {
  const { pattern, minLength } = tree(portable({ type: 'string', pattern: DURATION_PATTERN }));
  const takes = (text: string) => text.length >= Number(minLength) && new RegExp(String(pattern)).test(text);
  for (const text of ['30s', '1h30m', '1.5s', '250ms', '', 's', '30', '30 s', '1s1h', '-1s'])
    t.equal(takes(text), new RegExp(DURATION_PATTERN).test(text), `"${text}"`);
  t.throws(() => portable({ pattern: '^(?!x)' }), /Go knows no such pattern/, 'one that nobody has thought of');
  for (const [path, schema] of schemas(chartSchema(), ''))
    if (typeof schema.pattern === 'string') t.notMatch(schema.pattern, /\(\?[=!<]/, path);
});

t.test('references stay inside the file', async (t) => {
  const schema = chartSchema();
  const definitions = tree(schema.definitions);
  const references = schemas(schema, '').flatMap(([, { $ref }]) => (typeof $ref === 'string' ? [$ref] : []));
  t.ok(references.length > 10);
  for (const each of references) t.ok(each.replace('#/definitions/', '') in definitions, each);
});

t.test('inject knows every setting of injection but the image', async (t) => {
  const known = Object.keys(tree(tree(tree(chartSchema().properties).inject).properties));
  const all = Object.keys(tree(injectionJsonSchema().properties));
  t.same(
    known,
    all.filter((name) => name !== 'image'),
  );
});
