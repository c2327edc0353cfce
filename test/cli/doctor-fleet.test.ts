import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Test, test } from 'tap';
import { checkDestination, readDestination } from '../../src/cli/doctor-destination.ts';
import { checkFleet } from '../../src/cli/doctor-fleet.ts';
import { checkParentProxy } from '../../src/cli/doctor-parent-proxy.ts';
import { portOf } from '../admin/port-of.ts';
import { service, slice } from '../discovery/kubernetes/kube-objects.ts';
import { ScriptedApiServer } from '../discovery/kubernetes/scripted-api-server.ts';
import { TestClock } from '../test-clock.ts';
import { doctorContext, findingsOf, inShort } from './doctor-fixture.ts';
import { runCli } from './run-cli.ts';

/** A server that answers what a Redis would: `answer` to any command. */
async function redis(t: Test, answer: (command: string) => string) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.setEncoding('latin1').on('data', (text: string) => {
      for (const [, command = ''] of text.matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) socket.write(answer(command));
    });
    t.teardown(() => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return portOf(server);
}

function fleetFindings(
  t: Test,
  fleet: Record<string, unknown>,
  more: Record<string, unknown> = {},
  clock = new TestClock(),
) {
  const context = doctorContext(t, { fleet, ...more }, { clock });
  return findingsOf(clock, (sink, stopped) => checkFleet(context, sink, stopped));
}

const closedPort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
};

test('a Redis that answers is well, and one that does not is a failure with what to do', async (t) => {
  const asked: string[] = [];
  const port = await redis(t, (command) => {
    asked.push(command);
    return '+PONG\r\n';
  });
  const settings = (url: string) => ({ coordinator: 'redis', maxConnections: 10, workload: 'w', redis: { url } });
  t.match(inShort(await fleetFindings(t, settings(`redis://127.0.0.1:${port}`))), [
    new RegExp(`^ok Redis at 127\\.0\\.0\\.1:${port} answers`),
  ]);
  t.ok(asked.includes('PING'));
  const refused = await redis(t, () => '-NOAUTH Authentication required.\r\n');
  t.match(await fleetFindings(t, settings(`redis://127.0.0.1:${refused}`)), [
    { status: 'fail', message: /wants a password: set fleet\.redis\.passwordFile/, remedy: /even share/ },
  ]);
  t.match(await fleetFindings(t, settings(`redis://127.0.0.1:${await closedPort()}`)), [
    { status: 'fail', message: /nothing listens there/ },
  ]);
});

test('a Redis that is silent is given up after three seconds of the clock', async (t) => {
  let asked = 0;
  const port = await redis(t, () => {
    asked++;
    return '';
  });
  const clock = new TestClock();
  const url = `redis://127.0.0.1:${port}`;
  const running = fleetFindings(
    t,
    { coordinator: 'redis', maxConnections: 10, workload: 'w', redis: { url } },
    {},
    clock,
  );
  while (asked === 0) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(3000);
  t.match(await running, [{ status: 'fail', message: /no answer within 3 s/ }]);
});

/** What is found with an API server that has the Service `app` with so many ready endpoints. */
async function peers(t: Test, count: number | null, fleet: Record<string, unknown> = {}) {
  const api = await ScriptedApiServer.start(t);
  if (count !== null) {
    api.putService(service({ name: 'app' }));
    const endpoints = Array.from({ length: count }, (_, n) => ({ address: `10.0.0.${n + 1}` }));
    api.putSlice(slice({ service: 'app', endpoints: [...endpoints, { address: '10.0.0.99', ready: false }] }));
  }
  const kubernetes = { enabled: true, apiServer: api.url, tokenDir: api.accountDir(t) };
  const whole = { coordinator: 'kubernetes', service: 'app', maxConnections: 10, ...fleet };
  return fleetFindings(t, whole, { discovery: { kubernetes } });
}

test('the peers are the ready endpoints of the Service', async (t) => {
  t.same(inShort(await peers(t, 3)), ['ok Service shop/app has 3 ready endpoints: the peers']);
  t.same(inShort(await peers(t, 1, { service: 'app.shop' })), ['ok Service shop/app has 1 ready endpoint: the peers']);
  t.match(await peers(t, 3, { maxConnections: 2 }), [
    {
      status: 'warn',
      message: /3 ready endpoints: the peers; a budget of 2 does not go round/,
      remedy: /number of pods/,
    },
  ]);
  t.match(await peers(t, 0), [{ status: 'warn', message: /no ready endpoint/ }]);
  t.match(await peers(t, null), [{ status: 'fail', message: 'there is no Service shop/app, so nobody is a peer' }]);
});

test('without the API server the number of peers is not known', async (t) => {
  const off = { discovery: { kubernetes: { enabled: 'auto' } } };
  const fleet = { coordinator: 'kubernetes', service: 'app', maxConnections: 10 };
  t.match(await fleetFindings(t, fleet, off), [{ status: 'fail', message: /the number of peers is not known/ }]);
});

test('the parent proxy is dialled, and what goes by it is not', async (t) => {
  const port = await redis(t, () => '');
  const look = (url: string) => {
    const context = doctorContext(t, {
      egress: { parentProxy: { url } },
      discovery: { kubernetes: { enabled: false } },
    });
    const run = (name: string) =>
      findingsOf(context.clock, (sink, stopped) => checkDestination(context, readDestination(name), sink, stopped));
    return { run, proxy: () => findingsOf(context.clock, (sink) => checkParentProxy(context, sink)) };
  };
  const up = look(`http://127.0.0.1:${port}`);
  t.same(inShort(await up.proxy()), [`ok 127.0.0.1:${port} takes connections`]);
  for (const name of ['api.example.com:443', '203.0.113.7:80'])
    t.same(inShort(await up.run(name)), ['ok goes by the parent proxy, which finds it'], name);
  t.match(inShort(await up.run('127.0.0.1:1')), [/^fail an address/], 'noProxy has the own addresses');
  const away = await closedPort();
  t.match(await look(`http://127.0.0.1:${away}`).proxy(), [
    { status: 'fail', message: `no connection to 127.0.0.1:${away}: ECONNREFUSED`, remedy: /egress\.parentProxy\.url/ },
  ]);
});

test('doctor looks at fleet and parent proxy where they are configured', async (t) => {
  const port = await closedPort();
  const set = [
    'fleet.coordinator=redis',
    'fleet.maxConnections=5',
    'fleet.workload=w',
    `fleet.redis.url=redis://127.0.0.1:${port}`,
    `egress.parentProxy.url=http://127.0.0.1:${port}`,
    'discovery.kubernetes.enabled=false',
  ];
  const { code, out } = await runCli(['doctor', '-o', 'json', ...set.flatMap((each) => ['--set', each])]);
  t.equal(code, 1);
  const checks = JSON.parse(out).map(({ check }: { check: string }) => check);
  t.ok(checks.includes('fleet'));
  t.ok(checks.includes('parent proxy'));
  t.notOk(
    JSON.parse((await runCli(['doctor', '-o', 'json'])).out).some(({ check }: { check: string }) => check === 'fleet'),
  );
});
