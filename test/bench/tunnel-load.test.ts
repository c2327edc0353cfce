import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import { type LoadResult, parseResult } from '../../bench/load/generators.ts';
import { nativeProgram } from '../../bench/rig/native-program.ts';

const program = nativeProgram('tunnel-load');
const without = program === null ? { skip: 'no C compiler here' } : {};

/** A proxy and origin in one: what it answers to CONNECT, and to each request inside. Tells what it was asked. */
async function serve(t: Test, opening: string, answer: string): Promise<{ port: number; asked: Map<string, number> }> {
  const asked = new Map<string, number>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      asked.set(text, (asked.get(text) ?? 0) + 1);
      socket.write(text.startsWith('CONNECT ') ? opening : answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, asked };
}

function load(port: number): Promise<LoadResult> {
  const options = [String(port), 'orders.shop:80', '/p', '3', '0.2', '5'];
  return new Promise((resolve, reject) => {
    execFile(program ?? '', options, (error, text) => (error === null ? resolve(parseResult(text)) : reject(error)));
  });
}

const OPEN = 'HTTP/1.1 200 Connection established\r\n\r\n';

t.test('each tunnel is asked for once, and carries one request after another', without, async (t) => {
  const { port, asked } = await serve(t, OPEN, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
  const result = await load(port);
  t.equal(result.errors, 0);
  t.ok(result.requests > 3);
  t.equal(asked.get('CONNECT orders.shop:80 HTTP/1.1\r\nHost: orders.shop:80\r\n\r\n'), 3);
  t.equal(asked.size, 2);
  t.ok((asked.get('GET /p HTTP/1.1\r\nHost: orders.shop:80\r\n\r\n') ?? 0) >= result.requests);
});

const wrong: readonly { readonly name: string; readonly opening: string; readonly answer: string }[] = [
  { name: 'a tunnel that is refused', opening: 'HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n', answer: '' },
  { name: 'another status than 200', opening: OPEN, answer: 'HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nhello' },
  { name: 'a body of another size', opening: OPEN, answer: 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell' },
  { name: 'bytes behind an answer', opening: OPEN, answer: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!' },
];

for (const { name, opening, answer } of wrong) {
  t.test(`${name} is an error`, without, async (t) => {
    const { port } = await serve(t, opening, answer);
    t.match(await load(port), { requests: 0, errors: 3 });
  });
}
