import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { stringify } from 'yaml';
import { ApiClient } from '../../../src/discovery/kubernetes/api-client.ts';
import { openCredentials } from '../../../src/discovery/kubernetes/credentials.ts';
import { ApiError } from '../../../src/discovery/kubernetes/kube-api.ts';
import { TestClock } from '../../test-clock.ts';
import { SLICES } from './api-fixture.ts';
import { certificates } from './certificates.ts';
import { ScriptedApiServer } from './scripted-api-server.ts';

type Parts = {
  cluster?: Record<string, unknown>;
  user?: Record<string, unknown>;
  context?: Record<string, unknown>;
  root?: Record<string, unknown>;
};

type Testdir = { testdir: (files: Record<string, string>) => string };

const { ca, cert, key } = await certificates();
const base64 = (text: string) => Buffer.from(text).toString('base64');

function config({ cluster, user, context, root }: Parts = {}): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'dev',
    contexts: [
      { name: 'other', context: { cluster: 'c0', user: 'u0' } },
      { name: 'dev', context: { cluster: 'c1', user: 'u1', namespace: 'shop', ...context } },
    ],
    clusters: [
      {
        name: 'c1',
        cluster: { server: 'https://10.0.0.1:6443/', 'certificate-authority-data': base64(ca), ...cluster },
      },
    ],
    users: [{ name: 'u1', user: { token: 'secret-token', ...user } }],
    ...root,
  });
}

function open(t: Testdir, text: string, files: Record<string, string> = {}, apiServer: string | null = null) {
  const dir = t.testdir({ config: text, ...files });
  const clock = new TestClock();
  const kubeconfig = join(dir, 'config');
  return {
    dir,
    clock,
    credentials: openCredentials({ env: {}, kubeconfig, apiServer, tokenDir: '', clock }),
    kubeconfig,
  };
}

function problem(t: Testdir, text: string, files: Record<string, string> = {}): string {
  const { credentials, dir } = open(t, text, files);
  try {
    credentials.read();
  } catch (error) {
    if (!(error instanceof ApiError) || error.kind !== 'no_credentials') throw error;
    return error.message.replaceAll(dir, 'DIR');
  }
  throw new Error('it was taken');
}

test('a kubeconfig says where the API server is and who we are, by its current context', (t) => {
  const { credentials, kubeconfig } = open(t, config());
  const access = credentials.read();
  t.equal(access.server.href, 'https://10.0.0.1:6443/');
  t.match(access, { ca, token: 'secret-token', cert: null, key: null, serverName: null, insecure: false });
  t.equal(credentials.namespace, 'shop');
  t.equal(credentials.describe(), `the kubeconfig ${kubeconfig}`);
  t.end();
});

test('what a kubeconfig has in files is read beside it, and again when it changes', (t) => {
  const cluster = { 'certificate-authority-data': undefined, 'certificate-authority': 'pki/ca.pem' };
  const user = {
    token: 'ignored',
    tokenFile: 'token',
    'client-certificate': './client.pem',
    'client-key': 'client.key',
  };
  const text = config({ cluster, user });
  const { credentials, dir, clock } = open(t, text, { token: 'first\n', 'client.pem': cert, 'client.key': key });
  t.throws(() => credentials.read(), {
    message: /^certificate-authority of the kubeconfig: .*pki\/ca\.pem is not there$/,
  });
  writeFileSync(join(dir, 'config'), text.replace('pki/ca.pem', 'client.pem'));
  t.match(credentials.read(), { ca: cert, token: 'first', cert, key });
  writeFileSync(join(dir, 'token'), 'second');
  clock.advance(10_000);
  t.equal(credentials.read().token, 'second');
  t.end();
});

test('a kubeconfig may turn verification off, name another server, and give way to apiServer', (t) => {
  const cluster = { 'insecure-skip-tls-verify': true, 'tls-server-name': 'kubernetes' };
  const { credentials } = open(t, config({ cluster }), {}, 'https://10.9.9.9:7443');
  const access = credentials.read();
  t.equal(access.server.href, 'https://10.9.9.9:7443/');
  t.match(access, { ca: null, insecure: true, serverName: 'kubernetes' });
  t.end();
});

