import { type Test, test } from 'tap';
import { checkDns } from '../../src/cli/doctor-dns.ts';
import { KUBERNETES } from '../discovery/dns-fixture.ts';
import { DnsServer, NODATA, NXDOMAIN, type Script, SERVFAIL, SILENCE, zone } from '../discovery/dns-server.ts';
import { TestClock } from '../test-clock.ts';
import { doctorContext, findingsOf, inShort, temporaryFile } from './doctor-fixture.ts';

const API = 'kubernetes.default.svc.cluster.local';
const POD = { KUBERNETES_SERVICE_HOST: '10.96.0.1' };

async function nameserver(t: Test, script: Script): Promise<DnsServer> {
  const server = await DnsServer.start(script);
  t.teardown(() => server.close());
  return server;
}

type Setup = { readonly env?: Record<string, string>; readonly hosts?: string[]; readonly clock?: TestClock };

function look(t: Test, conf: string, { env = {}, hosts = [], clock = new TestClock() }: Setup = {}) {
  const resolvConf = temporaryFile(t, 'resolv.conf', conf);
  const context = doctorContext(t, { discovery: { dns: { resolvConf } } }, { clock, env });
  return findingsOf(clock, (findings) => checkDns(context, hosts, findings));
}

test('in a pod each nameserver is asked about the API server', async (t) => {
  for (const script of [zone({ [API]: ['10.96.0.1'] }), () => NODATA]) {
    const server = await nameserver(t, script);
    const findings = inShort(await look(t, `nameserver ${server.address}\n${KUBERNETES}\n`, { env: POD }));
    t.match(findings, [
      /^ok .*resolv\.conf: nameserver 127\.0\.0\.1:\d+; search shop\.svc\.cluster\.local .*; ndots 5$/,
      `ok nameserver ${server.address} answers about ${API} (0 ms)`,
    ]);
    t.same(server.names, [API]);
  }
});

test('the cluster domain is that of the search list', async (t) => {
  const server = await nameserver(t, zone({ 'kubernetes.default.svc.k8s.example': ['10.96.0.1'] }));
  const findings = await look(t, `nameserver ${server.address}\nsearch a.svc.k8s.example svc.k8s.example\n`, {
    env: POD,
  });
  t.match(inShort(findings).at(-1), /^ok .* about kubernetes\.default\.svc\.k8s\.example/);
});

test('elsewhere a named destination is asked about, and that it is not there is an answer', async (t) => {
  const server = await nameserver(t, () => NXDOMAIN);
  const conf = `nameserver ${server.address}\nsearch corp.example\n`;
  t.match(
    inShort(await look(t, conf, { hosts: ['10.0.0.1', 'api'] })).at(-1),
    /^ok .* answers about api\.corp\.example/,
  );
  t.match(inShort(await look(t, conf)).at(-1), /^ok .* answers about localhost/);
});

test('a resolv.conf that cannot be read is a failure', async (t) => {
  const clock = new TestClock();
  const context = doctorContext(t, { discovery: { dns: { resolvConf: '/nonexistent/resolv.conf' } } }, { clock });
  t.match(await findingsOf(clock, (findings) => checkDns(context, [], findings)), [
    {
      status: 'fail',
      message: '/nonexistent/resolv.conf: there is no such file',
      remedy: /discovery\.dns\.resolvConf/,
    },
  ]);
});

test('a resolv.conf without nameserver, or in a pod without the cluster’s domains, is a warning', async (t) => {
  const [first] = await look(t, 'search a\n');
  t.match(first, { status: 'warn', message: /names no nameserver, so 127\.0\.0\.1 is asked/ });
  const server = await nameserver(t, () => NODATA);
  const [second] = await look(t, `nameserver ${server.address}\nsearch corp.example\n`, { env: POD });
  t.match(second, {
    status: 'warn',
    message: /no cluster domain in its search list/,
    remedy: /ClusterFirstWithHostNet/,
  });
});

test('a nameserver that does not know the API server is not the cluster’s', async (t) => {
  const server = await nameserver(t, () => NXDOMAIN);
  const findings = await look(t, `nameserver ${server.address}\n${KUBERNETES}\n`, { env: POD });
  t.match(findings[1], { status: 'warn', message: /does not know kubernetes\.default\.svc/, remedy: /dnsPolicy/ });
});

test('a nameserver that answers with an error is a failure, and a warning beside one that does not', async (t) => {
  const broken = await nameserver(t, () => SERVFAIL);
  const good = await nameserver(t, () => NODATA);
  const alone = await look(t, `nameserver ${broken.address}\n${KUBERNETES}\n`);
  t.match(alone[1], { status: 'fail', message: `nameserver ${broken.address} answers SERVFAIL`, remedy: /port 53/ });
  const beside = await look(t, `nameserver ${broken.address}\nnameserver ${good.address}\n${KUBERNETES}\n`);
  t.match(inShort(beside).slice(1), [/^warn .* answers SERVFAIL; another one does/, /^ok /]);
});

test('a nameserver that is silent is given up after three seconds of the clock', async (t) => {
  const clock = new TestClock();
  const server = await nameserver(t, () => SILENCE);
  const running = look(t, `nameserver ${server.address}\n`, { clock });
  await server.until(() => server.questions.length > 0);
  clock.advance(3000);
  t.match((await running)[1], { status: 'fail', message: /does not answer within 3 s/ });
  t.equal(clock.waiting, 0);
});
