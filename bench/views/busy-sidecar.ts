import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { App } from '../../src/app.ts';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/load.ts';

export type BusyOptions = {
  readonly destinations: number;
  /** Of each destination; all destinations have the same ones. */
  readonly endpoints: number;
};

export type BusySidecar = {
  readonly app: App;
  readonly port: number;
  readonly operatorPort: number;
  /** host:port of each destination. */
  readonly names: readonly string[];
  /** Asks for a path at a destination, by HTTP/1.1. Resolves when the answer, or none, has come. */
  ask(name: string, path: string, method?: string): Promise<void>;
  close(): Promise<void>;
};

/** Listens on so many loopback ports. What is asked for decides the answer: `/500` has that status, `/cut` has none. */
async function origins(count: number): Promise<Server[]> {
  const servers: Server[] = [];
  for (let index = 0; index < count; index++) {
    const server = createServer({ keepAliveTimeout: 0 }, (incoming, response) => {
      const [, what = '200'] = (incoming.url ?? '').split('/');
      if (what === 'cut') {
        incoming.socket.destroy();
        return;
      }
      if (what === 'hold') return;
      incoming.resume().on('end', () => {
        response.statusCode = Number(what);
        response.end('x'.repeat(100));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
  }
  return servers;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** A whole sidecar in this process, with destinations that are configured and have endpoints on loopback. */
export async function busySidecar({ destinations, endpoints }: BusyOptions): Promise<BusySidecar> {
  const directory = mkdtempSync(join(tmpdir(), 'carpool-bench-'));
  const file = join(directory, 'carpool.yaml');
  const servers = await origins(endpoints);
  const addresses = servers.map((server) => `127.0.0.1:${portOf(server)}`);
  const names = Array.from({ length: destinations }, (_, index) => `service-${index}.some-namespace.svc:8080`);
  writeFileSync(
    file,
    stringify({
      listener: { port: 0 },
      operator: { port: 0, host: '127.0.0.1' },
      control: { socket: join(directory, 'control.sock') },
      security: { allowAddresses: ['127.0.0.0/8'] },
      destinations: names.map((match) => ({ match, endpoints: addresses, pool: { maxConnections: 500 } })),
    }),
  );
  const load = () => loadConfig({ file, env: {}, flags: [] });
  const logFd = openSync(join(directory, 'log'), 'a');
  const app = new App({ version: 'bench', clock: systemClock, file, loaded: load(), load, env: {}, logFd });
  const { listener, operator } = await app.start();
  const agent = new Agent({ keepAlive: true });
  return {
    app,
    port: listener.port,
    operatorPort: operator?.port ?? 0,
    names,
    ask: (name, path, method = 'GET') => ask(agent, listener.port, name, path, method),
    close: async () => {
      agent.destroy();
      await app.close();
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function ask(agent: Agent, port: number, name: string, path: string, method: string): Promise<void> {
  return new Promise((resolve) => {
    const url = `http://${name}${path}`;
    const outgoing = request({ host: '127.0.0.1', port, path: url, method, headers: { host: name }, agent }, (answer) =>
      answer.resume().on('close', resolve),
    );
    outgoing.on('error', () => resolve());
    outgoing.end();
  });
}

/** Asks for `path` at each of these by HTTP/2 (prior knowledge). */
export async function askByHttp2(port: number, names: readonly string[], path: string): Promise<void> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  await Promise.all(
    names.map(
      (authority) =>
        new Promise<void>((resolve) => {
          const stream = session.request({ ':authority': authority, ':path': path, ':scheme': 'http' });
          stream.on('error', () => resolve());
          stream.resume().on('close', resolve);
        }),
    ),
  );
  session.close();
}

/**
 * Gives each destination a past: answers of each class and method class, retries, errors, by both protocols, and
 * connections to most of its endpoints.
 */
export async function makeBusy({ ask, names, port }: BusySidecar, requests: number): Promise<void> {
  const paths = ['/200', '/201', '/301', '/404', '/500', '/503', '/cut'];
  for (const name of names) {
    const asked: Promise<void>[] = [];
    for (let index = 0; index < requests; index++)
      asked.push(ask(name, paths[index % paths.length] ?? '/200', index % 3 === 0 ? 'POST' : 'GET'));
    await Promise.all(asked);
  }
  for (const path of paths) await askByHttp2(port, names, path);
}
