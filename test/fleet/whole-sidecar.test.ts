import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { DestinationObserver } from '../../src/observer.ts';
import { Router } from '../../src/routing/router.ts';
import { service, slice } from '../discovery/kubernetes/kube-objects.ts';
import { appOf } from '../discovery/kubernetes/origins.ts';
import { ScriptedApiServer } from '../discovery/kubernetes/scripted-api-server.ts';
import { answeringOrigin, ok, until } from '../pool/origins.ts';
import { defaultConfig, endpointAt, poolContext } from '../pool/pool-fixture.ts';
import { FakeDiscovery } from '../routing/fake-discovery.ts';
import { startSidecar } from '../sidecar.ts';

const run = promisify(execFile);

/** The pod 10.244.0.2 of the workload `web` in the namespace shop, which calls one upstream. */
async function pod(t: Test, settings: Record<string, unknown> = {}) {
  const server = await ScriptedApiServer.start(t);
  server.putService(service({ name: 'web' }));
  /** Pods that are ready, and some more that are not. */
  const list = (count: number, unready = 0): void =>
    server.putSlice(
      slice({
        service: 'web',
        endpoints: Array.from({ length: count + unready }, (_, i) => ({
          address: `10.244.0.${i + 1}`,
          ready: i < count,
          zone: `z${i}`,
          forZones: [`z${i}`],
        })),
      }),
    );
  const directory = mkdtempSync(join(tmpdir(), 'carpool-fleet-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const [hostsFile, resolvConf] = [join(directory, 'hosts'), join(directory, 'resolv.conf')];
  writeFileSync(hostsFile, '');
  writeFileSync(resolvConf, 'nameserver 127.0.0.1:9\nsearch svc.cluster.local cluster.local\n');
  const origin = await answeringOrigin(t, () => null);
  const kubernetes = { tokenDir: server.accountDir(t), podAddress: '10.244.0.2', zone: 'z0' };
  const sidecar = await startSidecar(
    t,
    {
      discovery: { kubernetes, dns: { hostsFile, resolvConf } },
      fleet: { coordinator: 'kubernetes', service: 'web', maxConnections: 7 },
      ...settings,
    },
    { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(server.port) },
  );
  const app = appOf(t, sidecar.port);
  const call = () => app(`http://127.0.0.1:${origin.port}/`);
  const stats = () => sidecar.app.destinations().find(({ name }) => name === `127.0.0.1:${origin.port}`);
  return { ...sidecar, server, list, origin, call, stats };
}

t.test(
  'requests wait for the count of pods, and use the even share then: of all that are ready, in any zone',
  async (t) => {
    const { list, call, origin, stats, app } = await pod(t);
    const calls = Array.from({ length: 6 }, () => call());
    await until(() => stats()?.pending === 6);
    t.equal(stats()?.limit.share, 0);
    t.equal(origin.connections.length, 0);
    list(3, 2);
    await until(() => origin.requests.length === 2);
    t.match(
      stats(),
      { limit: { share: 2 }, pending: 4 },
      '7 ÷ 3, and the second of three has none of what is left over',
    );
    t.match(app.process().fleet, { coordinator: 'kubernetes', state: 'connected', peers: 3 });
    for (let i = 0; i < 6; i++) {
      await until(() => origin.requests.length > i);
      origin.requests[i]?.connection.write(ok('x'));
    }
    for (const { status } of await Promise.all(calls)) t.equal(status, 200);
    t.equal(origin.connections.length, 2);
  },
);

t.test('a budget that a reload takes away is one no more, and one that it brings is one at once', async (t) => {
  const { list, call, stats, origin, configFile, app, clock, logFile } = await pod(t);
  list(7);
  const first = call();
  await until(() => origin.requests.length === 1);
  origin.requests[0]?.connection.write(ok('x'));
  await first;
  t.equal(stats()?.limit.share, 1);
  const before = readFileSync(configFile, 'utf8');
  writeFileSync(configFile, before.replace('maxConnections: 7', 'minShare: 1'));
  await app.steering.reload();
  t.equal(stats()?.limit.share, null);
  writeFileSync(configFile, before.replace('maxConnections: 7', 'maxConnections: 70'));
  await app.steering.reload();
  t.equal(stats()?.limit.share, 10);
  clock.advance(11_000);
  await until(() => /"event":"fleet_share".*"share":10,"budget":70,"peers":7/.test(readFileSync(logFile, 'utf8')));
});

t.test('without an API server the minimum is used, and the log says why', async (t) => {
  const { server, call, origin, clock, stats, logFile } = await pod(t, {
    fleet: { coordinator: 'kubernetes', service: 'web', maxConnections: 7, minShare: 2 },
  });
  await server.network.stop();
  const calls = [call(), call(), call()];
  await until(() => stats()?.pending === 3);
  clock.advance(2000);
  await until(() => origin.requests.length === 2);
  t.equal(stats()?.limit.share, 2);
  await until(() => /"event":"fleet_failover".*2 connections \(fleet.minShare\)/.test(readFileSync(logFile, 'utf8')));
  for (let i = 0; i < 3; i++) {
    await until(() => origin.requests.length > i);
    origin.requests[i]?.connection.write(ok('x'));
  }
  for (const { status } of await Promise.all(calls)) t.equal(status, 200);
});

t.test(
  'a destination that is made before the coordinator is loaded opens nothing, and one without a budget does',
  async (t) => {
    const context = poolContext();
    const config = defaultConfig();
    const router = new Router(
      {
        ...config,
        fleet: { ...config.fleet, coordinator: 'kubernetes' },
        defaults: { ...config.defaults, fleetMaxConnections: 7 },
      },
      {
        discovery: new FakeDiscovery([endpointAt(2)]),
        allowed: () => null,
        context,
        events: context.events,
        observe: (name) => new DestinationObserver(name),
        forget: () => {},
      },
    );
    t.teardown(() => router.close('now'));
    const shares: (number | null)[] = [];
    router.joined = () => shares.push(...router.destinations.map(({ pool }) => pool.limit.share));
    t.equal(router.find('orders', 80).pool.limit.share, 0);
    t.same(shares, [0], 'and the coordinator hears of it');
    router.reconfigure(config);
    t.equal(router.find('basket', 80).pool.limit.share, null);
  },
);

t.test('a sidecar whose coordinator is not Redis loads nothing of its client', async (t) => {
  const loaded = async (code: string): Promise<string[]> => {
    const script = `import { createRequire } from 'node:module'; ${code}; console.log(JSON.stringify(Object.keys(createRequire(process.cwd() + '/').cache).filter((file) => file.includes('@redis'))))`;
    const cwd = `${import.meta.dirname}/../..`;
    const { stdout } = await run(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], { cwd });
    return JSON.parse(stdout);
  };
  t.same(await loaded("await import('./src/app.ts'); await import('./src/fleet/fleet-service.ts')"), []);
  t.not((await loaded("await import('./src/fleet/redis-connection.ts')")).length, 0);
});
