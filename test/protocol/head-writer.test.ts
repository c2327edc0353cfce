import t from 'tap';
import { FORBIDDEN_IN_TRAILERS } from '../../src/protocol/field-names.ts';
import {
  HEAD_ROOM,
  type RequestHeadOptions,
  type ResponseHeadOptions,
  writeRequestHead,
  writeResponseHead,
  writeTrailers,
} from '../../src/protocol/http1/head-writer.ts';
import { makeScanner, ruleOf } from './scanning.ts';

const PLAIN: RequestHeadOptions = {
  authority: null,
  pathPrefix: Buffer.alloc(0),
  upgrade: false,
  close: false,
  extraLines: null,
};
const RELAYED: ResponseHeadOptions = { chunked: false, dropContentLength: false, connection: 'none', extraLines: null };

/** The lines that go out for a request of these lines. */
function forwarded(lines: readonly string[], options: Partial<RequestHeadOptions> = {}, http2 = false): string[] {
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const scanner = makeScanner();
  scanner.scanRequest(bytes, 0, bytes.length);
  scanner.head.http2 = http2;
  const out = Buffer.alloc(bytes.length + HEAD_ROOM);
  const end = writeRequestHead(scanner.head, { ...PLAIN, ...options }, out, 7);
  return out.toString('latin1', 7, end).split('\r\n').slice(0, -2);
}

function relayed(lines: readonly string[], options: Partial<ResponseHeadOptions> = {}): string[] {
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const scanner = makeScanner();
  scanner.scanResponse(bytes, 0, bytes.length);
  const out = Buffer.alloc(bytes.length + HEAD_ROOM);
  return out
    .toString('latin1', 0, writeResponseHead(scanner.head, { ...RELAYED, ...options }, out, 0))
    .split('\r\n')
    .slice(0, -2);
}

t.test('rule 6: an absolute target goes out in origin form, and Host as the target says', async (t) => {
  t.same(forwarded(['GET http://a:81/p?q HTTP/1.1', 'X: y', 'Host: b', 'Z: a']), [
    'GET /p?q HTTP/1.1',
    'host: a:81',
    'X: y',
    'Z: a',
  ]);
  t.same(forwarded(['GET http://a HTTP/1.1', 'Host: a']), ['GET / HTTP/1.1', 'Host: a']);
  t.same(forwarded(['GET http://a?q HTTP/1.0']), ['GET /?q HTTP/1.1', 'host: a']);
  t.same(forwarded(['OPTIONS http://a HTTP/1.1', 'Host: A']), ['OPTIONS * HTTP/1.1', 'host: a']);
  t.same(forwarded(['OPTIONS http://a/ HTTP/1.1', 'Host: a']), ['OPTIONS / HTTP/1.1', 'Host: a']);
});

t.test('a local port says which Host and puts its path before', async (t) => {
  const local = { authority: Buffer.from('b:82'), pathPrefix: Buffer.from('/v1') };
  t.same(forwarded(['GET /p HTTP/1.1', 'Host: a'], local), ['GET /v1/p HTTP/1.1', 'host: b:82']);
  t.same(forwarded(['GET http://a HTTP/1.1', 'Host: a'], local), ['GET /v1/ HTTP/1.1', 'host: b:82']);
});

t.test('rule 7: hop-by-hop fields and those that Connection names do not pass', async (t) => {
  const lines = [
    'Connection: X-Hop, close',
    'X-Hop: 1',
    'x-hop: 2',
    'Keep-Alive: 5',
    'Proxy-Connection: keep-alive',
    'Proxy-Authorization: Basic x',
    'TE: gzip',
    'Upgrade: h2c',
  ];
  lines.push(
    'HTTP2-Settings: x',
    'Connection: Upgrade, HTTP2-Settings, keep-alive,, x-other',
    'X-Other: 3',
    'X-Kept: 4',
    'X-Hopper: 5',
  );
  t.same(forwarded(['GET http://a/ HTTP/1.1', 'Host: a', ...lines]), [
    'GET / HTTP/1.1',
    'Host: a',
    'X-Kept: 4',
    'X-Hopper: 5',
  ]);
  t.same(relayed(['HTTP/1.1 200 OK', ...lines]), ['HTTP/1.1 200 OK', 'X-Kept: 4', 'X-Hopper: 5']);
});

