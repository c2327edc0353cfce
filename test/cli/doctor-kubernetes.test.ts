import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { stringify } from 'yaml';
import { checkKubernetes } from '../../src/cli/doctor-kubernetes.ts';
import { tokenExpiry } from '../../src/cli/doctor-token.ts';
import { portOf } from '../admin/port-of.ts';
import { slice } from '../discovery/kubernetes/kube-objects.ts';
import { ScriptedApiServer } from '../discovery/kubernetes/scripted-api-server.ts';
import { TestClock } from '../test-clock.ts';
import { doctorContext, findingsOf, inShort, temporaryFile } from './doctor-fixture.ts';

const VERSION = { body: '{"major":"1","minor":"34","gitVersion":"v1.34.1"}', type: 'application/json' };

async function apiServer(t: Test): Promise<ScriptedApiServer> {
  const api = await ScriptedApiServer.start(t);
  // /version: what is neither a Service nor a slice.
  api.fault({ verb: 'other' }, VERSION);
  return api;
}

type Setup = {
  readonly settings?: Record<string, unknown>;
  readonly env?: Record<string, string>;
  readonly clock?: TestClock;
};

/** The findings with these settings of `discovery.kubernetes`. */
async function look(t: Test, { settings = {}, env = {}, clock = new TestClock() }: Setup = {}) {
  const context = doctorContext(t, { discovery: { kubernetes: settings } }, { clock, env });
  const findings = await findingsOf(clock, (sink, stopped) => checkKubernetes(context, sink, stopped));
  // A call that was cut cancels its deadline in a turn of its own.
  for (let turn = 0; turn < 100 && clock.waiting > 0; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.equal(clock.waiting, 0, 'no timer is left');
  return findings;
}

/** Settings for the scripted server, with all that a pod knows of itself. */
const pod = (t: Test, api: ScriptedApiServer, token?: string) => ({
  enabled: true,
  apiServer: api.url,
  tokenDir: api.accountDir(t, token === undefined ? {} : { token }),
  node: 'node-1',
  zone: 'zone-a',
});

const jwt = (exp: unknown) =>
  `e30.${Buffer.from(JSON.stringify({ exp, sub: 'system:serviceaccount:shop:app' })).toString('base64url')}.c2ln`;

test('a pod with all rights has a finding for each thing that is well', async (t) => {
  const api = await apiServer(t);
  const findings = inShort(await look(t, { settings: pod(t, api) }));
  t.match(findings, [
    /^ok credentials: /,
    `ok ${api.url} answers: Kubernetes v1.34.1`,
    'ok namespace shop: get services, list and watch endpointslices are allowed',
    'ok namespace shop, node node-1, zone zone-a',
  ]);
  await api.until(() => api.connectionsOpen === 0);
  t.match(api.requestsOf({ verb: 'watch' }), [{ query: { timeoutSeconds: '1' } }]);
  t.match(api.requestsOf({ verb: 'list' }), [{ query: { limit: '1' } }]);
});

test('discovery that is off, and a machine that is no pod, are well', async (t) => {
  t.match(inShort(await look(t, { settings: { enabled: false } })), [/^ok discovery\.kubernetes\.enabled is off/]);
  const tokenDir = t.testdir();
  t.match(inShort(await look(t, { settings: { tokenDir } })), [/^ok not used: this is not a pod/]);
});

test('a pod without a token is told what to mount', async (t) => {
  const tokenDir = t.testdir();
  t.match(await look(t, { settings: { tokenDir }, env: { KUBERNETES_SERVICE_HOST: '10.96.0.1' } }), [
    { status: 'warn', message: /there is no token in/, remedy: /projected volume/ },
  ]);
});

test('credentials that are wanted and cannot be read are a failure', async (t) => {
  const api = await apiServer(t);
  const settings = pod(t, api);
  rmSync(join(settings.tokenDir, 'token'));
  t.match(await look(t, { settings }), [{ status: 'fail', remedy: /.+/ }]);
  writeFileSync(join(settings.tokenDir, 'token'), 'a-token');
  writeFileSync(join(settings.tokenDir, 'ca.crt'), 'nonsense');
  t.match(await look(t, { settings }), [{ status: 'fail', remedy: /.+/ }]);
  t.equal(api.requests.length, 0);
});

test('an expired token is a warning with its time, a living one tells it', async (t) => {
  const api = await apiServer(t);
  const now = new TestClock().wall() / 1000;
  const [expired] = await look(t, { settings: pod(t, api, jwt(now - 60)) });
  t.match(expired, {
    status: 'warn',
    message: /the token expired at 2025-12-31T23:59:00/,
    remedy: /serviceAccountToken/,
  });
  const [living] = await look(t, { settings: pod(t, api, jwt(now + 3600)) });
  t.match(living, { status: 'ok', message: /good until 2026-01-01T01:00:00/ });
});

test('the expiry is read from whatever is there', (t) => {
  t.equal(tokenExpiry(jwt(5)), 5000);
  for (const token of [
    '',
    'opaque',
    'a.b',
    'a.b.c',
    'a.b.c.d',
    `${jwt(5)}.d`,
    jwt('x'),
    jwt(undefined),
    jwt(1e300),
    `a.${btoa('null')}.c`,
  ])
    t.equal(tokenExpiry(token), null, token);
  t.end();
});

test('an API server that is not there, or is something else, or does not know the token, is a failure', async (t) => {
  const api = await apiServer(t);
  const settings = pod(t, api);
  const other = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\n\r\nhello')).listen(
    0,
    '127.0.0.1',
  );
  await once(other, 'listening');
  t.teardown(() => other.close());
  const failing = async (changes: Record<string, unknown>, words: string) => {
    const [, finding, place, ...rest] = await look(t, { settings: { ...settings, ...changes } });
    t.match(finding, { status: 'fail', remedy: /.+/ }, words);
    t.match(place, { status: 'ok', message: /node-1/ }, 'the checks after it go on');
    t.same(rest, [], 'rights are not asked for');
  };
  await failing({ apiServer: `https://127.0.0.1:${portOf(other)}` }, 'no TLS');
  await api.useCertificate('second');
  await failing({}, 'another CA');
  await api.useCertificate('first');
  api.fault({ verb: 'other' }, { body: '<html>', type: 'text/html' }, 1);
  await failing({}, 'no API');
  api.token = 'another';
  api.fault({ verb: 'other' }, { status: 401 });
  await failing({}, '401');
  await api.network.stop();
  await failing({}, 'nobody listens');
  await failing({ zone: null }, 'nobody listens, and the zone is not known');
});

