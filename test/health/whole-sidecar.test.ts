import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { answeringOrigin, appClient, closedFor, ok, statsOf, toOrigins, until } from '../pool/origins.ts';
import { reload, type Sidecar, startSidecar } from '../sidecar.ts';

const CHECK = { enabled: true, kind: 'http', path: '/health', interval: '10s', timeout: '600s', threshold: 2 };
const NO = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n';

const checks = (sidecar: Sidecar): (string | null)[] => statsOf(sidecar).endpoints.map(({ check }) => check);

/** Moves the clock by seconds until `done` holds: a tick each, and time for what they begin. */
async function ticking(sidecar: Sidecar, done: () => boolean): Promise<void> {
  while (!done()) {
    sidecar.clock.advance(1000);
    for (let turn = 0; turn < 20 && !done(); turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

t.test('the app sees nothing of an endpoint that fails, and a reload ends and begins the checks', async (t) => {
  let well = true;
  const bad = await answeringOrigin(t, ({ path }) => (path === '/health' && !well ? NO : ok('bad')));
  const good = await answeringOrigin(t, () => ok('good'));
  const policy = { balancer: 'round_robin', healthCheck: CHECK };
  const sidecar = await startSidecar(t, { destinations: [toOrigins([bad, good], policy)] });
  const client = await appClient(t, sidecar);
  const answers = async (): Promise<string> => {
    const bodies: string[] = [];
    for (let count = 0; count < 4; count++) bodies.push((await client.get('/x')).body);
    return bodies.sort().join(' ');
  };
  t.equal(await answers(), 'bad bad good good');
  await ticking(sidecar, () => checks(sidecar).every((check) => check === 'passing'));
  well = false;
  await ticking(sidecar, () => checks(sidecar)[0] === 'failing');
  t.equal(await answers(), 'good good good good');
  t.equal(await closedFor(sidecar, 'health_check'), 1);
  const { port } = bad;
  await until(() => readFileSync(sidecar.logFile, 'utf8').includes('endpoint fails its health checks'));
  const lines = readFileSync(sidecar.logFile, 'utf8').split('\n');
  const line: unknown = JSON.parse(lines.find((each) => each.includes('check_failed')) ?? '{}');
  t.match(line, { level: 'warn', endpoint: `127.0.0.1:${port}`, message: 'status 503' });
  const off = toOrigins([bad, good], { balancer: 'round_robin', healthCheck: { ...CHECK, enabled: false } });
  await reload(sidecar, { destinations: [off] });
  await until(() => checks(sidecar)[0] === null);
  t.equal(await answers(), 'bad bad good good');
  await reload(sidecar, { destinations: [toOrigins([bad, good], policy)] });
  await until(() => checks(sidecar)[0] === 'pending');
  await ticking(sidecar, () => checks(sidecar)[0] === 'failing');
  t.equal(await answers(), 'good good good good');
  t.ok(bad.requests.some(({ head }) => /user-agent: carpool-health-check/i.test(head)));
});

/** What a process loads that runs `script` with Node's loader told to list it. */
async function loads(script: string): Promise<string> {
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script]);
  let out = '';
  for await (const chunk of child.stdout) out += chunk;
  return out;
}

t.test('without health checks none of their code is loaded, and for kind tcp no undici', async (t) => {
  const listed = `
    import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { console.log(url); return next(url, context); } });`;
  const app = await loads(`${listed} await import('./src/app.ts');`);
  t.match(app, '/src/side-services.ts');
  t.notMatch(app, '/src/health/');
  t.notMatch(app, '/undici/');
  const health = await loads(`${listed} await import('./src/health/health-checks.ts');`);
  t.match(health, '/src/health/probe.ts');
  t.notMatch(health, '/undici/');
});
