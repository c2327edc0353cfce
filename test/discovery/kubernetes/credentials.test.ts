import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { hasCredentials, openCredentials } from '../../../src/discovery/kubernetes/credentials.ts';
import { ApiError } from '../../../src/discovery/kubernetes/kube-api.ts';
import { TestClock } from '../../test-clock.ts';
import { certificates } from './certificates.ts';

const ENV = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };

/** The ApiError that `call` throws. */
function failure(call: () => unknown): ApiError {
  try {
    call();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

type Testdir = { testdir: (files: Record<string, string>) => string };

async function account(t: Testdir) {
  const { ca } = await certificates();
  const tokenDir = t.testdir({ token: 'secret-token\n', 'ca.crt': ca, namespace: 'shop\n' });
  const clock = new TestClock();
  const open = (env: Record<string, string | undefined> = ENV, apiServer: string | null = null) =>
    openCredentials({ env, kubeconfig: null, apiServer, tokenDir, clock });
  return { ca, tokenDir, clock, open };
}

test('a pod has its service account', async (t) => {
  const { ca, tokenDir, open } = await account(t);
  const credentials = open();
  const access = credentials.read();
  t.equal(access.server.href, 'https://10.96.0.1/');
  t.match(access, { ca, token: 'secret-token', cert: null, key: null, serverName: null, insecure: false });
  t.equal(credentials.namespace, 'shop');
  t.equal(credentials.describe(), `the service account in ${tokenDir}`);
});

test('the API server may have an IPv6 address and another port', async (t) => {
  const { open } = await account(t);
  const server = (host: string, port?: string) =>
    open({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port }).read().server.href;
  t.equal(server('fd00::1', '6443'), 'https://[fd00::1]:6443/');
  t.equal(server('[fd00::1]', '6443'), 'https://[fd00::1]:6443/');
  t.equal(server('kubernetes.example', undefined), 'https://kubernetes.example/');
});

test('an API server that is named goes before the variables', async (t) => {
  const { open } = await account(t);
  t.equal(open(ENV, 'https://10.0.0.1:6443/clusters/a/').read().server.href, 'https://10.0.0.1:6443/clusters/a');
  t.equal(open({}, 'https://10.0.0.1:6443').read().token, 'secret-token');
});

test('a token that is renewed is read after 10 s, or at once when asked for', async (t) => {
  const { tokenDir, clock, open } = await account(t);
  const credentials = open();
  credentials.read();
  writeFileSync(join(tokenDir, 'token'), 'second');
  clock.advance(9_999);
  t.equal(credentials.read().token, 'secret-token');
  clock.advance(1);
  t.equal(credentials.read().token, 'second');
  writeFileSync(join(tokenDir, 'token'), 'third');
  t.equal(credentials.read(true).token, 'third');
  t.equal(credentials.read().token, 'third');
});

test('what is wrong with a service account is told in words, with a remedy and without the token', async (t) => {
  const { tokenDir, ca, open } = await account(t);
  const token = join(tokenDir, 'token');
  const file = join(tokenDir, 'ca.crt');
  const cases: [what: string, breakIt: () => unknown, message: RegExp][] = [
    ['a missing token', () => rmSync(token), /^the service account token .*token is not there$/],
    ['an empty token', () => writeFileSync(token, ' \n'), /token is empty$/],
    ['a token of two lines', () => writeFileSync(token, 'secret\r\ntoken'), /token holds no token: there are spaces/],
    ['a directory', () => [rmSync(token), mkdirSync(token)], /token is a directory$/],
    ['a missing CA', () => rmSync(file), /^the CA of the API server .*ca\.crt is not there$/],
    ['an empty CA', () => writeFileSync(file, ''), /ca\.crt holds no certificate in PEM form$/],
    ['a cut CA', () => writeFileSync(file, ca.replace(/\n.{64}\n/, '\n')), /holds a certificate that cannot be read$/],
  ];
  for (const [what, breakIt, message] of cases) {
    rmSync(token, { recursive: true, force: true });
    writeFileSync(token, 'secret-token');
    writeFileSync(file, ca);
    t.equal(open().read().token, 'secret-token');
    breakIt();
    const error = failure(() => open().read());
    t.equal(error.kind, 'no_credentials', what);
    t.match(error.message, message, what);
    t.match(error.hint, /^Mount a projected volume with .*\.$/, what);
    t.notMatch(`${error.message} ${error.hint}`, /secret/, what);
  }
});

test('a token that may not be read is told so', {
  skip: process.getuid?.() === 0 && 'root may read all',
}, async (t) => {
  const { tokenDir, open } = await account(t);
  chmodSync(join(tokenDir, 'token'), 0);
  t.match(failure(() => open().read()).message, /token may not be read by this process$/);
});

test('the last good credentials are not kept once they are gone', async (t) => {
  const { tokenDir, clock, open } = await account(t);
  const credentials = open();
  credentials.read();
  rmSync(join(tokenDir, 'token'));
  clock.advance(10_000);
  t.equal(failure(() => credentials.read()).kind, 'no_credentials');
  t.equal(failure(() => credentials.read()).kind, 'no_credentials');
  writeFileSync(join(tokenDir, 'token'), 'again');
  t.equal(credentials.read().token, 'again', 'and are found again at once');
});

test('an address that is none is told by what names it', async (t) => {
  const { open } = await account(t);
  const message = (env: Record<string, string | undefined>, apiServer: string | null = null) =>
    failure(() => open(env, apiServer).read()).message;
  t.match(message({}), /^KUBERNETES_SERVICE_HOST is not set/);
  t.match(message({ KUBERNETES_SERVICE_HOST: '' }), /^KUBERNETES_SERVICE_HOST is not set/);
  t.match(message({ ...ENV, KUBERNETES_SERVICE_PORT: 'tcp' }), /KUBERNETES_SERVICE_PORT is no URL$/);
  t.equal(message({}, 'not a url'), 'discovery.kubernetes.apiServer is no URL');
  t.match(message({}, 'http://10.0.0.1'), /apiServer begins with http:\/\/: a token is sent over TLS only$/);
  t.equal(
    message({}, 'https://user:hunter2@10.0.0.1'),
    'discovery.kubernetes.apiServer has a user name or password in it, which the API server does not take',
  );
});

test('a namespace that is not mounted is not known', async (t) => {
  const { tokenDir, open } = await account(t);
  rmSync(join(tokenDir, 'namespace'));
  t.equal(open().namespace, null);
  writeFileSync(join(tokenDir, 'namespace'), '\n');
  t.equal(open().namespace, null);
});

test('there are credentials where there is a token and an address, or a kubeconfig is named', async (t) => {
  const { tokenDir } = await account(t);
  const places = { env: ENV, kubeconfig: null, apiServer: null, tokenDir };
  t.equal(hasCredentials(places), true);
  t.equal(hasCredentials({ ...places, env: {} }), false);
  t.equal(hasCredentials({ ...places, env: {}, apiServer: 'https://10.0.0.1' }), true);
  t.equal(hasCredentials({ ...places, tokenDir: `${tokenDir}/none` }), false);
  t.equal(hasCredentials({ ...places, env: {}, tokenDir: '', kubeconfig: 'missing.yaml' }), true);
});