test('an API server that does not tell its version is one all the same', async (t) => {
  const api = await apiServer(t);
  for (const status of [403, 404]) {
    api.fault({ verb: 'other' }, { status });
    t.match(inShort(await look(t, { settings: pod(t, api) }))[1], /^ok .* answers, though not about its version/);
  }
});

test('an API server that does not answer is given up after three seconds of the clock', async (t) => {
  const api = await apiServer(t);
  api.fault({ verb: 'other' }, { hang: true });
  const clock = new TestClock();
  const running = look(t, { settings: pod(t, api), clock });
  await api.untilRequest({ verb: 'other' });
  clock.advance(3000);
  t.match((await running)[1], { status: 'fail', message: /did not answer within 3 s/ });
});

test('a right that is missing is told with the rule of the Role and its subject', async (t) => {
  const api = await apiServer(t);
  const lift = api.forbid('endpointslices', 'shop');
  t.match((await look(t, { settings: pod(t, api) }))[2], {
    status: 'fail',
    message:
      'namespace shop: list endpointslices, watch endpointslices forbidden (403), so Services there are found by DNS',
    remedy:
      'Add a Role in namespace shop with `rules: [{apiGroups: ["discovery.k8s.io"], resources: [endpointslices], verbs: [list, watch]}]` and a RoleBinding of it to the group system:serviceaccounts:shop.',
  });
  lift();
  api.fault({ verb: 'watch' }, { status: 403 });
  t.match((await look(t, { settings: pod(t, api) }))[2]?.remedy, /resources: \[endpointslices\], verbs: \[watch\]}\]`/);
  api.forbid('*', '*');
  t.match(
    (await look(t, { settings: pod(t, api) }))[2]?.remedy,
    /rules: \[\{apiGroups: \[""\], resources: \[services\], verbs: \[get\]\}, \{api/,
  );
});

test('the rights of a kubeconfig are its user’s', async (t) => {
  const api = await apiServer(t);
  api.forbid('services', 'shop');
  const cluster = { server: api.url, 'certificate-authority-data': Buffer.from(api.ca).toString('base64') };
  const kubeconfig = temporaryFile(
    t,
    'config',
    stringify({
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'here', user: 'me', namespace: 'shop' } }],
      clusters: [{ name: 'here', cluster }],
      users: [{ name: 'me', user: { token: 'a-token' } }],
    }),
  );
  const findings = await look(t, { settings: { kubeconfig, node: 'node-1', zone: 'zone-a' } });
  t.match(findings[0], { status: 'ok', message: /kubeconfig/ });
  t.match(findings[2], { status: 'fail', remedy: /a RoleBinding of it to the user of the kubeconfig\.$/ });
});

test('each listed namespace is looked at, and cluster-wide rights by a namespace that nobody has', async (t) => {
  const api = await apiServer(t);
  api.forbid('services', 'billing');
  const findings = await look(t, { settings: { ...pod(t, api), namespaces: ['billing', '*'] } });
  t.match(findings.slice(2, 5), [
    { status: 'ok', message: /^namespace shop: / },
    {
      status: 'fail',
      message: /^namespace billing: get services forbidden/,
      remedy: /Role in namespace billing.*system:serviceaccounts:shop\.$/,
    },
    { status: 'ok', message: /^all namespaces: / },
  ]);
  api.forbid('services', 'carpool-doctor');
  const [, , , all] = await look(t, { settings: { ...pod(t, api), namespaces: ['*'] } });
  t.match(all, { status: 'fail', remedy: /Add a ClusterRole with `rules: .*a ClusterRoleBinding/ });
});

