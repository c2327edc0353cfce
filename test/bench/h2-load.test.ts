import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTcpServer } from 'node:net';
import t, { type Test } from 'tap';
import { field, lastLine } from '../../bench/load/generators.ts';
import { nativeProgram } from '../../bench/rig/native-program.ts';

const program = nativeProgram('h2-load');
const without = program === null ? { skip: 'no C compiler here' } : {};

type Handler = (stream: ServerHttp2Stream, fields: IncomingHttpHeaders) => void;

async function serve(t: Test, handler: Handler): Promise<number> {
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, fields) => {
    // What the load abandons at its end is no fault.
    stream.on('error', () => {});
    handler(stream, fields);
  });
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

type Result = { requests: number; errors: number; open: number; heads: number };

/** Runs the load for 0.3 s unless `more` says otherwise. */
async function load(port: number, more: readonly string[]): Promise<Result> {
  const base = [`port=${port}`, 'authority=orders.shop:80', 'path=/p', 'connections=2', 'streams=3', 'seconds=0.3'];
  const output = await new Promise<string>((resolve, reject) => {
    execFile(program ?? '', [...base, ...more], (error, text) => (error === null ? resolve(text) : reject(error)));
  });
  const result = lastLine(output);
  const at = (name: string): number => field(result, name);
  return { requests: at('requests'), errors: at('errors'), open: at('open'), heads: at('heads') };
}

function right(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200 });
  stream.end('hello');
}

t.test('the HTTP/2 load counts right answers, and keeps as many streams open as it is told', without, async (t) => {
  let seen: IncomingHttpHeaders = {};
  let answered = 0;
  const port = await serve(t, (stream, fields) => {
    seen = fields;
    answered++;
    right(stream);
  });
  const result = await load(port, ['bytes=5']);
  t.equal(result.errors, 0);
  t.equal(result.open, 6, 'two connections of three streams');
  t.ok(result.requests > 0 && result.requests <= answered);
  t.match(seen, { ':method': 'GET', ':scheme': 'http', ':authority': 'orders.shop:80', ':path': '/p' });
});

const wrong: readonly { readonly name: string; readonly more: readonly string[]; readonly handler: Handler }[] = [
  {
    name: 'another status than 200',
    more: [],
    handler: (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
  },
  { name: 'a body of another size', more: ['bytes=6'], handler: right },
  { name: 'no trailers where they are due', more: ['bytes=5', 'grpc=1'], handler: right },
  { name: 'a reset', more: [], handler: (stream) => stream.close(2) },
];

for (const { name, more, handler } of wrong) {
  t.test(`an answer with ${name} is an error`, without, async (t) => {
    const result = await load(await serve(t, handler), more);
    t.equal(result.requests, 0);
    t.ok(result.errors > 0);
  });
}

t.test('a connection that ends is as many errors as it had streams', without, async (t) => {
  const port = await serve(t, (stream) => stream.session?.destroy());
  const result = await load(port, []);
  t.equal(result.requests, 0);
  t.equal(result.errors, 6);
});

t.test('a gRPC-like call has its body and fields, and is right when trailers end it', without, async (t) => {
  const bodies = new Set<number>();
  let seen: IncomingHttpHeaders = {};
  const port = await serve(t, (stream, fields) => {
    seen = fields;
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.once('end', () => {
      bodies.add(bytes);
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end('hello');
    });
  });
  const result = await load(port, ['bytes=5', 'grpc=1', 'post=120']);
  t.equal(result.errors, 0);
  t.ok(result.requests > 0);
  t.strictSame([...bodies], [120]);
  t.match(seen, { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' });
});

t.test(
  'unique requests differ in path and fields, however often the table has been turned over',
  without,
  async (t) => {
    const paths = new Set<unknown>();
    const ids = new Set<unknown>();
    const odd: unknown[] = [];
    const port = await serve(t, (stream, fields) => {
      paths.add(fields[':path']);
      ids.add(fields['x-request-id']);
      const { traceparent } = fields;
      const known = fields[':authority'] === 'orders.shop:80' && fields['user-agent'] === 'bench/1.0';
      if (!known || !/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/.test(String(traceparent))) odd.push(fields);
      right(stream);
    });
    const result = await load(port, ['unique=1', 'bytes=5']);
    t.equal(result.errors, 0);
    t.ok(result.requests > 300, 'far more than the table of 4096 bytes holds');
    t.ok(paths.size >= result.requests);
    t.equal(ids.size, paths.size);
    t.strictSame(odd, []);
  },
);

t.test('an open loop asks as often as it is told, no more and no less', without, async (t) => {
  let asked = 0;
  const port = await serve(t, (stream) => {
    asked++;
    right(stream);
  });
  const result = await load(port, ['rate=500', 'seconds=0.2', 'streams=100', 'bytes=5']);
  t.match(result, { requests: 100, errors: 0, open: 0 });
  t.equal(asked, 100);
});

t.test('held streams are opened once, and their answers get no window', without, async (t) => {
  let asked = 0;
  const port = await serve(t, (stream) => {
    asked++;
    right(stream);
  });
  t.match(await load(port, ['hold=1']), { requests: 0, errors: 0, open: 6, heads: 6 });
  t.equal(asked, 6);
});

t.test('where nothing listens there is no result', without, async (t) => {
  const server = createTcpServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server.close();
  await once(server, 'close');
  await t.rejects(load(port, []), /Connection refused/);
});