t.test('rule 7: Connection may not name a field that is meant for the other end', async (t) => {
  const names = [
    'Host',
    'content-length',
    'Transfer-Encoding',
    'Authorization',
    'Via',
    'Cookie',
    'Set-Cookie',
    'Date',
    'ETag',
    'Expect',
    'Max-Forwards',
    'Content-Type',
    'Cache-Control',
    'Range',
    'WWW-Authenticate',
  ];
  for (const name of names) {
    const rule = 'BAD_REQUEST: Connection may not name a field that is meant for the other end';
    t.equal(ruleOf('request', `GET / HTTP/1.1\r\nHost: a\r\nConnection: x, ${name}\r\n\r\n`), rule, name);
    t.equal(ruleOf('response', `HTTP/1.1 200 OK\r\nConnection: ${name},x\r\n\r\n`), rule, name);
  }
});

t.test('rule 7: Connection is a list of tokens', async (t) => {
  for (const value of ['a b', 'close;', 'keep=alive', '"close"', 'close\xa0', 'a/b']) {
    t.equal(
      ruleOf('request', `GET / HTTP/1.1\r\nHost: a\r\nConnection: ${value}\r\n\r\n`),
      'BAD_REQUEST: Connection must be a list of tokens',
      value,
    );
  }
  for (const value of ['', ',', ' , ,close', 'a,b', 'a\t,\tb'])
    t.equal(ruleOf('request', `GET / HTTP/1.1\r\nHost: a\r\nConnection:${value}\r\n\r\n`), 'done');
});

t.test('rule 7: TE: trailers passes, named in Connection; other codings do not', async (t) => {
  const head = ['GET http://a/ HTTP/1.1', 'Host: a'];
  t.same(forwarded([...head, 'TE: trailers', 'Connection: TE']).slice(2), ['te: trailers', 'connection: te']);
  t.same(forwarded([...head, 'TE: gzip, Trailers ;q=1']).slice(2), []);
  t.same(forwarded([...head, 'TE: gzip', 'TE: deflate, TRAILERS'], { close: true }).slice(2), [
    'te: trailers',
    'connection: te, close',
  ]);
});

t.test('rule 10: Upgrade goes out only where the plan says so', async (t) => {
  const head = [
    'GET http://a/ HTTP/1.1',
    'Host: a',
    'Connection: upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: k',
  ];
  t.same(forwarded(head).slice(2), ['Sec-WebSocket-Key: k']);
  t.same(forwarded(head, { upgrade: true }).slice(2), [
    'Sec-WebSocket-Key: k',
    'upgrade: websocket',
    'connection: upgrade',
  ]);
});

t.test('a chunked request stays chunked, and the coding is written by carpool', async (t) => {
  t.same(forwarded(['POST http://a/ HTTP/1.1', 'Host: a', 'TRANSFER-ENCODING:  CHUNKED', 'X: y']).slice(2), [
    'X: y',
    'transfer-encoding: chunked',
  ]);
});

t.test('a request of HTTP/1.0 goes out as HTTP/1.1 without its Expect', async (t) => {
  t.same(forwarded(['POST http://a/ HTTP/1.0', 'Expect: 100-continue', 'Content-Length: 5']), [
    'POST / HTTP/1.1',
    'host: a',
    'Content-Length: 5',
  ]);
  t.same(forwarded(['POST http://a/ HTTP/1.1', 'Host: a', 'Expect: 100-continue']).slice(2), ['Expect: 100-continue']);
});

t.test('end-to-end fields pass as the bytes that they are, in their order', async (t) => {
  const lines = ['__proto__: x', 'B:2', 'A:  \t1  ', 'b: 3', 'C: \xe9\xff', 'D:', 'constructor: y'];
  t.same(forwarded(['GET http://a/ HTTP/1.1', 'Host: a', ...lines]).slice(2), lines);
  t.same(relayed(['HTTP/1.0 200  Fine \xe9', ...lines]), ['HTTP/1.1 200  Fine \xe9', ...lines]);
});

