import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { LIBRARY_DATA, libraryData } from '../../charts/generate-library.ts';
import { AS_KUBERNETES } from '../../src/cli/inject-edit.ts';
import type { JsonObject } from '../../src/discovery/kubernetes/json-value.ts';
import { injectPod } from '../../src/injection/inject.ts';
import { allContainers, annotationsOf } from '../../src/injection/pod.ts';
import type { InjectionSettings } from '../../src/injection/settings.ts';
import { readInjectionSettings } from '../../src/injection/settings-schema.ts';
import { otherProxies } from '../../src/injection/variables.ts';
import { type Workload, workloadsIn } from '../../src/injection/workloads.ts';
import { pods } from '../../test/injection/pods.ts';
import { SHAPES, settingsFile, shapeText } from '../../test/injection/shapes.ts';
import { at, isJson, listAt, textAt } from '../cluster/json.ts';
import { type ProgramResult, runToEnd } from '../interop/run-to-end.ts';
import { lacking, program } from './monitoring-tools.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const LIBRARY = join(ROOT, 'charts/carpool-lib');
const VERSION = textAt(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')), 'version');

/** A pod template with the settings of an installation. */
type Case = { readonly template: JsonObject; readonly settings: unknown };

/** Shapes with mistakes that the function warns of; a template fails. */
const MISTAKES: Readonly<Record<string, RegExp>> = {
  'equal-ports': /carpool\.dev\/port and carpool\.dev\/operator-port are both 14191/,
  'invalid-annotations': /annotation carpool\.dev\/java is "yes": must be "true" or "false"/,
};

/** What the template says of a shape that it cannot do as the function does; null: it can. */
function refused(name: string, { template, settings }: Case): RegExp | null {
  const { 'carpool.dev/injection': record, 'carpool.dev/adopt-proxy': adopt } = annotationsOf(template);
  if (record !== undefined) return /annotation carpool\.dev\/injection: it has been injected already/;
  const { port } = readSettings(settings);
  const hasProxy = allContainers(template).some((container) => otherProxies(container, port).length > 0);
  if (adopt === 'true' && hasProxy) return /annotation carpool\.dev\/adopt-proxy: a template cannot take over \w+/;
  return MISTAKES[name.split(' ')[0] ?? ''] ?? null;
}

function chartFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'carpool-library-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(import.meta.dirname, 'fixtures/with-library'), folder, { recursive: true });
  cpSync(LIBRARY, join(folder, 'charts/carpool-lib'), { recursive: true });
  return folder;
}

type Values = { readonly cases?: Readonly<Record<string, Case>>; readonly [name: string]: unknown };

async function render(t: Test, { cases = {}, ...more }: Values, ...flags: readonly string[]): Promise<ProgramResult> {
  const folder = chartFolder(t);
  const values = join(folder, 'more-values.yaml');
  const asText = Object.entries(cases).map(([name, { template, settings }]) => [
    name,
    // As Helm reads YAML: an unquoted yes is true there.
    { template: stringify(template, { version: '1.1' }), settings: stringify(settings, { version: '1.1' }) },
  ]);
  writeFileSync(values, stringify({ ...more, cases: Object.fromEntries(asText) }));
  return await runToEnd([program('helm'), 'template', 'shop', folder, '--values', values, ...flags]);
}

/** What the library makes of each case. @throws where helm fails */
async function made(t: Test, values: Values, ...flags: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
  const { code, stdout, stderr } = await render(t, values, ...flags);
  if (code !== 0) throw new Error(stderr);
  const documents = parseAllDocuments(stdout).map((document): unknown => document.toJS());
  return new Map(
    documents.filter(isJson).flatMap((each) => (each.made === undefined ? [] : [[textAt(each, 'name'), each.made]])),
  );
}

/** Helm's words when it refuses one case. */
async function refusal(t: Test, one: Case, more: Values = {}): Promise<string> {
  const { code, stderr } = await render(t, { ...more, cases: { one } });
  return code === 0 ? 'it was rendered' : stderr;
}

const settingsOf = (name: string): unknown => {
  const file = settingsFile(name);
  return file === null ? {} : parse(readFileSync(file, 'utf8'));
};

