/**
 * What an outbound proxy in Node costs when it is put together from parts: a node:http server in front, undici's Pool
 * behind. A reference for the benchmarks, not a product: it has no policy, no limits and no retries.
 * Use: undici-proxy.mjs PORT [--no-pool]
 */
import { createServer } from 'node:http';
import { Pool } from 'undici';

const port = Number(process.argv[2]);
// undici closes a connection after each response where pipelining is 0.
const poolOptions = {
  pipelining: process.argv.includes('--no-pool') ? 0 : 1,
  connections: 1024,
  keepAliveTimeout: 60_000,
  connect: { rejectUnauthorized: false },
};
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'upgrade',
  'expect',
]);
const pools = new Map();

function poolOf(origin) {
  let pool = pools.get(origin);
  if (pool === undefined) {
    pool = new Pool(origin, poolOptions);
    pools.set(origin, pool);
  }
  return pool;
}

/** Raw name, value pairs without what belongs to one connection only. */
function endToEnd(raw) {
  const kept = [];
  for (let i = 0; i < raw.length; i += 2) {
    if (!hopByHop.has(raw[i].toLowerCase())) kept.push(raw[i], raw[i + 1]);
  }
  return kept;
}

const server = createServer((request, response) => {
  const url = new URL(request.url);
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  poolOf(url.origin).dispatch(
    {
      method: request.method,
      path: url.pathname + url.search,
      headers: endToEnd(request.rawHeaders),
      body: hasBody ? request : null,
    },
    {
      onRequestStart(controller) {
        response.on('drain', () => controller.resume());
        response.on('close', () => response.writableFinished || controller.abort(new Error('the client left')));
      },
      onResponseStart(_controller, status, headers) {
        for (const name of Object.keys(headers)) if (hopByHop.has(name)) delete headers[name];
        response.writeHead(status, headers);
      },
      onResponseData(controller, chunk) {
        if (!response.write(chunk)) controller.pause();
      },
      onResponseEnd() {
        response.end();
      },
      onResponseError() {
        if (response.headersSent) response.destroy();
        else response.writeHead(502).end();
      },
    },
  );
});
server.keepAliveTimeout = 3_600_000;
server.headersTimeout = 3_601_000;
server.requestTimeout = 0;
server.listen({ port, host: '127.0.0.1', backlog: 4096 });
