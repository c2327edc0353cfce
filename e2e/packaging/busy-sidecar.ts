import { Agent, createServer, request } from 'node:http';
import { type AddressInfo, createServer as createSilent, type Socket } from 'node:net';
import type { Teardown } from '../teardown.ts';
import type { PlayedCluster } from './played-cluster.ts';
import { SidecarProcess } from './sidecar-process.ts';

/** An origin: `/slow` takes its time, `/bad` fails, `/last` closes the connection. */
async function startOrigin(t: Teardown): Promise<number> {
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

/** Takes connections and says nothing, so that no TLS is ever agreed. */
async function startSilence(t: Teardown): Promise<number> {
  const open = new Set<Socket>();
  const server = createSilent((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A collector of traces that takes all of them. */
async function startCollector(t: Teardown): Promise<string> {
  const server = createServer((incoming, response) => {
    incoming.resume().on('end', () => response.setHeader('content-type', 'application/json').end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * A sidecar in a process of its own that is called all the time until the test ends, and to which all that it counts happens.
 * @param podAddress of the pod that it is said to be in
 */
export async function startBusySidecar(
  t: Teardown,
  cluster: PlayedCluster,
  podAddress: string,
): Promise<SidecarProcess> {
  const at = [`127.0.0.1:${await startOrigin(t)}`];
  const { discovery, env } = cluster.settings(podAddress);
  const settings = {
    discovery,
    fleet: { coordinator: 'kubernetes', service: 'web', maxConnections: 200 },
    telemetry: { exemplars: true, tracing: { enabled: true, endpoint: await startCollector(t), sampleRatio: 1 } },
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
      {
        match: 'silent.shop:8443',
        endpoints: [`127.0.0.1:${await startSilence(t)}`],
        tls: { originate: true },
        timeouts: { connect: '300ms' },
      },
    ],
  };
  const sidecar = await SidecarProcess.start(t, settings, env);
  keepCalling(t, sidecar);
  const { code, stderr } = await sidecar.command('pause', 'held.shop:8080');
  if (code !== 0) throw new Error(stderr);
  return sidecar;
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
  'silent.shop:8443/',
  'orders/',
  'orders/',
] as const;

/** All of them at once, again and again; whatever becomes of them. */
function keepCalling(t: Teardown, sidecar: SidecarProcess): void {
  const agent = new Agent({ keepAlive: true });
  const timer = setInterval(() => {
    for (const call of CALLS) {
      const [host = ''] = call.split('/');
      const path = `http://${call}`;
      const outgoing = request({ agent, host: '127.0.0.1', port: sidecar.port, path, headers: { host } });
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