/** Every pod template of every shape, by `shape workload`. */
const CASES: ReadonlyMap<string, Case> = new Map(
  SHAPES.flatMap((shape) =>
    parseAllDocuments(shapeText(shape), AS_KUBERNETES)
      .flatMap((document): readonly Workload[] => workloadsIn(document.toJS()))
      .map(({ name, template }, index): [string, Case] => [
        `${shape} ${index} ${name}`,
        // Of a pod only what a template has too.
        { template: pick(template, (key) => key === 'metadata' || key === 'spec'), settings: settingsOf(shape) },
      ]),
  ),
);

function pick(object: unknown, wanted: (key: string) => boolean): JsonObject {
  return Object.fromEntries(Object.entries(Object(object)).filter(([key]) => wanted(key)));
}

/** What the function makes of it. */
function injected({ template, settings }: Case): unknown {
  return injectPod(template, readSettings(settings), { version: VERSION, existing: 'replace' }).pod;
}

function readSettings(tree: unknown): InjectionSettings {
  const read = readInjectionSettings(tree, `carpool:${VERSION}`);
  if ('problems' in read) throw new Error(read.problems.join('\n'));
  return read.settings;
}

t.test('the generated file is as it would be made', async (t) => {
  t.equal(readFileSync(join(ROOT, LIBRARY_DATA), 'utf8'), libraryData(), 'run node charts/generate-library.ts');
  const chart: unknown = parse(readFileSync(join(LIBRARY, 'Chart.yaml'), 'utf8'));
  t.same([at(chart, 'version'), at(chart, 'appVersion')], [VERSION, VERSION]);
});

t.test('every shape of pod becomes what injection makes of it', { skip: lacking('helm') }, async (t) => {
  t.ok(CASES.size >= 36);
  const cases = new Map([...CASES].filter(([name, one]) => refused(name, one) === null));
  const results = await made(t, { cases: Object.fromEntries(cases) });
  t.equal(results.size, cases.size);
  for (const [name, one] of cases) t.same(results.get(name), injected(one), name);
});

t.test('so does any pod, and a webhook finds nothing more to do', { skip: lacking('helm') }, async (t) => {
  const settings = fc.constantFrom({}, { mode: 'legacy', httpsProxy: true }, { java: true, apiAccess: false });
  const madeUp = fc.record({ template: pods.map(withoutAdopting), settings });
  const cases = Object.fromEntries(fc.sample(madeUp, 150).map((one, index) => [`pod ${index}`, one]));
  const results = await made(t, { cases });
  for (const [name, one] of Object.entries(cases)) {
    const result = results.get(name);
    t.same(result, injected(one), `${name}: ${JSON.stringify(one)}`);
    if (!isJson(result)) continue;
    const again = injectPod(result, readSettings(one.settings), { version: VERSION, existing: 'keep' });
    t.not(again.outcome, 'injected', `${name}: ${JSON.stringify(one)}`);
  }
});

/** A pod template that takes over no proxy. */
function withoutAdopting(pod: JsonObject): JsonObject {
  const annotations = pick(at(pod, 'metadata', 'annotations'), (key) => key !== 'carpool.dev/adopt-proxy');
  const metadata = isJson(at(pod, 'metadata', 'annotations')) ? { ...Object(pod.metadata), annotations } : pod.metadata;
  const template = pick(pod, (key) => key === 'spec' || key === 'metadata');
  return 'metadata' in template ? { ...template, metadata } : template;
}

t.test('what a template cannot do is refused, and it says why', { skip: lacking('helm') }, async (t) => {
  const cases = [...CASES].flatMap(([name, one]) => {
    const words = refused(name, one);
    return words === null ? [] : [{ name, one, words }];
  });
  // Of most of them there are more; each has to be among them.
  t.equal(new Set(cases.map(({ words }) => words.source)).size, Object.keys(MISTAKES).length + 2);
  for (const { name, one, words } of cases) t.match(await refusal(t, one), words, name);
});

const APP: JsonObject = { spec: { containers: [{ name: 'app', image: 'app:1' }] } };
const annotated = (annotations: JsonObject): Case => ({
  template: { ...APP, metadata: { annotations } },
  settings: {},
});

