import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { flagsFrom } from '../config/flags.ts';
import { runSidecar } from '../run.ts';
import { EXIT } from './deps.ts';
import { parseRunArguments } from './run-arguments.ts';

/** One origin is replaced by another, on another port, this often. */
const REPLACE_EVERY_MS = 20_000;
/** The origins close a connection that was idle for so long, which carpool learns. */
const KEEP_ALIVE_MS = 4000;

const DEFAULT_OPERATOR_PORT = 14191;
const FREE_PORTS = 'carpool demo --port 0 --set operator.port=0 takes free ports instead\n';

type Origin = { readonly name: string; readonly port: number; readonly server: Server };

async function startOrigin(name: string): Promise<Origin> {
  let answered = 0;
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, keepAliveTimeoutBuffer: 0 }, (request, response) => {
    answered++;
    response.setHeader('content-type', 'application/json');
    // Without it carpool has to find out by itself how long the origin keeps an idle connection.
    response.setHeader('connection', 'keep-alive');
    request.resume().on('end', () => {
      const from = request.socket.remotePort;
      response.end(
        `${JSON.stringify({ hello: name, answered, method: request.method, path: request.url, connection: from })}\n`,
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { name, port, server };
}

const demoConfig = (origins: readonly Origin[], directory: string): string =>
  stringify({
    profile: 'production',
    // What is tried on somebody's own machine is nobody else's to see.
    operator: { host: '127.0.0.1' },
    control: { socket: join(directory, 'control.sock') },
    telemetry: { logLevel: 'info' },
    destinations: [
      {
        match: 'hello.demo:80',
        endpoints: origins.map(({ port }) => `127.0.0.1:${port}`),
        balancer: 'round_robin',
      },
    ],
  });

const words = (listener: string, operator: string, asks: string, socket: string): string => `
carpool demo: http://hello.demo is served by three small origins; one is replaced every ${REPLACE_EVERY_MS / 1000} s.

See it live, in a browser (the status page) or in another terminal:
  http://${operator}/
  node dist/carpool.js watch${asks}

Try, in another terminal:
  curl -x http://${listener} http://hello.demo/            # the origins take turns, each over one connection
  http_proxy=http://${listener} curl -d x=1 http://hello.demo/post
  for i in 1 2 3 4 5 6; do curl -s -x http://${listener} http://hello.demo/$i; done
  curl -x http://${listener} http://no-such-host.example/  # what an error says

See the pools:
  curl http://${operator}/stats
  curl http://${operator}/metrics
  curl http://${operator}/health/connections
  node dist/carpool.js pools${asks}
  node dist/carpool.js connections${asks}
  node dist/carpool.js evict hello.demo:80 --socket ${socket}

Ctrl-C stops it.

`;

/**
 * `carpool demo`: the sidecar with a destination of its own, whose origins come and go.
 * @param args flags of `carpool run`, but for --config
 * @returns the exit code
 */
export async function runDemo(args: readonly string[], version: string): Promise<number> {
  const options = parseRunArguments(args);
  if (options === null || options.config !== undefined) {
    process.stderr.write('carpool demo takes --port PORT, --set PATH=VALUE, --profile NAME and --log-level LEVEL\n');
    return EXIT.usage;
  }
  const directory = mkdtempSync(join(tmpdir(), 'carpool-demo-'));
  const file = join(directory, 'carpool.yaml');
  const origins = await Promise.all(['alice', 'bob', 'carol'].map(startOrigin));
  const write = (): void => {
    writeFileSync(`${file}.new`, demoConfig(origins, directory));
    renameSync(`${file}.new`, file);
  };
  write();
  let generation = 1;
  const replace = async (): Promise<void> => {
    const leaving = origins.shift();
    const name = leaving?.name.split('-')[0] ?? 'dave';
    origins.push(await startOrigin(`${name}-${++generation}`));
    write();
    // It goes on serving for a moment, as a pod does that is told to stop, and then it is gone.
    setTimeout(() => {
      leaving?.server.close();
      leaving?.server.closeIdleConnections();
    }, 5000).unref();
  };
  const timer = setInterval(() => void replace(), REPLACE_EVERY_MS);
  timer.unref();
  try {
    let ready = false;
    const code = await runSidecar({
      file,
      fileMayBeMissing: false,
      flags: flagsFrom(options, {}).flags,
      version,
      onReady: (_app, { listener, operator }) => {
        ready = true;
        const shows = `127.0.0.1:${operator?.port ?? DEFAULT_OPERATOR_PORT}`;
        const asks = operator?.port === DEFAULT_OPERATOR_PORT ? '' : ` --url http://${shows}`;
        process.stdout.write(words(`${listener.host}:${listener.port}`, shows, asks, join(directory, 'control.sock')));
      },
    });
    if (!ready && code === EXIT.failure) process.stderr.write(FREE_PORTS);
    return code;
  } finally {
    clearInterval(timer);
    for (const { server } of origins) {
      server.close();
      server.closeAllConnections();
    }
    rmSync(directory, { recursive: true, force: true });
  }
}
