import t from 'tap';
import { parseQuantity } from '../../src/injection/quantity.ts';
import { INJECTION_DEFAULTS, injectionJsonSchema, readInjectionSettings } from '../../src/injection/settings-schema.ts';

const problemsOf = (tree: unknown): string[] => {
  const read = readInjectionSettings(tree, 'carpool:1');
  return 'problems' in read ? read.problems : [];
};

t.test('nothing gives the defaults, with the image that is told', (t) => {
  for (const tree of [undefined, null, {}, { noProxy: null, resources: null }])
    t.strictSame(readInjectionSettings(tree, 'carpool:1'), { settings: { ...INJECTION_DEFAULTS, image: 'carpool:1' } });
  t.match(readInjectionSettings({}), { problems: [/^image: is empty: must be the reference of an image/] });
  t.end();
});

t.test('the values of a chart are read as they are', (t) => {
  const tree = {
    image: 'registry.example/carpool:2',
    mode: 'auto',
    runAsUser: null,
    resources: { limits: {} },
    env: { A: 'b' },
    httpsProxy: true,
  };
  t.match(readInjectionSettings(tree), {
    settings: {
      image: 'registry.example/carpool:2',
      mode: 'native',
      runAsUser: null,
      httpsProxy: true,
      resources: { requests: { cpu: '20m', memory: '96Mi' } },
    },
  });
  const read = readInjectionSettings(tree);
  t.strictSame('settings' in read && read.settings.resources.limits, {}, 'a limit that was taken away stays away');
  t.end();
});

t.test('each mistake is told with its path', (t) => {
  for (const [tree, problem] of [
    [{ prot: 1 }, /^prot: is no setting; did you mean port\?/],
    [{ zzzzzzzz: 1 }, /^zzzzzzzz: is no setting; there are image, /],
    [{ port: 0 }, /^port: is 0: must be a port from 1 to 65535/],
    [{ port: '14140' }, /^port: is "14140": must be a port/],
    [{ operatorPort: 14_140 }, /^operatorPort: is 14140: must be another port than port/],
    [{ mode: 'sidecar' }, /^mode: is "sidecar": must be one of native, legacy/],
    [{ image: 'a b' }, /^image: .*reference of an image/],
    [{ imagePullPolicy: 'always' }, /^imagePullPolicy: .*Always, IfNotPresent, Never/],
    [{ httpsProxy: 'yes' }, /^httpsProxy: .*true or false/],
    [{ noProxy: 'a,b' }, /^noProxy: .*must be a list/],
    [{ noProxy: ['a', 'b c'] }, /^noProxy\[1\]: is "b c"/],
    [{ configMap: 'A_b' }, /^configMap: .*name of a ConfigMap/],
    [{ runAsUser: 0 }, /^runAsUser: is 0: .*other than root/],
    [{ preStopSeconds: 1.5 }, /^preStopSeconds: is 1.5/],
    [{ env: { '1A': 'x' } }, /^env\.1A: .*name of a variable/],
    [{ env: { A: 1 } }, /^env\.A: is 1: must be text, in quotes/],
    [{ env: [] }, /^env: is a list: must be names with values/],
    [{ resources: { limit: {} } }, /^resources\.limit: .*requests or limits/],
    [{ resources: { limits: { gpu: '1' } } }, /^resources\.limits\.gpu: .*one of cpu, memory/],
    [{ resources: { limits: { memory: 256 } } }, /^resources\.limits\.memory: is 256: .*quantity/],
    [{ resources: { limits: { memory: '64Mi' } } }, /^resources\.requests\.memory: .*at most its limit, 64Mi/],
    [[], /^inject: is a list/],
  ] as const)
    t.match(problemsOf(tree)[0], problem, JSON.stringify(tree));
  t.equal(problemsOf({ port: 0, mode: 'x', java: 1 }).length, 3, 'all at once');
  t.end();
});

t.test('the JSON Schema has every setting with its words and its default, and nothing else', (t) => {
  const schema = injectionJsonSchema();
  t.equal(schema.additionalProperties, false);
  const properties: Record<string, { description?: string; default?: unknown }> = JSON.parse(
    JSON.stringify(schema.properties),
  );
  t.strictSame(Object.keys(properties).sort(), ['image', ...Object.keys(INJECTION_DEFAULTS)].sort());
  for (const [name, { description }] of Object.entries(properties)) t.ok(description, name);
  const defaults = Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, property.default]));
  t.match(defaults, { ...INJECTION_DEFAULTS });
  t.end();
});

t.test('quantities are read as Kubernetes reads them', (t) => {
  for (const [text, value] of [
    ['20m', 0.02],
    ['96Mi', 96 * 1024 * 1024],
    ['1', 1],
    ['.5', 0.5],
    ['1.', 1],
    ['1e3', 1000],
    ['2E', 2e18],
    ['2Ki', 2048],
    ['0', 0],
    ['9m', 0.009],
    ['5600m', 5.6],
    ['5600e-3', 5.6],
    ['7u', 0.000_007],
  ] as const)
    t.equal(parseQuantity(text), value, text);
  for (const text of ['', '-1', '1 Mi', '256MB', 'Mi', '1mi', '1.2.3']) t.equal(parseQuantity(text), null, text);
  t.end();
});