t.test('an annotation that cannot be read is named', { skip: lacking('helm') }, async (t) => {
  const wrong: Readonly<Record<string, string>> = {
    inject: 'yes',
    mode: 'sidecar',
    'config-map': 'My Map',
    set: 'retry',
    'log-level': 'loud',
    port: '65536',
    'operator-port': '0',
    'https-proxy': '1',
    'no-proxy': 'a b',
    java: 'on',
    containers: 'app,APP',
    'env-from': '',
    'adopt-proxy': 'maybe',
    'cpu-request': 'much',
    'memory-limit': '-1Mi',
  };
  for (const [name, value] of Object.entries(wrong)) {
    const words = await refusal(t, annotated({ [`carpool.dev/${name}`]: value }));
    t.match(words, `carpool.dev/${name} is `, name);
    const { template } = annotated({ [`carpool.dev/${name}`]: value });
    const { reason } = injectPod(template, readSettings({}), { version: VERSION, existing: 'replace' });
    t.equal(reason, 'invalid_annotation', `${name}, as the function sees it`);
  }
  const moved = await refusal(t, annotated({ 'carpool.dev/set': 'retry.attempts=2\nlistener.port=1' }));
  t.match(moved, /carpool\.dev\/set is .*listener\.port cannot be set here/);
});

t.test('a setting that is wrong is named', { skip: lacking('helm') }, async (t) => {
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{ ports: 1 }, /ports is no setting of injection; there are apiAccess/],
    [{ port: 70_000 }, /port is 70000: must be a whole number from 1 to 65535/],
    [{ port: '14140' }, /port is 14140: must be of type integer/],
    [{ mode: 'sidecar' }, /mode is sidecar: must be one of native, legacy, auto/],
    [{ image: 'carpool :1' }, /image is "carpool :1": must match/],
    [{ noProxy: ['a,b'] }, /noProxy holds a,b/],
    [{ env: { LEVEL: 1 } }, /env.LEVEL is 1: must be text/],
    [{ resources: { request: {} } }, /resources.request is no setting/],
    [{ runAsUser: 0 }, /runAsUser is 0: must be a whole number from 1/],
    [{ operatorPort: 14_140 }, /are both 14140/],
  ];
  for (const [given, words] of wrong) t.match(await refusal(t, { template: APP, settings: given }), words);
  for (const carpool of [true, false, 'some']) {
    const { code, stderr } = await render(t, { carpool });
    t.not(code, 0);
    t.match(
      stderr,
      `carpool: settings is ${carpool}: must be a group of settings of injection, such as {httpsProxy: true}`,
    );
  }
});

t.test(
  'a pod that cannot be injected stays as it is, or is refused where that is asked for',
  { skip: lacking('helm') },
  async (t) => {
    const windows: Case = {
      template: { spec: { os: { name: 'windows' }, containers: [{ name: 'app' }] } },
      settings: {},
    };
    t.same((await made(t, { cases: { windows } })).get('windows'), windows.template);
    t.match(await refusal(t, windows, { strict: true }), /cannot be injected: windows/);
    t.match(await refusal(t, { template: { Error: 'line 3' }, settings: {} }), /is no YAML: line 3/);
  },
);

t.test('the mode follows the version of Kubernetes', { skip: lacking('helm') }, async (t) => {
  const cases = { one: { template: APP, settings: { mode: 'auto' } } };
  const native = (await made(t, { cases }, '--kube-version=1.29.0')).get('one');
  const legacy = (await made(t, { cases }, '--kube-version=1.28.9')).get('one');
  t.same(
    listAt(native, 'spec', 'initContainers').map((each) => textAt(each, 'name')),
    ['carpool'],
  );
  t.same(
    listAt(legacy, 'spec', 'containers').map((each) => textAt(each, 'name')),
    ['carpool', 'app'],
  );
});

t.test('a chart that is written by hand takes the pieces', { skip: lacking('helm') }, async (t) => {
  const { code, stdout, stderr } = await render(t, {});
  t.equal(code, 0, stderr);
  const documents = parseAllDocuments(stdout).map((document): unknown => document.toJS());
  const deployment = at(
    documents.find((each) => at(each, 'kind') === 'Deployment'),
    'spec',
    'template',
    'spec',
  );
  const pod = at(
    documents.find((each) => at(each, 'kind') === 'Pod'),
    'spec',
  );
  t.equal(listAt(deployment, 'containers').length, 1);
  for (const part of ['initContainers', 'containers', 'volumes']) t.same(at(pod, part), at(deployment, part), part);
});

t.test('helm finds nothing wrong with the library and a chart that uses it', { skip: lacking('helm') }, async (t) => {
  for (const chart of [LIBRARY, chartFolder(t)]) {
    const { code, stdout } = await runToEnd([program('helm'), 'lint', '--strict', chart]);
    t.equal(code, 0, stdout);
  }
});
