import { writeFileSync } from 'node:fs';
import { type Test, test } from 'tap';
import type { Finding } from '../../src/cli/doctor-finding.ts';
import { ProxyVariables, readEnviron } from '../../src/cli/doctor-proxy-variables.ts';
import { doctorContext, findingsOf, inShort, temporaryFile } from './doctor-fixture.ts';

const NO_PROXY =
  'localhost,127.0.0.1,::1,169.254.169.254,169.254.170.2,169.254.170.23,metadata.google.internal,10.96.0.1,kubernetes.default.svc';
/** What the injector sets, and the kubelet. */
const RIGHT: Readonly<Record<string, string>> = {
  HTTP_PROXY: 'http://127.0.0.1:14140',
  http_proxy: 'http://127.0.0.1:14140',
  NO_PROXY,
  no_proxy: NO_PROXY,
  NODE_USE_ENV_PROXY: '1',
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
};

type Setup = { listener?: Record<string, unknown>; own?: boolean; destinations?: readonly string[] };

/** The findings about `RIGHT` with these changes; undefined takes a variable away. */
function look(
  t: Test,
  changes: Readonly<Record<string, string | undefined>> = {},
  { listener = {}, own = false, destinations = [] }: Setup = {},
): Promise<readonly Finding[]> {
  const { config, clock } = doctorContext(t, { listener });
  return findingsOf(clock, (findings) =>
    new ProxyVariables({ variables: { ...RIGHT, ...changes }, own }, config, findings).check(destinations),
  );
}

const bad = (findings: readonly Finding[]) => findings.filter(({ status }) => status !== 'ok');
const both = (value: string | undefined) => ({ HTTP_PROXY: value, http_proxy: value });
const bothNo = (value: string | undefined) => ({ NO_PROXY: value, no_proxy: value });

test('the variables that the injector sets are right', async (t) => {
  t.same(inShort(await look(t)), [
    'ok HTTP_PROXY and http_proxy lead to carpool (http://127.0.0.1:14140)',
    'ok NO_PROXY and no_proxy hold what must not go through a proxy',
  ]);
  for (const value of ['http://localhost:14140', 'http://127.0.0.1:14140/'])
    t.same(bad(await look(t, both(value))), [], value);
  t.same(bad(await look(t, both('http://[::1]:14140'), { listener: { host: '::1' } })), []);
  const wildcard = { listener: { host: '0.0.0.0', allowNonLoopback: true } };
  t.same(bad(await look(t, both('http://127.0.0.1:14140'), wildcard)), []);
});

test('without the variables nothing goes through carpool; in an environment that is not the app’s that says nothing', async (t) => {
  t.match(await look(t, both(undefined)), [
    { status: 'fail', message: /neither HTTP_PROXY nor http_proxy is set/, remedy: /http:\/\/127\.0\.0\.1:14140/ },
  ]);
  t.match(await look(t, both(undefined), { own: true }), [
    { status: 'warn', message: /^not looked at/, remedy: /--environ FILE: \/proc\/PID\/environ/ },
  ]);
});

test('a proxy variable that leads elsewhere is told, without its credentials', async (t) => {
  for (const [value, words] of [
    ['http://proxy.corp:3128', /leads elsewhere, not to carpool at http:\/\/127\.0\.0\.1:14140/],
    ['http://127.0.0.1:3128', /leads elsewhere/],
    ['http://[::1]:14140', /leads elsewhere/],
    ['https://127.0.0.1:14140', /says https, but the listener speaks plain HTTP/],
    ['http://', /is no URL/],
  ] as const) {
    const findings = bad(await look(t, both(value)));
    t.match(
      findings,
      [
        { status: 'fail', message: words },
        { status: 'fail', message: words },
      ],
      value,
    );
    t.match(findings[0]?.remedy, 'Set it to http://127.0.0.1:14140');
  }
  const [secret] = await look(t, both('http://me:secret@proxy.corp:3128'));
  t.match(secret?.message, 'http://***@proxy.corp:3128');
  t.notMatch(secret?.message, /secret/);
  const [odd] = await look(t, both('me:se/c@ret@127.0.0.1:14140'));
  t.match(odd?.message, '=***@127.0.0.1:14140 ');
  t.match(bad(await look(t, both('127.0.0.1:14140')))[0], { status: 'warn', message: /has no scheme/ });
});

test('one case of HTTP_PROXY alone is a warning that says who reads the other', async (t) => {
  t.match(bad(await look(t, { http_proxy: undefined })), [
    {
      status: 'warn',
      message: /^http_proxy is not set: curl/,
      remedy: 'Set http_proxy to the same value as HTTP_PROXY.',
    },
  ]);
  t.match(bad(await look(t, { HTTP_PROXY: '' })), [{ status: 'warn', message: /^HTTP_PROXY is not set/ }]);
});

