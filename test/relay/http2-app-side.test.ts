import t, { type Test } from 'tap';
import { bodyOf, field, type RawApp, rawApp } from '../http2/raw-app.ts';
import { rawFrame, uint32 } from '../http2/raw-frame.ts';
import { type Fields, literals } from '../http2/scripted-server.ts';
import { type Behind, http1Answer, toHttp1, toHttp2 } from './http2-app-fixture.ts';
import { eventually } from './relay-fixture.ts';

const PROTOCOL_ERROR = 1;
const FLOW_CONTROL_ERROR = 3;
const STREAM_CLOSED = 5;
const REFUSED_STREAM = 7;

/** A sidecar in front of an origin that answers each request with its path. */
const echoing = (t: Test, policy = {}, settings = {}): Promise<Behind & { seen(): string }> =>
  withSeen(
    toHttp1(t, policy, settings, (connection) => {
      let answered = 0;
      connection.socket.on('data', () => {
        const heads = connection.received.split('\r\n\r\n').slice(0, -1);
        for (; answered < heads.length; answered++)
          connection.write(http1Answer(/^\w+ (\S+)/.exec(heads[answered] ?? '')?.[1] ?? 'body'));
      });
    }),
  );

async function withSeen(relay: ReturnType<typeof toHttp1>): Promise<Behind & { seen(): string }> {
  const started = await relay;
  return { ...started, seen: () => started.origin.connections.map(({ received }) => received).join('') };
}

/** Asserts that the app's other requests go on: one that was under way before, and a new one. */
async function goesOn(t: Test, app: RawApp): Promise<void> {
  const answer = await app.answer(app.get('/after'));
  t.same([answer.status, bodyOf(answer)], [200, '/after'], 'the connection goes on');
  t.same(app.goaways, []);
}

const REQUEST: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'AUTHORITY'],
  [':path', '/bad'],
];
const withoutPseudo = (name: string): Fields => REQUEST.filter(([each]) => each !== name);

const MALFORMED: readonly (readonly [what: string, fields: Fields])[] = [
  ['a pseudo-header field after another', [...withoutPseudo(':path'), ['x-a', '1'], [':path', '/bad']]],
  ['a pseudo-header field twice', [...REQUEST, [':path', '/bad']]],
  ['an unknown pseudo-header field', [...REQUEST, [':version', '2']]],
  ['a pseudo-header field of responses', [...REQUEST, [':status', '200']]],
  ['no :method', withoutPseudo(':method')],
  ['no :scheme', withoutPseudo(':scheme')],
  ['no :path', withoutPseudo(':path')],
  ['an empty :path', [...withoutPseudo(':path'), [':path', '']]],
  ['a :path without a slash', [...withoutPseudo(':path'), [':path', 'bad']]],
  ['neither :authority nor host', withoutPseudo(':authority')],
  ['a name in upper case', [...REQUEST, ['X-Upper', '1']]],
  ['a name with a space', [...REQUEST, ['x upper', '1']]],
  ['an empty name', [...REQUEST, ['', '1']]],
  ['connection', [...REQUEST, ['connection', 'close']]],
  ['keep-alive', [...REQUEST, ['keep-alive', 'timeout=5']]],
  ['proxy-connection', [...REQUEST, ['proxy-connection', 'keep-alive']]],
  ['transfer-encoding', [...REQUEST, ['transfer-encoding', 'chunked']]],
  ['upgrade', [...REQUEST, ['upgrade', 'h2c']]],
  ['te other than trailers', [...REQUEST, ['te', 'gzip']]],
  ['CR in a value', [...REQUEST, ['x-a', 'a\rb']]],
  ['LF in a value', [...REQUEST, ['x-a', 'a\nGET /smuggled']]],
  ['NUL in a value', [...REQUEST, ['x-a', 'a\0b']]],
  ['a space before a value', [...REQUEST, ['x-a', ' a']]],
  ['a tab after a value', [...REQUEST, ['x-a', 'a\t']]],
  ['CRLF in :path', [...withoutPseudo(':path'), [':path', '/bad HTTP/1.1\r\nX: y']]],
  ['a space in :method', [...withoutPseudo(':method'), [':method', 'GET /x']]],
  ['a host that differs from :authority', [...REQUEST, ['host', 'evil.test']]],
  ['two hosts', [...REQUEST, ['host', 'AUTHORITY'], ['host', 'AUTHORITY']]],
  ['userinfo in :authority', [...withoutPseudo(':authority'), [':authority', 'user@AUTHORITY']]],
  ['two lengths that differ', [...REQUEST, ['content-length', '1'], ['content-length', '2']]],
  ['a length with a sign', [...REQUEST, ['content-length', '+1']]],
  ['a length, and no body', [...REQUEST, ['content-length', '5']]],
];