t.test('rule 13: Max-Forwards is counted down for TRACE and OPTIONS, once', async (t) => {
  const maxForwards = (method: string, ...lines: string[]): string[] =>
    forwarded([`${method} http://a/ HTTP/1.1`, 'Host: a', ...lines]).filter((line) => /^max-forwards/i.test(line));
  t.same(maxForwards('TRACE', 'Max-Forwards: 5'), ['max-forwards: 4']);
  t.same(maxForwards('OPTIONS', 'MAX-FORWARDS: 1'), ['max-forwards: 0']);
  t.same(maxForwards('OPTIONS', 'Max-Forwards: 9', 'Max-Forwards: 3').length, 1);
  t.same(maxForwards('GET', 'Max-Forwards: 5'), ['Max-Forwards: 5']);
});

t.test('what is said about the downstream connection, and about the body', async (t) => {
  const head = ['HTTP/1.1 200 OK', 'Content-Length: 5', 'Connection: close'];
  t.same(relayed(head), ['HTTP/1.1 200 OK', 'Content-Length: 5']);
  t.same(relayed(head, { connection: 'close' }).slice(2), ['connection: close']);
  t.same(relayed(head, { connection: 'keep-alive' }).slice(2), ['connection: keep-alive']);
  t.same(relayed(head, { dropContentLength: true }), ['HTTP/1.1 200 OK']);
  t.same(relayed(['HTTP/1.1 200 OK'], { chunked: true, extraLines: Buffer.from('via: x\r\n') }).slice(1), [
    'transfer-encoding: chunked',
    'via: x',
  ]);
  t.same(relayed(['HTTP/1.1 101 S', 'Upgrade: websocket', 'Connection: Upgrade'], { connection: 'upgrade' }).slice(1), [
    'upgrade: websocket',
    'connection: upgrade',
  ]);
});

t.test('rule 3: forbidden trailer fields are dropped, the others pass', async (t) => {
  const lines = [
    'X: y',
    'Content-Length: 5',
    'Transfer-Encoding: chunked',
    'Host: a',
    'Authorization: b',
    'Set-Cookie: c',
    'Connection: d',
    'Trailer: e',
    'grpc-status: 0',
    'ETag: f',
    'TE: g',
  ];
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  const scanner = makeScanner();
  scanner.scanTrailers(bytes, 0, bytes.length);
  const out = Buffer.alloc(bytes.length);
  t.equal(
    out.toString('latin1', 0, writeTrailers(scanner.head, FORBIDDEN_IN_TRAILERS, out, 0)),
    'X: y\r\ngrpc-status: 0\r\nETag: f\r\n\r\n',
  );
});

t.test(
  'several Cookie fields that came by HTTP/2 go out as one, in their order; those of HTTP/1.1 as they came',
  async (t) => {
    const cookies = ['GET http://a/ HTTP/1.1', 'Host: a', 'Cookie: a=1', 'X: y', 'cookie: b=2', 'Z: a', 'Cookie: c=3'];
    t.same(forwarded(cookies, {}, true), ['GET / HTTP/1.1', 'Host: a', 'X: y', 'Z: a', 'cookie: a=1; b=2; c=3']);
    t.same(forwarded(cookies).slice(1), cookies.slice(1));
    t.same(forwarded(cookies.slice(0, 4), {}, true).slice(2), ['Cookie: a=1', 'X: y']);
  },
);

t.test('a head that was written can be written again', async (t) => {
  const bytes = Buffer.from('OPTIONS http://a/ HTTP/1.1\r\nHost: b\r\nMax-Forwards: 3\r\n\r\n', 'latin1');
  const scanner = makeScanner();
  scanner.scanRequest(bytes, 0, bytes.length);
  const out = Buffer.alloc(bytes.length + HEAD_ROOM);
  const write = (authority: Buffer | null): string =>
    out.toString('latin1', 0, writeRequestHead(scanner.head, { ...PLAIN, authority }, out, 0));
  t.equal(write(Buffer.from('c')), 'OPTIONS / HTTP/1.1\r\nhost: c\r\nmax-forwards: 2\r\n\r\n');
  t.equal(write(null), 'OPTIONS / HTTP/1.1\r\nhost: a\r\nmax-forwards: 2\r\n\r\n');
  t.same([...scanner.head.dropped.subarray(0, 2)], [0, 0]);
});
