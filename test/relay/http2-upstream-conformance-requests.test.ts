import t from 'tap';
import { rawFrame } from '../http2/raw-frame.ts';
import type { Fields, ScriptedRequest } from '../http2/scripted-server.ts';
import { startUpstream } from './http2-upstream-fixture.ts';

/** What carpool sends to an HTTP/2 server, and how good answers come back (RFC 9113 sections 3.4, 5.1, 8). */

const OK: Fields = [[':status', '200']];

const values = ({ fields }: ScriptedRequest, wanted: string): string[] =>
  fields.filter(([name]) => name === wanted).map(([, value]) => value);

t.test('3.4: a connection begins with the preface and SETTINGS that switch push off', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('GET', '/a');
  const { connection } = await upstream.server.arrived('/a');
  const [first] = connection.frames;
  t.match(first, { type: 4, flags: 0, stream: 0 });
  const settings = new Map<number, number>();
  const payload = first?.payload ?? Buffer.alloc(0);
  for (let at = 0; at < payload.length; at += 6) settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  t.equal(settings.get(2), 0);
  t.notOk(settings.has(3), 'the server opens no streams');
  t.notOk(settings.has(5), 'frames stay at 16384 bytes');
});

t.test('5.1.1: streams have odd ids that rise', async (t) => {
  const upstream = await startUpstream(t);
  for (let count = 0; count < 5; count++) await upstream.next(t);
  const connection = await upstream.server.connection(0);
  t.same(
    connection.requests.map(({ stream }) => stream),
    [1, 3, 5, 7, 9],
  );
});

t.test('8.3.1: pseudo-header fields come first, each once, and names are lower-case', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('GET', '/a/b?c=d%20e&f', 'X-Mixed-Case: Yes\r\nAccept: */*\r\n');
  const { request } = await upstream.server.arrived('/a/b?c=d%20e&f');
  t.same(request.fields.slice(0, 4).sort(), [
    [':authority', upstream.authority],
    [':method', 'GET'],
    [':path', '/a/b?c=d%20e&f'],
    [':scheme', 'http'],
  ]);
  t.same(request.fields.slice(4), [
    ['x-mixed-case', 'Yes'],
    ['accept', '*/*'],
  ]);
  t.ok(request.ended, 'a request without a body ends with its head');
});

t.test('8.2.2: fields of the app’s connection, and those that it names, do not pass', async (t) => {
  const upstream = await startUpstream(t);
  const fields = [
    'Connection: keep-alive, X-Hop',
    'X-Hop: 1',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Upgrade: h2c',
    'Proxy-Authorization: Basic x',
    'X-End: 1',
    '',
  ].join('\r\n');
  await upstream.ask('GET', '/a', fields);
  const { request } = await upstream.server.arrived('/a');
  t.same(request.fields.slice(4), [['x-end', '1']]);
});

t.test('8.2.2: of TE only trailers passes', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('GET', '/trailers', 'Connection: TE\r\nTE: trailers\r\n');
  t.same(values((await upstream.server.arrived('/trailers')).request, 'te'), ['trailers']);
  await upstream.ask('GET', '/gzip', 'Connection: TE\r\nTE: gzip\r\n');
  t.same(values((await upstream.server.arrived('/gzip')).request, 'te'), []);
});

t.test('8.1: a body with a length keeps it; END_STREAM is on its last frame', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('POST', '/a', 'Content-Length: 5\r\n', 'hello');
  const { connection, request } = await upstream.server.arrived('/a');
  await connection.until(() => request.ended);
  t.equal(request.body.toString(), 'hello');
  t.same(values(request, 'content-length'), ['5']);
});

t.test('8.1: a chunked body comes without Transfer-Encoding and without chunks', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('POST', '/a', 'Transfer-Encoding: chunked\r\n', '3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
  const { connection, request } = await upstream.server.arrived('/a');
  await connection.until(() => request.ended);
  t.equal(request.body.toString(), 'abcde');
  t.same(values(request, 'transfer-encoding'), []);
  t.same(values(request, 'content-length'), []);
  t.equal(request.trailers, null);
});