t.test('rule 19: each malformed request is reset, no byte of it goes up, and the others go on', async (t) => {
  const relay = await echoing(t);
  const app = await relay.client(t);
  for (const [what, fields] of MALFORMED) {
    const good = app.get('/good');
    const named = fields.map(([name, value]): [string, string] => [name, value.replace('AUTHORITY', relay.authority)]);
    const bad = app.open(named, true);
    t.equal(await app.reset(bad), PROTOCOL_ERROR, what);
    t.equal((await app.answer(good)).status, 200, `${what}: the request before it is answered`);
  }
  await goesOn(t, app);
  t.notMatch(relay.seen(), /bad|smuggled/);
  await relay.nothingLeft(t);
  t.equal(await relay.metric('errors_total', 'code="BAD_REQUEST"'), MALFORMED.length, 'each is counted');
});

t.test('rule 19: host that is equal to :authority passes as one, and host alone is enough', async (t) => {
  const relay = await echoing(t);
  const app = await relay.client(t);
  t.equal((await app.answer(app.get('/both', [['host', relay.authority]]))).status, 200);
  const alone = app.open(
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/host'],
      ['host', relay.authority],
    ],
    true,
  );
  t.equal((await app.answer(alone)).status, 200);
  t.same(
    [...relay.seen().matchAll(/^host: (.*)\r$/gim)].map(([, host]) => host),
    [relay.authority, relay.authority],
  );
  await relay.nothingLeft(t);
});

t.test(
  'rule 20: a body that is longer or shorter than its Content-Length is reset, and the others go on',
  async (t) => {
    const relay = await toHttp1(t);
    const app = await relay.client(t);
    const bodies: readonly (readonly [string, (stream: number) => void])[] = [
      ['longer', (stream) => app.data(stream, '123456', false)],
      ['longer in pieces', (stream) => app.send(rawFrame(0, 0, stream, '1234'), rawFrame(0, 0, stream, '56'))],
      ['shorter', (stream) => app.data(stream, '1234', true)],
      ['shorter, ended by an empty frame', (stream) => app.send(rawFrame(0, 0, stream, '1'), rawFrame(0, 1, stream))],
      [
        'shorter, ended by trailers',
        (stream) => app.send(rawFrame(0, 0, stream, '1'), rawFrame(1, 5, stream, literals([['x-t', '1']]))),
      ],
    ];
    for (const [index, [what, send]] of bodies.entries()) {
      const stream = app.post('/bad', [['content-length', '5']]);
      const upstream = await relay.origin.connection(index);
      await upstream.untilReceived('\r\n\r\n');
      send(stream);
      t.equal(await app.reset(stream), PROTOCOL_ERROR, what);
      await upstream.until(({ ended }) => ended);
      t.notMatch(upstream.received, /123456/, 'the origin never sees a whole request of it');
    }
    const good = app.post('/good', [['content-length', '5']]);
    app.data(good, '12345', true);
    const upstream = await relay.origin.connection(bodies.length);
    await upstream.untilReceived('12345');
    upstream.write(http1Answer('good'));
    t.equal(bodyOf(await app.answer(good)), 'good');
    t.same(app.goaways, []);
    await relay.nothingLeft(t);
  },
);