test('a failure of the API that is no matter of rights is told as what it is', async (t) => {
  const api = await apiServer(t);
  api.fault({ verb: 'list' }, { status: 503 });
  t.match((await look(t, { settings: pod(t, api) }))[2], { status: 'fail', message: /^namespace shop: .*503/ });
});

test('without node or zone topology is ignored, which is told with the variable that mends it', async (t) => {
  const api = await apiServer(t);
  const nowhere = await look(t, { settings: { ...pod(t, api), node: null, zone: null } });
  t.match(nowhere.at(-1), {
    status: 'warn',
    message: /neither node nor zone/,
    remedy: /\{name: NODE_NAME, valueFrom: \{fieldRef: \{fieldPath: spec\.nodeName\}\}\}/,
  });
  const nodeless = await look(t, { settings: { ...pod(t, api), node: null } });
  t.match(nodeless.at(-1), { status: 'warn', message: /Local is ignored/ });
  const zoneless = { ...pod(t, api), zone: null };
  t.match((await look(t, { settings: zoneless })).at(-1), {
    status: 'warn',
    message: /its zone is not known/,
    remedy: /CARPOOL_ZONE/,
  });
  api.putSlice(slice({ service: 'orders', endpoints: [{ address: '10.0.0.1', nodeName: 'node-1', zone: 'zone-b' }] }));
  t.match(inShort(await look(t, { settings: zoneless })).at(-1), 'ok namespace shop, node node-1, zone zone-b');
});

test('a pod whose namespace is not known is told the variable, and no other is taken for it', async (t) => {
  const api = await apiServer(t);
  const settings = pod(t, api);
  rmSync(join(settings.tokenDir, 'namespace'));
  const findings = await look(t, { settings });
  t.match(findings[2], {
    status: 'warn',
    message: /namespace is not known/,
    remedy: /POD_NAMESPACE.*metadata\.namespace/,
  });
  t.match(inShort(findings)[3], 'ok node node-1, zone zone-a');
  t.match((await look(t, { settings: { ...settings, zone: null } })).at(-1), { message: /its zone is not known/ });
  t.same(api.requestsOf({ verb: 'list' }), [], 'no namespace is looked at in its place');
});