test('HTTPS_PROXY is not needed but for gRPC in Go, and is told where it leads elsewhere', async (t) => {
  t.match(
    inShort(await look(t, { grpc_proxy: 'http://127.0.0.1:14140' })).at(-1),
    /^ok HTTPS_PROXY is not set.*gRPC for Go/,
  );
  t.same(bad(await look(t, { HTTPS_PROXY: 'http://127.0.0.1:14140' })), []);
  t.match(bad(await look(t, { https_proxy: 'http://proxy.corp:3128' })), [
    { status: 'warn', message: /^https_proxy=http:\/\/proxy\.corp:3128 leads elsewhere/ },
  ]);
});

test('a variable that leads to carpool in another way than HTTP, or to its operator port, is a failure', async (t) => {
  for (const [name, value, words] of [
    ['HTTPS_PROXY', 'https://127.0.0.1:14140', /says https, but the listener speaks plain HTTP/],
    ['https_proxy', 'https://localhost:14140/', /says https/],
    ['ALL_PROXY', 'socks5://127.0.0.1:14140', /says socks5, but carpool is an HTTP proxy and speaks no SOCKS/],
    ['all_proxy', 'socks5h://127.0.0.1:14140', /speaks no SOCKS/],
    ['HTTPS_PROXY', 'http://127.0.0.1:14191', /leads to the operator port, which is for probes and metrics/],
  ] as const)
    t.match(
      bad(await look(t, { [name]: value })),
      [{ status: 'fail', message: words, remedy: 'Set it to http://127.0.0.1:14140.' }],
      value,
    );
  t.match(bad(await look(t, both('http://127.0.0.1:14191')))[0], { status: 'fail', message: /the operator port/ });
  for (const elsewhere of ['socks5://127.0.0.1:1080', 'https://proxy.corp:14140'])
    t.match(
      bad(await look(t, { ALL_PROXY: elsewhere })),
      [{ status: 'warn', message: /leads elsewhere/, remedy: /Leave it if/ }],
      elsewhere,
    );
});

test('what NO_PROXY lacks is listed', async (t) => {
  t.match(bad(await look(t, bothNo(undefined))), [
    { status: 'warn', message: /neither NO_PROXY nor no_proxy/, remedy: /localhost,127\.0\.0\.1,::1,.*,10\.96\.0\.1/ },
  ]);
  t.match(bad(await look(t, bothNo('localhost, 127.0.0.1'))), [
    {
      status: 'warn',
      message: /lacks ::1, 169\.254\.169\.254, .*10\.96\.0\.1, kubernetes\.default\.svc:/,
      remedy: /^Add ::1,/,
    },
  ]);
  t.same(
    bad(await look(t, bothNo(NO_PROXY.replace('metadata.google.internal', '.google.internal')))),
    [],
    'a suffix will do',
  );
  t.match(
    bad(await look(t, bothNo(NO_PROXY.replace('169.254.169.254', '.169.254')))),
    [{ message: /lacks 169\.254\.169\.254:/ }],
    'addresses have none',
  );
});

test('NO_PROXY in one case alone, or with two meanings, is a warning', async (t) => {
  t.match(bad(await look(t, { NO_PROXY: undefined })), [{ status: 'warn', message: /^NO_PROXY is not set/ }]);
  t.match(bad(await look(t, { no_proxy: `${NO_PROXY},b` })), [{ status: 'warn', message: /differ/ }]);
});

test('address ranges, the domain of Services, named destinations and * in NO_PROXY are told', async (t) => {
  t.match(bad(await look(t, bothNo(`${NO_PROXY},10.0.0.0/8`))), [
    { status: 'warn', message: /\(10\.0\.0\.0\/8\).*urllib/ },
  ]);
  for (const entry of ['.svc', '.cluster.local', '*.svc.cluster.local', 'svc'])
    t.match(
      bad(await look(t, bothNo(`${NO_PROXY},${entry}`))),
      [{ status: 'warn', message: /Services.*past carpool/ }],
      entry,
    );
  t.match(bad(await look(t, bothNo(`${NO_PROXY},shop`), { destinations: ['orders.shop', 'a.b'] })), [
    { status: 'warn', message: /holds orders\.shop: calls there go past carpool/ },
  ]);
  t.match(bad(await look(t, bothNo('*'))), [{ status: 'fail', message: /no call goes through carpool/ }]);
});

test('Node’s fetch needs a variable more', async (t) => {
  for (const value of [undefined, '0', 'true'])
    t.match(bad(await look(t, { NODE_USE_ENV_PROXY: value })), [{ status: 'warn', remedy: /NODE_USE_ENV_PROXY=1/ }]);
});

test('variables are read from a process’s environ and from what env prints', (t) => {
  const file = temporaryFile(t, 'environ', 'A=1\0HTTP_PROXY=http://x=y\0EMPTY=\0=odd\0');
  t.same(readEnviron(file), { A: '1', HTTP_PROXY: 'http://x=y', EMPTY: '' });
  writeFileSync(file, 'A=1\nB=2\r\nnonsense\n');
  t.same(readEnviron(file), { A: '1', B: '2' });
  t.throws(() => readEnviron(`${file}.none`), { message: /cannot be read \(ENOENT\)/ });
  t.end();
});
