import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { call } from '../admin/call.ts';
import { shortDirectory } from '../admin/short-directory.ts';
import { type Child, type ChildConfig, carpool, childConfig, configText, untilReady, writeConfig } from './child.ts';
import { namedOrigin, Traffic } from './traffic.ts';

t.jobs = 2;

const CLIENTS = 8;
const URL_OF_APP = 'http://shop.demo/cart';

type Pool = Record<string, unknown>;

function settings(
  ports: readonly number[],
  pool: Pool = {},
  rest: Record<string, unknown> = {},
): Record<string, unknown> {
  const endpoints = ports.map((port) => `127.0.0.1:${port}`);
  return { ...rest, destinations: [{ match: 'shop.demo:80', balancer: 'round_robin', endpoints, pool }] };
}

/** Starts a sidecar and traffic through it. */
async function start(t: Test, config: ChildConfig): Promise<{ child: Child; operatorPort: number; traffic: Traffic }> {
  const child = carpool(t, ['run', '--config', config.file]);
  const { port, operatorPort } = await untilReady(child);
  const traffic = new Traffic(port, URL_OF_APP, CLIENTS);
  t.teardown(() => traffic.stop());
  await traffic.more(100);
  return { child, operatorPort, traffic };
}

/** Makes a change and waits for the line that tells of it, then for enough requests to have been made after it. */
async function change(child: Child, traffic: Traffic, make: () => void, line: string): Promise<void> {
  const from = child.out.all.length;
  make();
  await child.out.with(line, from);
  await traffic.more(100);
}

const reloads = async (operatorPort: number, outcome: string): Promise<number> => {
  const { body } = await call({ port: operatorPort }, '/metrics');
  return Number(new RegExp(`^carpool_config_reloads_total\\{outcome="${outcome}"\\} (\\d+)`, 'm').exec(body)?.[1] ?? 0);
};

t.test(
  'limits, endpoints and policies change under traffic, by every way to replace a file, and no request fails',
  async (t) => {
    const [a, b, c] = [await namedOrigin(t, 'a'), await namedOrigin(t, 'b'), await namedOrigin(t, 'c')];
    const config = childConfig(t, settings([a.port]));
    const { child, operatorPort, traffic } = await start(t, config);
    const edit = (next: Record<string, unknown>) => () => writeConfig(config, next);
    const rename = (next: Record<string, unknown>) => () => {
      writeFileSync(`${config.file}.new`, configText(config.socket, next));
      renameSync(`${config.file}.new`, config.file);
    };
    const at = 'applies at once: destinations[shop.demo:80]';
    await change(
      child,
      traffic,
      edit(settings([a.port], { maxConnections: 2 })),
      `${at}.pool.maxConnections: 1024 → 2`,
    );
    const { body } = await call({ port: operatorPort }, '/health/connections');
    t.match(JSON.parse(body), { destinations: [{ destination: 'shop.demo:80', maxConnections: 2 }] });
    await change(
      child,
      traffic,
      rename(settings([a.port], { maxConnections: 50 })),
      `${at}.pool.maxConnections: 2 → 50`,
    );
    await change(child, traffic, rename(settings([a.port, b.port], { maxConnections: 50 })), `${at}.endpoints`);
    t.ok((traffic.answers.get('b') ?? 0) > 20, 'the new endpoint takes its part');
    await change(child, traffic, edit(settings([b.port, c.port], { maxConnections: 50 })), `${at}.endpoints`);
    const afterLeaving = a.answered;
    await traffic.more(50);
    t.equal(a.answered, afterLeaving, 'an endpoint that was taken out gets no request');
    await change(
      child,
      traffic,
      edit(settings([b.port, c.port], { enabled: false })),
      `${at}.pool.enabled: true → false`,
    );
    await change(
      child,
      traffic,
      edit(settings([b.port, c.port], { enabled: true, maxRequests: 3 })),
      `${at}.pool.maxRequests`,
    );
    await change(
      child,
      traffic,
      edit(settings([b.port, c.port], { maxIdle: 1, maxAge: '1s' })),
      `${at}.pool.maxIdle: 0 (no cap of its own) → 1`,
    );
    await change(
      child,
      traffic,
      edit(settings([a.port], {}, { telemetry: { accessLog: 'off', logLevel: 'debug' } })),
      'applies at once: telemetry.logLevel: info → debug',
    );
    await traffic.stop();
    t.strictSame(traffic.failures, []);
    t.equal(traffic.total, a.answered + b.answered + c.answered, 'each request reached an origin once');
    t.equal(await reloads(operatorPort, 'applied'), 8);
    t.equal(await reloads(operatorPort, 'refused'), 0);
  },
);

