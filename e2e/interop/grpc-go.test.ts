import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { hasEnded, start, stop } from '../processes.ts';
import { until } from '../until.ts';
import { runToEnd } from './run-to-end.ts';
import { startSidecar } from './sidecar.ts';
import { goTool, missing } from './tools.ts';

/** What gRPC's own implementations check with each other; those that need credentials or a balancer are left out. */
const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
] as const;
/** No case waits for a time-out of carpool's. */
const CASE_MS = 30_000;
const SOAK = ['--soak_overall_timeout_seconds=90', '--soak_request_size=20000', '--soak_response_size=30000'];
const skip = missing('grpc-client', 'grpc-server');

/** A port of loopback that is free at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** gRPC's interop server; it is ended with the test. @returns its port */
async function startServer(t: Test): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'carpool-interop-'));
  const port = await freePort();
  const child = start([goTool('grpc-server'), `--port=${port}`], { log: join(folder, 'log') });
  t.teardown(async () => {
    await stop(child);
    rmSync(folder, { recursive: true, force: true });
  });
  await until('the interop server', async () => {
    if (hasEnded(child)) throw new Error('the interop server ended');
    const { code } = await runCase('empty_unary', '127.0.0.1', port, {}, 2000);
    return code === 0;
  });
  return port;
}

function runCase(
  name: string,
  host: string,
  port: number,
  env: Readonly<Record<string, string>> = {},
  deadlineMs = CASE_MS,
  more: readonly string[] = [],
) {
  const argv = [goTool('grpc-client'), `--server_host=${host}`, `--server_port=${port}`, `--test_case=${name}`];
  return runToEnd([...argv, ...more], env, deadlineMs);
}

async function runAll(t: Test, host: string, port: number, env: Readonly<Record<string, string>> = {}): Promise<void> {
  for (const name of CASES) {
    const { code, stderr } = await runCase(name, host, port, env);
    t.equal(code, 0, name, { words: stderr.slice(-1000) });
  }
}

t.test('gRPC-Go does by a local port what it does without a proxy', { skip }, async (t) => {
  const origin = await startServer(t);
  const sidecar = await startSidecar(t, [{ match: 'interop.test:10000', origin, protocol: 'http2' }]);
  await runAll(t, '127.0.0.1', sidecar.local('interop.test:10000'));
  t.ok(
    (await sidecar.metrics()).sum('carpool_requests_total', { protocol: 'http2' }) >= CASES.length,
    'all came by here',
  );
});

t.test('gRPC-Go does by CONNECT, which is seen through, what it does without a proxy', { skip }, async (t) => {
  const origin = await startServer(t);
  const sidecar = await startSidecar(t, [{ match: 'interop.test:10000', origin, protocol: 'auto' }]);
  // It takes a proxy from HTTPS_PROXY for what it sends in clear, too.
  const proxy = `http://127.0.0.1:${sidecar.port}`;
  await runAll(t, 'interop.test', 10_000, { HTTPS_PROXY: proxy });
  t.ok((await sidecar.metrics()).sum('carpool_requests_total', { protocol: 'http2' }) >= CASES.length, 'each was seen');
});

t.test('no call fails while connections of both sides come and go', { skip }, async (t) => {
  const origin = await startServer(t);
  const sidecar = await startSidecar(t, [{ match: 'interop.test:10000', origin, protocol: 'http2', maxAge: '1s' }]);
  // Calls with 20 kB out and 30 kB back; channel_soak makes a connection for each.
  const calls = ['--soak_iterations=4000', '--soak_num_threads=4', '--soak_max_failures=0', ...SOAK];
  const channels = ['--soak_iterations=600', '--soak_num_threads=4', '--soak_max_failures=0', ...SOAK];
  for (const [name, more] of [
    ['rpc_soak', calls],
    ['channel_soak', channels],
  ] as const) {
    const { code, stderr } = await runCase(name, '127.0.0.1', sidecar.local('interop.test:10000'), {}, 100_000, more);
    t.equal(code, 0, name, { words: stderr.slice(-1000) });
  }
  const metrics = await sidecar.metrics();
  t.equal(metrics.sum('carpool_requests_total', { protocol: 'http2', code_class: '2xx' }), 4600);
  t.ok(metrics.sum('carpool_pool_connections_closed_total', { reason: 'max_age' }) > 0, 'some were too old');
});
