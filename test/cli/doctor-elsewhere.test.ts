import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Test, test } from 'tap';
import { portOf } from '../admin/port-of.ts';
import { startSidecar } from '../sidecar.ts';
import { answerOf } from '../status/findings-fixture.ts';
import { temporaryFile } from './doctor-fixture.ts';
import { runCli } from './run-cli.ts';
import { NOW, scriptedSidecar } from './scripted-sidecar.ts';

/** `carpool doctor` with the configuration that it has by default, and a sidecar whose configuration is another. */
async function doctor(t: Test, url: string, environ: string, ...destinations: string[]) {
  const resolvConf = temporaryFile(t, 'resolv.conf', 'nameserver 127.0.0.1\n');
  const file = temporaryFile(t, 'environ', environ);
  const set = ['--set', 'discovery.kubernetes.enabled=false', '--set', `discovery.dns.resolvConf=${resolvConf}`];
  const { out } = await runCli(['doctor', '--url', url, '--environ', file, ...set, '-o', 'json', ...destinations]);
  const findings: { check: string; status: string; message: string; remedy: string | null }[] = JSON.parse(out);
  return (check: string): string[] =>
    findings.filter((each) => each.check === check).map(({ status, message }) => `${status} ${message}`);
}

/** An origin that answers each request; gone with the test. */
async function origin(t: Test): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    t.teardown(() => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return portOf(server);
}

test('listener and variables are held against the sidecar that runs, whatever configuration is given', async (t) => {
  const { port, operatorPort } = await startSidecar(t);
  const proxy = `http://127.0.0.1:${port}`;
  const url = `http://127.0.0.1:${operatorPort}`;
  const of = await doctor(t, url, `HTTP_PROXY=${proxy}\nhttp_proxy=${proxy}\n`);
  t.same(of('listener'), [
    `ok carpool listens on 127.0.0.1:${port}, as the running sidecar says (here listener.port is 14140)`,
  ]);
  t.equal(of('proxy variables')[0], `ok HTTP_PROXY and http_proxy lead to carpool (${proxy})`);
  const wrong = await doctor(t, url, `HTTP_PROXY=${url}\nhttp_proxy=http://127.0.0.1:14140\n`);
  t.match(wrong('proxy variables'), [
    /^fail HTTP_PROXY=.* leads to the operator port/,
    `fail http_proxy=http://127.0.0.1:14140 leads elsewhere, not to carpool at ${proxy}`,
  ]);
});

test('a destination that the running sidecar knows is looked at as that has it', async (t) => {
  const port = await origin(t);
  const sidecar = await startSidecar(t, {
    destinations: [{ match: 'half.shop:80', endpoints: [`127.0.0.1:${port}`, '127.0.0.1:9'] }],
  });
  const known = [
    'warn endpoints of the configuration, as the running sidecar has it: 1 of 2 endpoints take connections; not 127.0.0.1:9 ECONNREFUSED',
  ];
  const url = `http://127.0.0.1:${sidecar.operatorPort}`;
  t.same((await doctor(t, url, '', 'half.shop:80'))('half.shop:80'), known, 'also before its first call');
  await answerOf(t, sidecar.port, 'GET http://half.shop/ HTTP/1.1\r\nHost: half.shop\r\nConnection: close\r\n\r\n');
  t.same((await doctor(t, url, '', 'half.shop:80'))('half.shop:80'), known);
});

test('endpoints that only the sidecar reaches are no failure; without any the name is looked up here', async (t) => {
  const sidecar = await scriptedSidecar(t);
  const row = (active: number) => ({
    name: 'half.shop:80',
    active,
    idle: 0,
    discovery: { source: 'kubernetes', state: 'ready', error: 'the API server does not answer' },
  });
  const serve = (active: number, ...ids: string[]) => {
    sidecar.answers.set('/status', { time: NOW, sidecar: {}, findings: [], destinations: [row(active)] });
    sidecar.answers.set('/status/endpoints', { endpoints: ids.map((id) => ({ destination: 'half.shop:80', id })) });
  };
  serve(1, '127.0.0.1:9');
  t.match((await doctor(t, sidecar.url, '', 'half.shop:80'))('half.shop:80'), [
    /^warn Kubernetes, .*no fresh answer.*the API server does not answer/,
    /^warn Kubernetes, .*: 0 of 1 endpoint takes connections; .*; but the sidecar has connections/,
  ]);
  serve(0, '127.0.0.1:9');
  t.match((await doctor(t, sidecar.url, '', 'half.shop:80'))('half.shop:80')[1], /^fail Kubernetes, .*ECONNREFUSED$/);
  serve(0);
  t.match((await doctor(t, sidecar.url, '', 'half.shop:80'))('half.shop:80'), [/^fail DNS: /]);
});

test('where the configuration has the port at all addresses, the pod’s own is as right as loopback', async (t) => {
  const sidecar = await scriptedSidecar(t);
  const proxyUrl = 'http://127.0.0.1:14140';
  sidecar.answers.set('/status', { time: NOW, sidecar: { proxyUrl }, findings: [], destinations: [] });
  const everywhere = ['listener.host=0.0.0.0', 'listener.allowNonLoopback=true'];
  const set = [...everywhere, 'discovery.kubernetes.podAddress=10.1.2.3'].flatMap((each) => ['--set', each]);
  const proxy = 'http://10.1.2.3:14140';
  const of = await doctor(t, sidecar.url, `HTTP_PROXY=${proxy}\nhttp_proxy=${proxy}\n`, ...set);
  t.equal(of('proxy variables')[0], `ok HTTP_PROXY and http_proxy lead to carpool (${proxy})`);
});
