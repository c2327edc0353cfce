/**
 * The plain outbound proxy in Node: a node:http server in front, http.request with a keep-alive Agent behind. A
 * reference for the benchmarks, not a product. Use: node-http-proxy.mjs PORT [--no-pool]
 */
import { Agent, createServer, request as send } from 'node:http';

const port = Number(process.argv[2]);
const agent = new Agent({ keepAlive: !process.argv.includes('--no-pool'), maxSockets: 1024, maxFreeSockets: 1024 });
const hopByHop = ['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade'];

function endToEnd(headers) {
  for (const name of hopByHop) delete headers[name];
  return headers;
}

const server = createServer((request, response) => {
  const url = new URL(request.url);
  const upstream = send(
    {
      host: url.hostname,
      port: url.port || 80,
      path: url.pathname + url.search,
      method: request.method,
      headers: endToEnd(request.headers),
      agent,
    },
    (answer) => {
      response.writeHead(answer.statusCode, endToEnd(answer.headers));
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    },
  );
  upstream.on('error', () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  response.on('close', () => response.writableFinished || upstream.destroy());
  request.pipe(upstream);
});
server.keepAliveTimeout = 3_600_000;
server.headersTimeout = 3_601_000;
server.requestTimeout = 0;
server.listen({ port, host: '127.0.0.1', backlog: 4096 });
