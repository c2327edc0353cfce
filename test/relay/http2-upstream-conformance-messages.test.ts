import t from 'tap';
import { rawFrame } from '../http2/raw-frame.ts';
import { type Fields, literals, type ServerConnection } from '../http2/scripted-server.ts';
import { startUpstream } from './http2-upstream-fixture.ts';

/** Malformed responses (RFC 9113 section 8): a stream error each, and the connection serves the next request. */

const PROTOCOL_ERROR = 1;

type Script = (connection: ServerConnection, stream: number) => void;

/** The server breaks a rule before a head has been passed on: the app gets a 502 that says so. */
function refused(sentence: string, script: Script): void {
  t.test(sentence, async (t) => {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask('GET', '/broken');
    const { connection, request } = await upstream.server.arrived('/broken');
    script(connection, request.stream);
    const { status, code, cut } = await asked.answer();
    t.equal(status, 502);
    t.equal(code, 'UPSTREAM_PROTOCOL');
    t.notOk(cut);
    t.equal(await connection.reset(request.stream), PROTOCOL_ERROR);
    t.equal(await upstream.next(t), connection, 'the connection goes on');
    t.equal(connection.requests.length, 2, 'it is not asked a second time');
  });
}

/** The server breaks a rule after the head has been passed on: the app sees that the answer is not whole. */
function cutOff(sentence: string, script: Script, body = ''): void {
  t.test(sentence, async (t) => {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask('GET', '/broken');
    const { connection, request } = await upstream.server.arrived('/broken');
    script(connection, request.stream);
    const answer = await asked.answer();
    t.equal(answer.status, 200);
    t.ok(answer.cut);
    t.ok(body.startsWith(answer.body), 'not a byte that is not its own');
    t.equal(await connection.reset(request.stream), PROTOCOL_ERROR);
    t.equal(await upstream.next(t), connection, 'the connection goes on');
  });
}

const answers =
  (fields: Fields, end = true): Script =>
  (connection, stream) =>
    connection.headers(stream, fields, end);

const OK: Fields = [[':status', '200']];

// 8.3.2, 8.3: pseudo-header fields.
refused('a response without :status is malformed', answers([['x-a', 'b']]));
refused('a response with two :status is malformed', answers([...OK, ...OK]));
for (const status of ['', '20', '2000', 'abc', ' 200', '2.0', '099', '600', '-20'])
  refused(`:status ${JSON.stringify(status)} is malformed`, answers([[':status', status]]));
refused('101 does not exist in HTTP/2', answers([[':status', '101']], false));
refused('a pseudo-header field that nobody knows is malformed', answers([...OK, [':version', '2']]));
for (const [name, value] of [
  [':path', '/'],
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a'],
  [':protocol', 'websocket'],
] as const)
  refused(`${name} in a response is malformed`, answers([...OK, [name, value]]));
refused('a pseudo-header field behind a regular one is malformed', answers([['x-a', 'b'], ...OK]));

// 8.2, 8.2.1: names and values.
for (const name of ['X-Upper', 'x-uppeR', '', 'a b', 'a:b', 'a\0', 'a\x7f', 'a\xe4', 'a\r\nb', '(a)'])
  refused(`the field name ${JSON.stringify(name)} is malformed`, answers([...OK, [name, 'v']]));
for (const value of ['a\rb', 'a\nb', 'a\0b', '\n', 'a\r\nx-smuggled: 1', ' a', 'a ', '\ta', 'a\t'])
  refused(`the field value ${JSON.stringify(value)} is malformed`, answers([...OK, ['x-a', value]]));

// 8.2.2: fields of a connection.
for (const [name, value] of [
  ['connection', 'close'],
  ['connection', 'x-a'],
  ['keep-alive', 'timeout=5'],
  ['proxy-connection', 'keep-alive'],
  ['transfer-encoding', 'chunked'],
  ['transfer-encoding', 'identity'],
  ['upgrade', 'h2c'],
] as const)
  refused(`${name}: ${value} is malformed`, answers([...OK, [name, value]]));

// 8.1.1: lengths.
for (const value of ['', 'abc', '-1', '+1', '1.5', '0x1', '1, 2', '9007199254740993'])
  refused(`content-length: ${JSON.stringify(value)} is malformed`, answers([...OK, ['content-length', value]]));
