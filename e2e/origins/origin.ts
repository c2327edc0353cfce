import { fstatSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';

/**
 * What runs in a pod: an HTTP server that writes each request down as it comes, so that no crash can lose the entry.
 *
 *   node origin.ts NAME ADDRESS PORT LEDGER LINGER-MS
 *
 * A line of the ledger: milliseconds, `received` or `answered`, method, id, the client's port. `?delay=MS` on a request
 * delays its answer. SIGTERM: it goes on serving for LINGER-MS, then listens no more, closes idle connections, finishes
 * what runs, and ends.
 */
const [name = '', address = '', port = '', ledgerPath = '', lingerMs = '0'] = process.argv.slice(2);
const ledger = openSync(ledgerPath, 'a');
let closing = false;

function enter(what: string, method: string, id: string, client: number): void {
  writeSync(ledger, `${Date.now()} ${what} ${method} ${id} ${client}\n`);
}

const server = createServer((request, response) => {
  const { method = '', url = '/', socket } = request;
  const { pathname, searchParams } = new URL(url, 'http://origin');
  const id = pathname.slice(pathname.lastIndexOf('/') + 1);
  const client = socket.remotePort ?? 0;
  request.resume();
  request.once('end', () => {
    enter('received', method, id, client);
    const answer = (): void => {
      const body = `${name}\n`;
      response.writeHead(200, {
        'content-type': 'text/plain',
        'content-length': body.length,
        'x-origin': name,
        ...(closing && { connection: 'close' }),
      });
      response.end(body, () => enter('answered', method, id, client));
    };
    const delayMs = Number(searchParams.get('delay') ?? 0);
    if (delayMs > 0) setTimeout(answer, delayMs);
    else answer();
  });
});

// As long as a common reverse proxy keeps idle connections: their end is not what these tests are about.
server.keepAliveTimeout = 75_000;
server.listen(Number(port), address, 1024, () => process.stdout.write('listening\n'));
process.on('SIGTERM', () => {
  setTimeout(() => {
    closing = true;
    server.close(() => process.exit(0));
  }, Number(lingerMs));
});
// The test that started it has gone. In a real pod standard input is /dev/null.
if (!fstatSync(0).isCharacterDevice()) process.stdin.resume().once('end', () => process.exit(1));