test('what is wrong with a kubeconfig is told with its line', (t) => {
  const line = (text: string, what: string) => text.slice(0, text.indexOf(what)).split('\n').length;
  const text = config();
  const user = line(text, 'token:');
  const cluster = line(text, 'server:');
  const context = line(text, 'cluster: c1');
  const at = (where: number) => `the kubeconfig DIR/config:${where}:`;
  const cases: [text: string, message: string][] = [
    ['', 'the kubeconfig DIR/config holds no settings'],
    ['- a list', 'the kubeconfig DIR/config holds no settings'],
    ['a: b\nc: [1, 2\nd: "secret', 'the kubeconfig DIR/config is no YAML: line 3 (BAD_INDENT)'],
    [config({ root: { 'current-context': '' } }), `${at(1)} no current-context is set`],
    [config({ root: { 'current-context': 'prod' } }), `${at(1)} there is no "prod" in contexts`],
    [config({ root: { contexts: null } }), `${at(1)} there is no "dev" in contexts`],
    [config({ context: { cluster: undefined } }), `${at(context)} the context names no cluster`],
    [config({ context: { user: 'nobody' } }), `${at(1)} there is no "nobody" in users`],
    [config({ root: { users: [{ name: 'u1' }] } }), `${at(user - 2)} "u1" in users has no user`],
    [config({ cluster: { server: '' } }), `${at(cluster)} the cluster has no server`],
    [config({ cluster: { server: 'nowhere' } }), `the server in DIR/config:${cluster} is no URL`],
    [config({ cluster: { server: ['a'] } }), `${at(cluster)} server is no text`],
    [config({ cluster: { 'proxy-url': 'http://proxy' } }), `${at(cluster)} proxy-url is not supported`],
    [
      config({ cluster: { 'insecure-skip-tls-verify': 'maybe' } }),
      `${at(cluster)} insecure-skip-tls-verify is neither true nor false`,
    ],
    [
      config({ cluster: { 'certificate-authority-data': base64('no PEM') } }),
      `certificate-authority of DIR/config:${cluster} holds no certificate in PEM form`,
    ],
    [
      config({ user: { token: 'secret token' } }),
      `token of DIR/config:${user} holds no token: there are spaces or characters in it that a token cannot have`,
    ],
    [
      config({ user: { exec: { command: 'aws' } } }),
      `${at(user)} the user logs in by exec, which is not supported: use a token or a client certificate`,
    ],
    [
      config({ user: { 'auth-provider': { name: 'gcp' } } }),
      `${at(user)} the user logs in by auth-provider, which is not supported: use a token or a client certificate`,
    ],
    [config({ user: { token: '' } }), `${at(user)} the user has neither a token nor a client certificate`],
    [
      config({ user: { 'client-certificate-data': base64(cert) } }),
      `${at(user)} client-certificate and client-key belong together, and one of them is missing`,
    ],
    [
      config({ user: { 'client-certificate-data': base64(cert), 'client-key-data': base64('none') } }),
      `${at(user)} client-key holds no private key in PEM form`,
    ],
  ];
  for (const [text, message] of cases) {
    const told = problem(t, text);
    t.equal(told, message);
    t.notMatch(told, /secret/);
  }
  t.end();
});

test('a context that names no namespace is in default, as for kubectl', (t) => {
  const { credentials } = open(t, config({ context: { namespace: undefined } }));
  t.equal(credentials.namespace, 'default');
  t.end();
});

test('a kubeconfig that is not there is told so, and has no namespace', (t) => {
  const places = { env: {}, kubeconfig: '/nowhere/config', apiServer: null, tokenDir: '', clock: new TestClock() };
  const credentials = openCredentials(places);
  t.equal(credentials.namespace, null);
  t.throws(() => credentials.read(), {
    kind: 'no_credentials',
    message: 'the kubeconfig /nowhere/config is not there',
  });
  t.end();
});

test('a client certificate goes into the handshake', async (t) => {
  const server = await ScriptedApiServer.start(t);
  const user = { token: undefined, 'client-certificate-data': base64(cert), 'client-key-data': base64(key) };
  const text = config({ cluster: { server: server.url, 'certificate-authority-data': base64(server.ca) }, user });
  const { credentials, clock } = open(t, text);
  const client = new ApiClient({ credentials, clock, userAgent: 'carpool/1.2.3' });
  t.teardown(() => client.close());
  const seen = server.untilClientCertificate();
  t.match(await client.get(SLICES), { kind: 'EndpointSliceList' });
  t.equal(await seen, 'kube-apiserver');
  t.equal(server.requests[0]?.token, null);
});
