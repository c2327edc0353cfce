import t from 'tap';
import type { JsonObject } from '../../src/discovery/kubernetes/json-value.ts';
import { injectPod, type PodObject } from '../../src/injection/inject.ts';
import { removeInjection } from '../../src/injection/remove.ts';
import { SETTINGS } from './pods.ts';

/** What has come since an injection, and what only the record says, is not carpool's to take away. */

const NO_PROXY = 'localhost,127.0.0.1,::1,169.254.169.254,169.254.170.2';
const podOf = (env: readonly JsonObject[], annotations?: JsonObject): PodObject => ({
  metadata: annotations === undefined ? { name: 'shop' } : { annotations },
  spec: { containers: [{ name: 'app', image: 'shop/app:1', env }] },
});
const inject = (pod: PodObject, existing: 'keep' | 'replace' = 'replace') =>
  injectPod(pod, { ...SETTINGS, java: true, httpsProxy: true }, { version: '1', existing });
const recordOf = (more: JsonObject): JsonObject => ({
  'carpool.dev/injection': JSON.stringify({ version: '1', mode: 'native', port: 14_140, variables: {}, ...more }),
});

/** The pod with another value, or source, of one of its app's variables. */
function edited(pod: PodObject, name: string, source: JsonObject): PodObject {
  const copy = JSON.parse(JSON.stringify(pod));
  const { env } = copy.spec.containers.find((each: JsonObject) => each.name === 'app');
  env[env.findIndex((each: JsonObject) => each.name === name)] = { name, ...source };
  return copy;
}

t.test('a variable that somebody has given another value since stays', (t) => {
  const before = podOf([{ name: 'A', value: '1' }]);
  const { pod } = inject(before);
  for (const [name, source] of [
    ['HTTP_PROXY', { value: 'http://mine.corp:3128' }],
    ['https_proxy', { valueFrom: { secretKeyRef: { name: 'proxy', key: 'url' } } }],
    ['HTTP_PROXY', { value: 'http://127.0.0.1:14141' }],
    ['NO_PROXY', { value: '.corp' }],
    ['NODE_USE_ENV_PROXY', { value: '0' }],
    ['JAVA_TOOL_OPTIONS', { value: '-Xmx1g' }],
  ] as const) {
    const mine = edited(pod, name, source);
    t.strictSame(
      removeInjection(mine),
      podOf([
        { name: 'A', value: '1' },
        { name, ...source },
      ]),
      name,
    );
    const { pod: anew, warnings } = inject(mine);
    t.match(JSON.stringify(anew), JSON.stringify({ name, ...source }), `${name} stays when injected anew`);
    if (/^http/i.test(name)) t.match(warnings, [new RegExp(`${name} is set, and stays`)]);
    t.equal(inject(anew).pod, anew, 'and a second pass changes nothing');
  }
  t.end();
});

t.test('a variable that was adopted and has another value since does not get the old one back', (t) => {
  const wish = { 'carpool.dev/adopt-proxy': 'true' };
  const proxied = (value: string) =>
    podOf(
      [
        { name: 'HTTP_PROXY', value },
        { name: 'NO_PROXY', value: '.corp' },
      ],
      wish,
    );
  const { pod } = inject(proxied('http://old.corp:3128'));
  t.strictSame(removeInjection(pod), proxied('http://old.corp:3128'));
  const mine = edited(pod, 'HTTP_PROXY', { value: 'http://new.corp:3128' });
  t.strictSame(removeInjection(mine), proxied('http://new.corp:3128'));
  t.end();
});

t.test('of a name that stands twice the one that was adopted comes back, whichever comes first', (t) => {
  const before = podOf(
    [
      { name: 'http_proxy', value: 'http://a.corp:3128' },
      { name: 'HTTP_PROXY', value: 'http://b.corp:3128' },
      { name: 'HTTP_PROXY', value: 'http://a.corp:3128' },
      { name: 'HTTP_PROXY', value: 'http://b.corp:3128' },
    ],
    { 'carpool.dev/adopt-proxy': 'true' },
  );
  const { pod } = inject(before);
  t.notSame(pod, before);
  t.strictSame(removeInjection(pod), before);
  t.end();
});

t.test('a forged record takes nothing away that is not of carpool', (t) => {
  const env = [
    { name: 'DATABASE_URL', value: 'db' },
    { name: 'PASSWORD', value: 'secret' },
    { name: 'HTTP_PROXY', value: 'http://mine.corp:3128' },
    { name: 'NO_PROXY', value: NO_PROXY.slice(0, 30) },
  ];
  const forged = recordOf({
    variables: { app: ['DATABASE_URL', 'HTTP_PROXY', 'NO_PROXY'] },
    adopted: {
      app: [
        { name: 'PASSWORD', value: 'x' },
        { name: 'HTTP_PROXY', value: 'http://evil:1' },
      ],
    },
    annotations: ['team', 'carpool.dev/set'],
    labels: { app: 'other' },
    made: ['metadata', 'labels', 'annotations', 'volumes', 'env/app', 'containers', 'spec'],
    nulls: ['containers', 'spec'],
  });
  const annotations = { team: 'shop', 'carpool.dev/set': 'retry.attempts=2' };
  t.strictSame(removeInjection(podOf(env, { ...annotations, ...forged })), podOf(env, annotations));
  for (const existing of ['keep', 'replace'] as const)
    t.match(
      JSON.stringify(inject(podOf(env, { ...annotations, ...forged }), existing).pod),
      JSON.stringify(env).slice(1, -1),
    );
  t.end();
});

t.test('a record of an older version with a shorter list of NO_PROXY is taken out all the same', (t) => {
  const variables = { app: ['HTTP_PROXY', 'NO_PROXY'] };
  const env = [
    { name: 'HTTP_PROXY', value: 'http://127.0.0.1:14140' },
    { name: 'NO_PROXY', value: `${NO_PROXY},registry.corp` },
  ];
  t.strictSame(removeInjection(podOf(env, { team: 'shop', ...recordOf({ variables }) })), podOf([], { team: 'shop' }));
  t.end();
});
