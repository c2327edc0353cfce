import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { runToEnd } from '../interop/run-to-end.ts';
import { start, stop } from '../processes.ts';
import { whenReady } from '../sidecar/when-ready.ts';

const program = process.env.CARPOOL_E2E_BUNDLE ?? fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A sidecar in a process of its own that is called all the time, and to which most of what it counts has happened. */
export type BusySidecar = { readonly operatorPort: number };

/** An origin: `/slow` takes its time, `/bad` fails, `/last` closes the connection. */
async function startOrigin(t: Test): Promise<number> {
  const server = createServer((incoming, response) => {
    if (incoming.url === '/bad') response.statusCode = 503;
    if (incoming.url === '/last') response.setHeader('connection', 'close');
    if (incoming.url === '/slow') setTimeout(() => response.end('slow'), 50);
    else response.end('ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Starts it, and calls it until the test ends. */
export async function startBusySidecar(t: Test): Promise<BusySidecar> {
  const folder = mkdtempSync(join(tmpdir(), 'carpool-monitoring-'));
  const origin = await startOrigin(t);
  const at = [`127.0.0.1:${origin}`];
  const config = join(folder, 'carpool.yaml');
  const [log, words] = [join(folder, 'log'), join(folder, 'stderr')];
  const settings = {
    listener: { port: 0 },
    operator: { host: '127.0.0.1', port: 0 },
    control: { socket: join(folder, 'control.sock') },
    discovery: { kubernetes: { enabled: false } },
    security: { allowAddresses: ['127.0.0.0/8'] },
    shutdown: { grace: 0 },
    destinations: [
      { match: 'orders.shop:8080', endpoints: at },
      // Requests wait for its one connection.
      { match: 'narrow.shop:8080', endpoints: at, pool: { maxConnections: 1 } },
      // Nobody listens there; tries again, and opens its breaker.
      { match: 'gone.shop:8080', endpoints: ['127.0.0.1:1'], breaker: { destinationFailures: 3 } },
      {
        match: 'flaky.shop:8080',
        endpoints: at,
        preset: 'external-api',
        retry: { backoffBase: '1ms', backoffMax: '2ms' },
      },
      { match: 'limited.shop:8080', endpoints: at, rateLimit: { requestsPerMinute: 1 } },
      { match: 'checked.shop:8080', endpoints: at, healthCheck: { enabled: true, interval: '1s' } },
      { match: 'observed.shop:8080', endpoints: at, mode: 'observe' },
      { match: 'held.shop:8080', endpoints: at },
    ],
  };
  writeFileSync(config, stringify(settings));
  const child = start([process.execPath, '--no-warnings', program, 'run', '--config', config], { log: words });
  t.teardown(async () => {
    await stop(child);
    rmSync(folder, { recursive: true, force: true });
  });
  const { proxy, operator } = await whenReady(child, log).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${readFileSync(log, 'utf8')}${readFileSync(words, 'utf8')}`);
  });
  keepCalling(t, proxy);
  const pause = [program, 'pause', 'held.shop:8080', '--socket', join(folder, 'control.sock')];
  const { code, stderr } = await runToEnd([process.execPath, '--no-warnings', ...pause]);
  if (code !== 0) throw new Error(stderr);
  return { operatorPort: operator };
}

const CALLS = [
  'orders.shop:8080/',
  'orders.shop:8080/last',
  'narrow.shop:8080/slow',
  'narrow.shop:8080/slow',
  'narrow.shop:8080/slow',
  'gone.shop:8080/',
  'flaky.shop:8080/bad',
  'limited.shop:8080/',
  'checked.shop:8080/',
  'observed.shop:8080/',
  'held.shop:8080/',
] as const;

/** All of them at once, again and again; whatever becomes of them. */
function keepCalling(t: Test, port: number): void {
  const agent = new Agent({ keepAlive: true });
  const timer = setInterval(() => {
    for (const call of CALLS) {
      const [host = ''] = call.split('/');
      const outgoing = request({ agent, host: '127.0.0.1', port, path: `http://${call}`, headers: { host } });
      outgoing.on('response', (response) => response.resume());
      outgoing.on('error', () => {});
      outgoing.end();
    }
  }, 100);
  t.teardown(() => {
    clearInterval(timer);
    agent.destroy();
  });
}