t.test('rule 20: stream errors are reset with the code that RFC 9113 names, and the others go on', async (t) => {
  const relay = await toHttp2(t);
  const app = await relay.client(t);
  const other = app.get('/other');
  const cases: readonly (readonly [string, number, (stream: number) => void])[] = [
    ['DATA after END_STREAM', STREAM_CLOSED, (id) => app.send(rawFrame(0, 1, id, 'x'), rawFrame(0, 0, id, 'y'))],
    [
      'HEADERS after END_STREAM',
      STREAM_CLOSED,
      (id) => app.send(rawFrame(0, 1, id, 'x'), rawFrame(1, 5, id, literals([['x-t', '1']]))),
    ],
    ['a WINDOW_UPDATE of zero', PROTOCOL_ERROR, (id) => app.windowUpdate(id, 0)],
    ['a window over 2^31-1', FLOW_CONTROL_ERROR, (id) => app.windowUpdate(id, 0x7fffffff)],
    [
      'trailers that do not end the stream',
      PROTOCOL_ERROR,
      (id) => app.send(rawFrame(1, 4, id, literals([['x-t', '1']]))),
    ],
    [
      'a pseudo-header field in trailers',
      PROTOCOL_ERROR,
      (id) => app.send(rawFrame(1, 5, id, literals([[':path', '/']]))),
    ],
  ];
  for (const [what, code, send] of cases) {
    const path = `/${what.replaceAll(' ', '-')}`;
    const stream = app.post(path);
    const { connection, request } = await relay.server.arrived(path);
    send(stream);
    t.equal(await app.reset(stream), code, what);
    await connection.until(() => request.reset !== null);
    t.equal(request.reset, 8, 'the upstream is told by CANCEL');
  }
  const { connection, request } = await relay.server.arrived('/other');
  connection.answer(request.stream, 'other');
  t.equal(bodyOf(await app.answer(other)), 'other');
  t.same(app.goaways, []);
  await relay.nothingLeft(t);
});

t.test('rules 8 and 9: a head, a target and an expectation that go too far are answered on their stream', async (t) => {
  const relay = await echoing(t, {}, { listener: { maxHeadBytes: 8192, maxTargetBytes: 1024, maxFields: 50 } });
  const app = await relay.client(t);
  const many: Fields = Array.from({ length: 60 }, (_, index) => [`x-${index}`, '1']);
  const cases: readonly (readonly [number, string, string, Fields])[] = [
    [
      431,
      'HEAD_TOO_LARGE',
      '/',
      [
        ['cookie', 'c'.repeat(8000)],
        ['x-more', 'm'.repeat(500)],
      ],
    ],
    [431, 'HEAD_TOO_LARGE', '/', many],
    [414, 'URI_TOO_LONG', `/${'p'.repeat(1100)}`, []],
    [417, 'EXPECTATION_FAILED', '/', [['expect', '200-ok']]],
  ];
  for (const [status, code, path, fields] of cases) {
    const answer = await app.answer(app.get(path, fields));
    t.equal(answer.status, status);
    t.match(JSON.parse(bodyOf(answer)), { code, hint: /./ });
    t.match(field(answer.fields, 'proxy-status'), 'carpool; error=http_request_error');
    t.equal((await relay.metric('errors_total', `code="${code}"`)) > 0, true);
  }
  const upload = app.open(app.requestFields('POST', '/', [['expect', '200-ok']]), false);
  t.equal((await app.answer(upload)).status, 417, 'also where a body would follow');
  app.data(upload, 'body', true);
  await goesOn(t, app);
  t.notMatch(relay.seen(), /x-59|200-ok/);
  await relay.nothingLeft(t);
});

t.test('over http2.maxStreams a stream is refused, and the app may open one when another has ended', async (t) => {
  const relay = await toHttp2(t, {}, { http2: { maxStreams: 3 } });
  const app = await relay.client(t);
  const streams = [0, 1, 2].map((index) => app.get(`/${index}`));
  const over = app.get('/over');
  t.equal(await app.reset(over), REFUSED_STREAM);
  const settings = app.frames.find(({ type, flags }) => type === 4 && flags === 0)?.payload;
  t.ok(settings?.includes(Buffer.concat([Buffer.from([0, 3]), uint32(3)])), 'SETTINGS had said so');
  const { connection, request } = await relay.server.arrived('/0');
  connection.answer(request.stream, 'zero');
  t.equal(bodyOf(await app.answer(streams[0] ?? 0)), 'zero');
  const next = app.get('/next');
  const arrived = await relay.server.arrived('/next');
  for (const each of arrived.connection.requests) if (each !== request) connection.answer(each.stream, 'rest');
  t.equal(bodyOf(await app.answer(next)), 'rest');
  await app.until(({ over }) => over === 5);
  t.equal(arrived.connection.requests.length, 4, 'what was refused never went up');
  await relay.nothingLeft(t);
});