refused(
  'two content-lengths that differ are malformed',
  answers([...OK, ['content-length', '0'], ['content-length', '1']]),
);
refused('END_STREAM on a head that promises bytes is malformed', answers([...OK, ['content-length', '5']]));
cutOff(
  'a body shorter than its content-length is malformed',
  (connection, stream) => {
    connection.headers(stream, [...OK, ['content-length', '5']]);
    connection.data(stream, 'abc', true);
  },
  'abc',
);
cutOff(
  'a body longer than its content-length is malformed',
  (connection, stream) => {
    connection.headers(stream, [...OK, ['content-length', '5']]);
    connection.data(stream, 'abc');
    connection.data(stream, 'defghi', true);
  },
  'abcde',
);
cutOff(
  'trailers before the content-length is reached are malformed',
  (connection, stream) => {
    connection.headers(stream, [...OK, ['content-length', '5']]);
    connection.data(stream, 'abc');
    connection.headers(stream, [['x-sum', '1']], true);
  },
  'abc',
);

// 8.1: the order of frames in a message.
refused('DATA before the head is malformed', (connection, stream) => connection.data(stream, 'hello', true));
refused('DATA between an interim head and the final one is malformed', (connection, stream) => {
  connection.headers(stream, [[':status', '103']]);
  connection.data(stream, 'hello');
});
refused('an interim head that ends the stream is malformed', answers([[':status', '103']]));
refused('more than 32 interim heads are too many', (connection, stream) => {
  for (let count = 0; count < 33; count++) connection.headers(stream, [[':status', '102']]);
});
cutOff('trailers that do not end the stream are malformed', (connection, stream) => {
  connection.headers(stream, OK);
  connection.headers(stream, [['x-sum', '1']]);
});
cutOff('a second head is malformed', (connection, stream) => {
  connection.headers(stream, OK);
  connection.headers(stream, OK, true);
});
for (const [name, value] of [
  [':status', '200'],
  [':path', '/'],
  ['X-Upper', '1'],
  ['connection', 'close'],
  ['x-a', 'b\r\nc'],
] as const)
  cutOff(
    `trailers with ${name}: ${JSON.stringify(value)} are malformed`,
    (connection, stream) => {
      connection.headers(stream, OK);
      connection.data(stream, 'abc');
      connection.headers(stream, [[name, value]], true);
    },
    'abc',
  );

// RFC 9110 section 6.4.1: answers that have no body.
for (const [method, status] of [
  ['GET', '204'],
  ['GET', '304'],
  ['HEAD', '200'],
] as const) {
  t.test(`a body in ${status} to ${method} is malformed and none of it reaches the app`, async (t) => {
    const upstream = await startUpstream(t);
    const asked = await upstream.ask(method, '/broken');
    const { connection, request } = await upstream.server.arrived('/broken');
    connection.headers(request.stream, [[':status', status]]);
    connection.data(request.stream, 'HTTP/1.1 418 Teapot\r\n\r\n', true);
    t.equal(await connection.reset(request.stream), PROTOCOL_ERROR);
    await asked.client.until(({ ended, received }) => ended || received.includes('\r\n\r\n'));
    t.notMatch(asked.client.received, /418/);
    t.equal(await upstream.next(t), connection);
  });
}

// Rules 8 and 21: heads that are too large.
refused('a head with more fields than allowed is refused', answers([...OK, ...many(201, 'v')]));
refused('a few bytes that HPACK makes a large head of are refused', (connection, stream) => {
  const bomb = Buffer.concat([
    literals(OK),
    Buffer.from('@\x06x-bomb'),
    Buffer.from([127, 0xa1, 0x1e]),
    Buffer.alloc(4000, 97),
  ]);
  connection.send(rawFrame(1, 5, stream, Buffer.concat([bomb, Buffer.alloc(20, 0xbe)])));
});

function many(count: number, value: string): Fields {
  return Array.from({ length: count }, (_, index) => [`x-${index}`, value] as const);
}

t.test('a malformed response is not asked for again, whatever the method', async (t) => {
  const upstream = await startUpstream(t);
  await upstream.next(t);
  const asked = await upstream.ask('GET', '/broken');
  const { connection, request } = await upstream.server.arrived('/broken');
  connection.headers(request.stream, [['x-a', 'b']], true);
  t.equal((await asked.answer()).status, 502);
  await connection.settled();
  t.equal(connection.requests.length, 2);
});

t.test('what a server sends on after its malformed response is ignored', async (t) => {
  const upstream = await startUpstream(t);
  const asked = await upstream.ask('GET', '/broken');
  const { connection, request } = await upstream.server.arrived('/broken');
  connection.headers(request.stream, [['x-a', 'b']]);
  t.equal((await asked.answer()).status, 502);
  connection.data(request.stream, 'late');
  connection.windowUpdate(request.stream, 5);
  connection.headers(request.stream, [['x-late', '1']], true);
  connection.rstStream(request.stream, 8);
  t.equal(await upstream.next(t), connection);
});
