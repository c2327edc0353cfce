import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientSessionOptions, connect, constants } from 'node:http2';
import t, { type Test } from 'tap';
import { nativeProgram } from '../../bench/rig/native-program.ts';

const program = nativeProgram('h2-origin');
const without = program === null ? { skip: 'no C compiler here' } : {};

async function origin(t: Test, bytes: number, manner: string): Promise<number> {
  const child: ChildProcess = spawn(program ?? '', ['0', String(bytes), manner], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  if (child.stdout === null) throw new Error('no output');
  const [text]: unknown[] = await once(child.stdout, 'data');
  return Number(text);
}

function client(t: Test, port: number, options: ClientSessionOptions = {}): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`, options);
  t.teardown(() => session.destroy());
  return session;
}

type Answer = { status: unknown; length: unknown; type: unknown; bytes: number; trailer: unknown };

function ask(session: ClientHttp2Session, body = ''): Promise<Answer> {
  const answer: Answer = { status: 0, length: null, type: null, bytes: 0, trailer: null };
  const stream = session.request(
    { ':method': body === '' ? 'GET' : 'POST', ':path': '/any' },
    { endStream: body === '' },
  );
  stream.once('response', (fields) => {
    answer.status = fields[':status'];
    answer.length = fields['content-length'];
    answer.type = fields['content-type'];
  });
  stream.once('trailers', (fields) => {
    answer.trailer = fields['grpc-status'];
  });
  stream.on('data', (chunk: Buffer) => {
    answer.bytes += chunk.length;
  });
  if (body !== '') stream.end(body);
  return new Promise((resolve, reject) => {
    stream.once('error', reject);
    stream.once('close', () => resolve(answer));
  });
}

t.test('the HTTP/2 origin answers every request of a connection alike', without, async (t) => {
  const session = client(t, await origin(t, 1024, 'plain'));
  const wanted = { status: 200, length: '1024', type: 'application/octet-stream', bytes: 1024, trailer: null };
  // From the second on, the fields come from the table that the first has filled.
  for (let i = 0; i < 3; i++) t.strictSame(await ask(session), wanted);
  t.strictSame(await ask(session, 'a body'), wanted, 'a POST, after its body');
  const many = await Promise.all(Array.from({ length: 100 }, () => ask(session)));
  t.strictSame(many, Array(100).fill(wanted));
});

t.test('a client without a table for fields gets the same answer', without, async (t) => {
  const session = client(t, await origin(t, 10, 'plain'), { settings: { headerTableSize: 0 } });
  for (let i = 0; i < 3; i++) t.match(await ask(session), { status: 200, length: '10', bytes: 10 });
});

t.test('a gRPC-like answer ends with its status in trailers', without, async (t) => {
  const session = client(t, await origin(t, 1024, 'grpc'));
  const wanted = { status: 200, length: undefined, type: 'application/grpc', bytes: 1024, trailer: '0' };
  for (let i = 0; i < 2; i++) t.strictSame(await ask(session, 'a call'), wanted);
});

for (const initialWindowSize of [1000, 1 << 21]) {
  t.test(
    `a large body keeps to its stream’s window of ${initialWindowSize} and the connection’s`,
    without,
    async (t) => {
      // Node's client ends a connection whose peer sends more than its windows allow; that of the connection is 64 KiB.
      const session = client(t, await origin(t, 1 << 20, 'plain'), { settings: { initialWindowSize } });
      const both = await Promise.all([ask(session), ask(session)]);
      t.match(both, [{ bytes: 1 << 20 }, { bytes: 1 << 20 }]);
    },
  );
}

t.test('a stream that is given up is sent no more, and holds up no other', without, async (t) => {
  const session = client(t, await origin(t, 1 << 20, 'plain'), { settings: { initialWindowSize: 1 << 21 } });
  const given = session.request({ ':path': '/' });
  given.on('error', () => {});
  await once(given, 'response');
  given.close(constants.NGHTTP2_CANCEL);
  t.match(await ask(session), { bytes: 1 << 20 });
  t.ok(
    (session.socket?.bytesRead ?? 0) < 1.5 * (1 << 20),
    'one body, and what the connection’s window took of the other',
  );
});

t.test('the silent origin takes requests, and gives their bodies no window', without, async (t) => {
  const session = client(t, await origin(t, 0, 'silent'));
  const [settings]: unknown[] = await once(session, 'remoteSettings');
  t.match(settings, { initialWindowSize: 0, maxConcurrentStreams: 128 });
  const stream = session.request({ ':method': 'POST' });
  stream.on('error', () => {});
  stream.on('response', () => t.fail('it has answered'));
  stream.write('x'.repeat(1 << 17));
  // A PING that comes back has passed all that was sent before it.
  await new Promise<void>((resolve) => session.ping(() => resolve()));
  t.equal(stream.destroyed, false);
  stream.destroy();
});