t.test('trailers of a request reach an HTTP/2 and an HTTP/1.1 upstream, forbidden ones left out', async (t) => {
  const trailers: Fields = [
    ['x-sum', 'abc'],
    ['content-length', '3'],
    ['authorization', 'secret'],
  ];
  const two = await toHttp2(t);
  const app = await two.client(t);
  const stream = app.post('/t');
  app.data(stream, 'body');
  app.headers(stream, trailers, true);
  const { connection, request } = await two.server.arrived('/t');
  await connection.until(() => request.ended);
  t.same([request.body.toString(), request.trailers], ['body', [['x-sum', 'abc']]]);
  connection.answer(request.stream, 'ok');
  t.equal((await app.answer(stream)).status, 200);
  await two.nothingLeft(t);
  const one = await toHttp1(t);
  const other = await one.client(t);
  const second = other.post('/t');
  other.data(second, 'body');
  other.headers(second, trailers, true);
  const upstream = await one.origin.connection(0);
  await upstream.untilReceived('0\r\nx-sum: abc\r\n\r\n');
  t.notMatch(upstream.received, 'secret');
  upstream.write(http1Answer('ok'));
  t.equal((await other.answer(second)).status, 200);
  await one.nothingLeft(t);
});

t.test('requests of HTTP/2 are counted and logged as such', async (t) => {
  const relay = await echoing(t, {}, { telemetry: { accessLog: 'all' } });
  const app = await relay.client(t);
  await app.answer(app.get('/one?secret=1'));
  const post = app.post('/two');
  app.data(post, 'x', true);
  await app.answer(post);
  t.equal(await relay.metric('requests_total', 'protocol="http2"', 'code_class="2xx"', 'method_class="read"'), 1);
  t.equal(await relay.metric('requests_total', 'protocol="http2"', 'code_class="2xx"', 'method_class="write"'), 1);
  t.equal(await relay.metric('requests_total', 'protocol="http1"'), 0);
  await relay.nothingLeft(t);
  await relay.app.close();
  const lines = relay.accessLog();
  t.match(lines, [
    { method: 'GET', host: relay.authority, status: 200, reused: false, attempts: 1, error: null },
    { method: 'POST', host: relay.authority, status: 200, reused: true, bytesUp: 1, attempts: 1, error: null },
  ]);
  t.notMatch(JSON.stringify(lines), 'secret');
});

t.test('via: both ways where it is on, with the protocol that was spoken', async (t) => {
  const relay = await echoing(t, {}, { via: { mode: 'both' } });
  const app = await relay.client(t);
  const answer = await app.answer(app.get('/via'));
  t.match(field(answer.fields, 'via'), /^1\.1 carpool-/, 'the origin spoke HTTP/1.1');
  t.match(relay.seen(), /^via: 2 carpool-[0-9a-f]+\r$/im);
  await relay.nothingLeft(t);
});

t.test('a local port takes HTTP/2 for its one destination, whatever :authority says', async (t) => {
  const relay = await echoing(t, { localPort: 0, basePath: '/v1' });
  const local = relay.localPorts[0]?.port ?? 0;
  const app = await rawApp(t, local, `127.0.0.1:${local}`);
  t.equal(bodyOf(await app.answer(app.get('/models?q=1'))), '/v1/models?q=1');
  t.match(relay.seen(), new RegExp(`^host: ${relay.authority}\r$`, 'im'));
  const tunnel = app.open(
    [
      [':method', 'CONNECT'],
      [':authority', relay.authority],
    ],
    false,
  );
  t.equal((await app.answer(tunnel)).status, 400, 'and no tunnels');
  app.data(tunnel, '', true);
  await relay.nothingLeft(t);
});

t.test('a refused request does not hold its body against the app', async (t) => {
  const relay = await echoing(t);
  const app = await relay.client(t);
  const stream = app.open(
    [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':authority', relay.authority],
      [':path', '/bad'],
      ['te', 'gzip'],
    ],
    false,
  );
  for (let sent = 0; sent < 4; sent++) app.data(stream, 'x'.repeat(10_000));
  app.headers(stream, [['x-t', '1']], true);
  t.equal(await app.reset(stream), PROTOCOL_ERROR);
  await goesOn(t, app);
  await eventually(() => app.frames.some(({ type, stream: on }) => type === 8 && on === 0));
  t.pass('what it took of the connection’s window is given back');
  await relay.nothingLeft(t);
});