t.test('a mounted ConfigMap that is swapped is read under traffic, and no request fails', async (t) => {
  const [a, b] = [await namedOrigin(t, 'a'), await namedOrigin(t, 'b')];
  const directory = shortDirectory(t);
  const socket = join(shortDirectory(t), 'control.sock');
  let version = 0;
  const swap = (next: Record<string, unknown>) => () => {
    const name = `..2026_${++version}`;
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'carpool.yaml'), configText(socket, next));
    symlinkSync(name, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  };
  swap(settings([a.port]))();
  const file = join(directory, 'carpool.yaml');
  symlinkSync(join('..data', 'carpool.yaml'), file);
  const { child, traffic } = await start(t, { file, socket, directory });
  await change(child, traffic, swap(settings([b.port])), 'applies at once: destinations[shop.demo:80].endpoints');
  await change(child, traffic, swap(settings([b.port], { maxConnections: 3 })), 'maxConnections: 1024 → 3');
  await change(child, traffic, swap(settings([a.port, b.port], { maxConnections: 9 })), 'maxConnections: 3 → 9');
  await traffic.stop();
  t.strictSame(traffic.failures, []);
  t.equal(traffic.total, a.answered + b.answered);
});

t.test('a bad file is refused whole under traffic, the old one stays, and the next good one is taken', async (t) => {
  const a = await namedOrigin(t, 'a');
  const config = childConfig(t, settings([a.port], { maxConnections: 9 }));
  const { child, operatorPort, traffic } = await start(t, config);
  const { body: before } = await call({ port: operatorPort }, '/debug/config');
  const bad = configText(config.socket, settings([a.port], { maxConnections: 4, maxAge: 30 }));
  await change(child, traffic, () => writeFileSync(config.file, bad), 'pool.maxAge is 30');
  t.match(await call({ port: operatorPort }, '/readyz'), { status: 200 });
  t.equal((await call({ port: operatorPort }, '/debug/config')).body, before, 'also what was right in it is not used');
  t.equal(await reloads(operatorPort, 'refused'), 1);
  t.equal(await reloads(operatorPort, 'applied'), 0);
  const stats: unknown = JSON.parse((await call({ port: operatorPort }, '/stats')).body);
  t.match(stats, { process: { reloads: { refused: 1, lastError: /^\S+:\d+:\d+: .*maxAge is 30/ } } });
  await change(child, traffic, () => writeFileSync(config.file, 'a: [b'), 'YAML syntax');
  await change(child, traffic, () => renameSync(config.file, `${config.file}.away`), 'there is no such file');
  t.equal(await reloads(operatorPort, 'refused'), 3);
  await change(
    child,
    traffic,
    () => writeConfig(config, settings([a.port], { maxConnections: 5 })),
    'maxConnections: 9 → 5',
  );
  t.equal(await reloads(operatorPort, 'applied'), 1);
  await traffic.stop();
  t.strictSame(traffic.failures, []);
});

t.test('what needs a restart is told with each reload until it is taken back', async (t) => {
  const a = await namedOrigin(t, 'a');
  const config = childConfig(t, settings([a.port]));
  const { child, traffic } = await start(t, config);
  const other = { listener: { port: 14999 } };
  await change(
    child,
    traffic,
    () => writeConfig(config, settings([a.port], {}, other)),
    'needs a restart: listener.port: 0 → 14999',
  );
  const next = settings([a.port], { maxConnections: 5 }, other);
  await change(child, traffic, () => writeConfig(config, next), 'needs a restart: listener.port: 0 → 14999');
  await traffic.stop();
  t.strictSame(traffic.failures, [], 'the port is the old one meanwhile');
});