t.test('8.1: trailers of a request are one more head at its end, without those that are forbidden there', async (t) => {
  const upstream = await startUpstream(t);
  const body = '3\r\nabc\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\nX-More: 2\r\n\r\n';
  await upstream.ask('POST', '/a', 'Transfer-Encoding: chunked\r\n', body);
  const { connection, request } = await upstream.server.arrived('/a');
  await connection.until(() => request.ended);
  t.equal(request.body.toString(), 'abc');
  t.same(request.trailers, [
    ['x-sum', '1'],
    ['x-more', '2'],
  ]);
});

t.test('8.3.1: OPTIONS * is :path *', async (t) => {
  const upstream = await startUpstream(t);
  const { client } = await upstream.ask('GET', '/first');
  const { connection, request } = await upstream.server.arrived('/first');
  connection.answer(request.stream, 'x');
  await client.untilReceived('\r\n\r\nx');
  client.write(`OPTIONS http://${upstream.authority} HTTP/1.1\r\nHost: ${upstream.authority}\r\n\r\n`);
  const options = await connection.request(1);
  t.same(values(options, ':method'), ['OPTIONS']);
  t.same(values(options, ':path'), ['*']);
});

t.test('a path that is empty is /', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('GET', '');
  t.same(values((await upstream.server.arrived('/')).request, ':authority'), [upstream.authority]);
});

t.test('4.3: a head over a frame is HEADERS and CONTINUATIONs in a row, whatever else is sent', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('GET', '/a', `X-One: ${'v'.repeat(30_000)}\r\nX-Two: ${'w'.repeat(20_000)}\r\n`);
  const { connection, request } = await upstream.server.arrived('/a');
  t.equal(values(request, 'x-one')[0], 'v'.repeat(30_000));
  t.equal(values(request, 'x-two')[0], 'w'.repeat(20_000));
  const frames = connection.frames.filter(({ stream }) => stream === request.stream);
  t.same(
    frames.map(({ type, flags }) => [type, flags]),
    [
      [1, 1],
      [9, 0],
      [9, 0],
      [9, 4],
    ],
  );
});

t.test('what is secret is never to be indexed by anybody', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.ask('GET', '/a', 'Authorization: Bearer abc\r\nCookie: a=b\r\n');
  const { connection, request } = await upstream.server.arrived('/a');
  t.same(values(request, 'authorization'), ['Bearer abc']);
  t.same(values(request, 'cookie'), ['a=b']);
  const block = connection.frames.find(({ type }) => type === 1)?.payload ?? Buffer.alloc(0);
  const at = block.indexOf('Bearer abc');
  t.ok(at > 0, 'not Huffman coded');
  // Index 23 of the static table is authorization: 0001 1111, then 23 - 15 (RFC 7541 section 6.2.3), and the length.
  t.same(block.subarray(at - 3, at), Buffer.from([0x1f, 8, 10]));
});

// --- answers

t.test('an answer with a length, and one without', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/length');
  const one = await upstream.server.arrived('/length');
  one.connection.headers(one.request.stream, [...OK, ['content-length', '5'], ['x-a', '1'], ['x-a', '2']]);
  one.connection.data(one.request.stream, 'he');
  one.connection.data(one.request.stream, 'llo', true);
  const whole = await asked.answer();
  t.same([whole.body, whole.fields.get('content-length'), whole.fields.get('x-a')], ['hello', '5', '1, 2']);
  t.notOk(whole.fields.has('transfer-encoding'));

  const second = await upstream.ask('GET', '/chunks');
  const two = await upstream.server.arrived('/chunks');
  two.connection.headers(two.request.stream, OK);
  two.connection.data(two.request.stream, 'hello');
  two.connection.data(two.request.stream, '', true);
  const chunked = await second.answer();
  t.same([chunked.body, chunked.fields.get('transfer-encoding'), chunked.cut], ['hello', 'chunked', false]);
});

t.test('an answer that is a head alone has an empty body', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/a');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.headers(request.stream, [[':status', '404']], true);
  const { status, body, cut } = await asked.answer();
  t.same([status, body, cut], [404, '', false]);
});

t.test('END_STREAM on an empty DATA frame, padded or not, ends the answer', async (t) => {
  const upstream = await startUpstream(t);
  for (const [path, frame] of [
    ['/empty', (stream: number) => rawFrame(0, 1, stream)],
    ['/padded', (stream: number) => rawFrame(0, 9, stream, '\x03\0\0\0')],
  ] as const) {
    const asked = await upstream.ask('GET', path);
    const { connection, request } = await upstream.server.arrived(path);
    connection.headers(request.stream, [...OK, ['content-length', '2']]);
    connection.data(request.stream, 'ok');
    connection.send(frame(request.stream));
    t.equal((await asked.answer()).body, 'ok');
    t.equal(await upstream.next(t), connection);
  }
});

t.test('interim heads pass in order before the final one', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/a');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.headers(request.stream, [[':status', '102']]);
  connection.headers(request.stream, [
    [':status', '103'],
    ['link', '</style.css>; rel=preload'],
  ]);
  connection.answer(request.stream, 'ok');
  const { interim, body } = await asked.answer();
  t.same(
    interim.map(([status, fields]) => [status, fields.get('link')]),
    [
      [102, undefined],
      [103, '</style.css>; rel=preload'],
    ],
  );
  t.equal(body, 'ok');
});

t.test('rule 9: Expect passes, and 100 of the server lets the app go on', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('POST', '/a', 'Expect: 100-continue\r\nContent-Length: 5\r\n');
  const { connection, request } = await upstream.server.arrived('/a');
  t.same(values(request, 'expect'), ['100-continue']);
  t.equal(request.body.length, 0);
  connection.headers(request.stream, [[':status', '100']]);
  await asked.client.untilReceived('100 Continue\r\n\r\n');
  asked.client.write('hello');
  await connection.until(() => request.ended);
  connection.answer(request.stream, 'thanks');
  t.equal((await asked.answer()).body, 'thanks');
});

t.test('trailers of an answer reach an app that takes chunks', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/a', 'Connection: TE\r\nTE: trailers\r\n');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.headers(request.stream, OK);
  connection.data(request.stream, 'hello');
  connection.headers(
    request.stream,
    [
      ['grpc-status', '0'],
      ['x-sum', '1'],
    ],
    true,
  );
  const { body, trailers, cut } = await asked.answer();
  t.same([body, trailers.get('grpc-status'), trailers.get('x-sum'), cut], ['hello', '0', '1', false]);
});

t.test('an empty block of trailers only ends the answer', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/a');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.headers(request.stream, [...OK, ['content-length', '5']]);
  connection.data(request.stream, 'hello');
  connection.headers(request.stream, [], true);
  t.equal((await asked.answer()).body, 'hello');
});

for (const [method, status] of [
  ['HEAD', '200'],
  ['GET', '304'],
] as const) {
  t.test(`${status} to ${method} has no body whatever its content-length says`, async (t) => {
    const upstream = await startUpstream(t);
    for (const endFrame of [false, true]) {
      const path = `/${endFrame}`;
      const asked = await upstream.ask(method, path);
      const { connection, request } = await upstream.server.arrived(path);
      connection.headers(
        request.stream,
        [
          [':status', status],
          ['content-length', '1000'],
        ],
        !endFrame,
      );
      if (endFrame) connection.data(request.stream, '', true);
      const answer = await asked.answer();
      t.same([answer.status, answer.fields.get('content-length'), answer.cut], [Number(status), '1000', false]);
      t.equal(await upstream.next(t), connection);
    }
  });
}

t.test('204 ends with its head', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('DELETE', '/a');
  const { connection, request } = await upstream.server.arrived('/a');
  connection.headers(request.stream, [[':status', '204']], true);
  const { status, cut, fields } = await asked.answer();
  t.same([status, cut, fields.has('transfer-encoding')], [204, false, false]);
});

t.test('5: answers that are interleaved frame by frame reach those that asked', async (t) => {
  const upstream = await startUpstream(t, [], { pool: { maxConnections: 1 } });
  const letters = ['a', 'b', 'c', 'd', 'e'];
  const asked = await Promise.all(letters.map((letter) => upstream.ask('GET', `/${letter}`)));
  const arrived = await Promise.all(letters.map((letter) => upstream.server.arrived(`/${letter}`)));
  for (const { connection, request } of arrived) connection.headers(request.stream, OK);
  for (let round = 0; round < 50; round++)
    for (const [index, { connection, request }] of arrived.entries())
      connection.data(request.stream, `${letters[index]}${round},`, round === 49);
  const rounds = Array.from({ length: 50 }, (_, round) => round);
  for (const [index, { answer }] of asked.entries())
    t.equal((await answer()).body, rounds.map((round) => `${letters[index]}${round},`).join(''));
  t.equal(upstream.server.connections.length, 1);
});
