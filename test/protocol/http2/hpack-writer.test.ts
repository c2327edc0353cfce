import fc from 'fast-check';
import t from 'tap';
import type { Head } from '../../../src/protocol/head.ts';
import { HEAD_ROOM, writeRequestHead } from '../../../src/protocol/http1/head-writer.ts';
import {
  fieldsBlockBound,
  type RequestBlockOptions,
  type ResponseBlockOptions,
  requestBlockBound,
  responseBlockBound,
  trailersBlockBound,
  writeFields,
  writeRequestBlock,
  writeResponseBlock,
  writeTrailersBlock,
} from '../../../src/protocol/http2/block-writer.ts';
import { request as requestText, response as responseText, trailers as trailersText } from '../arbitrary-messages.ts';
import { type Kind, makeScanner, scan } from '../scanning.ts';
import { lists } from './arbitrary-fields.ts';
import { block, otherDecode, type Pair } from './other-hpack.ts';
import { makeReader, request, response } from './reading-blocks.ts';

const TIMES = Number(process.env.CARPOOL_FUZZ ?? 1);
const PLAIN: RequestBlockOptions = { authority: null, pathPrefix: Buffer.alloc(0), extraLines: null };
const RELAYED: ResponseBlockOptions = { dropContentLength: false, extraLines: null };

/** What is written, in a buffer that ends where the bound says. */
function written(bound: number, write: (out: Buffer, at: number) => number): Buffer {
  const out = Buffer.alloc(7 + bound, 0xaa);
  const end = write(out, 7);
  if (end > out.length) throw new Error(`${end - 7} bytes, and the bound is ${bound}`);
  return out.subarray(7, end);
}

const writeRequest = (head: Head, options: Partial<RequestBlockOptions> = {}, secure = head.secure): Buffer => {
  const all = { ...PLAIN, ...options };
  return written(requestBlockBound(head, all), (out, at) => writeRequestBlock(head, all, secure, out, at));
};
const writeResponse = (head: Head, options: Partial<ResponseBlockOptions> = {}): Buffer => {
  const all = { ...RELAYED, ...options };
  return written(responseBlockBound(head, all), (out, at) => writeResponseBlock(head, all, out, at));
};
const writeTrailers = (head: Head): Buffer =>
  written(trailersBlockBound(head), (out, at) => writeTrailersBlock(head, out, at));

/** The head of an HTTP/1.1 message. */
function scanned(kind: Kind, text: string): Head {
  const bytes = Buffer.from(text, 'latin1');
  const scanner = makeScanner();
  const scans = { request: 'scanRequest', response: 'scanResponse', trailers: 'scanTrailers' } as const;
  if (scanner[scans[kind]](bytes, 0, bytes.length) !== 1) throw new Error(`${scanner.fault.rule}: ${text}`);
  return scanner.head;
}
const lines = (...all: readonly string[]): string => `${all.map((line) => `${line}\r\n`).join('')}\r\n`;

/** The head of a block. */
function read(kind: Kind, pairs: readonly Pair[], endStream = true): Head {
  const reader = makeReader();
  const bytes = block(pairs);
  const result =
    kind === 'request'
      ? reader.readRequest(bytes, 0, bytes.length, endStream)
      : kind === 'response'
        ? reader.readResponse(bytes, 0, bytes.length, endStream)
        : reader.readTrailers(bytes, 0, bytes.length);
  if (result !== 0) throw new Error(reader.fault.rule);
  return reader.head;
}

t.test('from HTTP/1.1 to HTTP/2: names in lower case, nothing of the connection', async (t) => {
  const head = scanned(
    'request',
    lines(
      'POST http://a:81/p?q HTTP/1.1',
      'Host: a:81',
      'Connection: X-Hop, TE',
      'X-Hop: 1',
      'TE: trailers',
      'Transfer-Encoding: chunked',
      'Upgrade: h2c',
      'HTTP2-Settings: x',
      'Keep-Alive: 5',
      'Proxy-Authorization: x',
      'Expect: 100-continue',
      'Accept-Encoding: gzip, deflate',
      'Accept-encoding: br',
      'X-Mine:  a b ',
    ),
  );
  t.same(otherDecode(writeRequest(head)), [
    [':method', 'POST'],
    [':authority', 'a:81'],
    [':scheme', 'http'],
    [':path', '/p?q'],
    ['expect', '100-continue'],
    ['accept-encoding', 'gzip, deflate'],
    ['accept-encoding', 'br'],
    ['x-mine', 'a b'],
    ['te', 'trailers'],
  ]);
});

t.test('what no table is to keep is told to be kept by none', async (t) => {
  const head = scanned('request', lines('GET / HTTP/1.1', 'Host: a', 'Authorization: x', 'Cookie: y', 'Age: 1'));
  const fields = writeRequest(head).toString('hex');
  t.match(fields, /1f080178/, 'authorization');
  t.match(fields, /1f110179/, 'cookie');
  t.match(fields, /0f060131/, 'age');
  const answer = scanned('response', lines('HTTP/1.1 200 OK', 'Set-Cookie: x'));
  t.match(writeResponse(answer).toString('hex'), /1f280178/, 'set-cookie');
});

t.test('paths, schemes and authorities are as HTTP/1.1 writes them', async (t) => {
  const of = (line: string, options: Partial<RequestBlockOptions> = {}, secure = false) =>
    Object.fromEntries(
      otherDecode(writeRequest(scanned('request', lines(`${line} HTTP/1.1`, 'Host: h')), options, secure)),
    );
  const prefix = { pathPrefix: Buffer.from('/v1') };
  t.same(of('GET http://a'), { ':method': 'GET', ':scheme': 'http', ':authority': 'a', ':path': '/' });
  t.match(of('GET http://a?q'), { ':path': '/?q' });
  t.match(of('GET http://a/'), { ':path': '/' });
  t.match(of('GET /p'), { ':path': '/p', ':authority': 'h' });
  t.match(of('GET http://a', prefix), { ':path': '/v1/' });
  t.match(of('GET http://a?q', prefix), { ':path': '/v1/?q' });
  t.match(of('GET /p', prefix), { ':path': '/v1/p' });
  t.match(of('OPTIONS http://a'), { ':path': '*' });
  t.match(of('OPTIONS http://a', prefix), { ':path': '/v1/' });
  t.match(of('OPTIONS *'), { ':path': '*' });
  t.match(of('PATCH http://a/', { authority: Buffer.from('b:1') }), { ':method': 'PATCH', ':authority': 'b:1' });
  t.match(of('GET http://a/', {}, true), { ':scheme': 'https' });
  t.same(of('CONNECT a:443'), { ':method': 'CONNECT', ':authority': 'a:443' });
  const old = scanned('request', lines('GET /p HTTP/1.0', 'Expect: 100-continue', 'X: y'));
  t.same(otherDecode(writeRequest(old)), [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/p'],
    ['x', 'y'],
  ]);
});

t.test('from HTTP/2 to HTTP/2 a block goes out as it came', async (t) => {
  const pairs = request(['te', 'trailers'], ['x', 'y'], ['cookie', 'a'], ['cookie', 'b']);
  const head = read('request', pairs, false);
  t.same(writeRequest(head), block(pairs));
  t.same(writeResponse(read('response', response(['x', 'y']))), block(response(['x', 'y'])));
  t.same(writeTrailers(read('trailers', [['x', 'y'], ['host', 'a']])), block([['x', 'y']])); // biome-ignore format: short
});

t.test('what changes on the way of an HTTP/2 request changes its pseudo-header fields alone', async (t) => {
  const fields: Pair[] = [['te', 'trailers'], ['x', 'y'], ['cookie', 'a'], ['cookie', 'b']]; // biome-ignore format: short
  const head = read('request', request(...fields), false);
  const options = {
    authority: Buffer.from('b:1'),
    pathPrefix: Buffer.from('/v1'),
    extraLines: Buffer.from('via: 1.1 c\r\nX-More: z\r\n'),
  };
  t.same(otherDecode(writeRequest(head, options, true)), [
    [':method', 'GET'],
    [':authority', 'b:1'],
    [':scheme', 'https'],
    [':path', '/v1/p?q'],
    ...fields,
    ['via', '1.1 c'],
    ['x-more', 'z'],
  ]);
  const via = { extraLines: Buffer.from('via: 1.1 c\r\n') };
  t.same(otherDecode(writeRequest(head, via)), [...request(...fields), ['via', '1.1 c']]);
  t.same(otherDecode(writeRequest(head)), request(...fields), 'and the head is what it was');
  const star = read('request', [[':method', 'OPTIONS'], [':scheme', 'http'], [':authority', 'a'], [':path', '*']]); // biome-ignore format: short
  t.match(otherDecode(writeRequest(star, {}, true))[3], [':path', '*']);
});

t.test('an extended CONNECT keeps its protocol when it is written anew', async (t) => {
  const pairs: Pair[] = [
    [':method', 'CONNECT'],
    [':authority', 'a'],
    [':scheme', 'http'],
    [':protocol', 'websocket'],
    [':path', '/chat'],
  ];
  const head = read('request', [...pairs, ['x', 'y']], false);
  t.same(otherDecode(writeRequest(head)), [...pairs, ['x', 'y']]);
  const secure = pairs.map(([name, value]): Pair => [name, name === ':scheme' ? 'https' : value]);
  t.same(otherDecode(writeRequest(head, {}, true)), [...secure, ['x', 'y']]);
});

t.test('rule 13: Max-Forwards counts this hop, where it counts', async (t) => {
  const hops = (method: string, value: string) => {
    const pairs = request(['max-forwards', value], ['te', 'trailers'], ['x', 'y']);
    return otherDecode(writeRequest(read('request', [[':method', method], ...pairs.slice(1)]))).slice(4);
  };
  t.same(hops('TRACE', '10'), [['max-forwards', '9'], ['x', 'y'], ['te', 'trailers']]); // biome-ignore format: short
  t.same(hops('OPTIONS', '1')[0], ['max-forwards', '0']);
  t.same(hops('GET', '10')[0], ['max-forwards', '10']);
  const text = scanned('request', lines('TRACE http://a/ HTTP/1.1', 'Host: a', 'Max-Forwards: 1000000', 'X: y'));
  t.same(otherDecode(writeRequest(text)).slice(4), [['max-forwards', '999999'], ['x', 'y']]); // biome-ignore format: short
});

t.test('responses: every status, lengths that may not stand there, what carpool adds', async (t) => {
  for (const status of [100, 103, 200, 204, 206, 304, 400, 404, 500, 201, 599]) {
    const head = scanned('response', lines(`HTTP/1.1 ${status} X`, 'Content-Length: 5', 'Connection: close', 'X: y'));
    t.same(otherDecode(writeResponse(head)), [
      [':status', String(status)],
      ['content-length', '5'],
      ['x', 'y'],
    ]);
    const without = [[':status', String(status)], ['x', 'y']]; // biome-ignore format: short
    t.same(otherDecode(writeResponse(head, { dropContentLength: true })), without);
  }
  const head = read('response', response(['content-length', '5'], ['x', 'y']), false);
  const via = { dropContentLength: true, extraLines: Buffer.from('via: 1.1 c\r\n') };
  t.same(otherDecode(writeResponse(head, via)), response(['x', 'y'], ['via', '1.1 c']));
});

t.test('trailers of HTTP/1.1: those that may not stand there do not pass', async (t) => {
  const head = scanned('trailers', lines('Grpc-Status: 0', 'Content-Length: 1', 'Connection: x', 'Host: a', 'X: y'));
  t.same(otherDecode(writeTrailers(head)), [['grpc-status', '0'], ['x', 'y']]); // biome-ignore format: short
});

t.test("carpool's own fields", async (t) => {
  const pairs: Pair[] = [
    ['content-type', 'application/json'],
    ['X-Odd', ''],
  ];
  const of = (status: number) =>
    otherDecode(written(fieldsBlockBound(pairs), (out, at) => writeFields(out, at, status, pairs)));
  t.same(of(503), [[':status', '503'], ['content-type', 'application/json'], ['x-odd', '']]); // biome-ignore format: short
  t.same(of(0), [['content-type', 'application/json'], ['x-odd', '']]); // biome-ignore format: short
});

const changes: fc.Arbitrary<RequestBlockOptions> = fc.record({
  authority: fc.constantFrom(null, null, Buffer.from('z:1'), Buffer.from('z'.repeat(200))),
  pathPrefix: fc.constantFrom(Buffer.alloc(0), Buffer.from('/v1'), Buffer.from(`/${'p'.repeat(200)}`)),
  extraLines: fc.constantFrom(null, Buffer.from('via: 1.1 c\r\n'), Buffer.from('a:\r\n'.repeat(100))),
});

/** What a request that was written says, in HTTP/1.1 and in HTTP/2. */
function says(head: Head, options: RequestBlockOptions): string[] {
  const out = Buffer.alloc(head.end - head.start + HEAD_ROOM + 4000);
  const end = writeRequestHead(head, { ...options, upgrade: false, close: false }, out, 0);
  const again = scan('request', out.toString('latin1', 0, end));
  if (again.result !== 'done') throw new Error(JSON.stringify(again));
  const { facts } = again;
  const { authority, method } = facts;
  const fields = facts.fields
    .filter(({ name, dropped }) => !dropped && name.toLowerCase() !== 'host')
    .map(({ name, value }) => `${name.toLowerCase()}: ${value}`);
  if (facts.trailersAccepted) fields.push('te: trailers');
  return [`:method: ${method}`, `:authority: ${authority}`, `:path: ${facts.path}`, ...fields].sort();
}

/** Cookies as one: HTTP/1.1 has them so. */
function oneCookie(pairs: readonly Pair[]): Pair[] {
  const cookies = pairs.filter(([name]) => name === 'cookie');
  const others = pairs.filter(([name]) => name !== 'cookie');
  return cookies.length === 0 ? others : [...others, ['cookie', cookies.map(([, value]) => value).join('; ')]];
}

const compare = (head: Head, options: RequestBlockOptions): void => {
  const pairs = oneCookie(otherDecode(writeRequest(head, options)));
  const block = pairs
    .map(([name, value]) => `${name}: ${value}`)
    // TE may have come twice; it says the same once.
    .filter(
      (line, index, all) => !line.startsWith(':scheme') && (line !== 'te: trailers' || all.indexOf(line) === index),
    );
  const text = says(head, options);
  if (JSON.stringify(block.sort()) !== JSON.stringify(text)) throw new Error(`${block} is not ${text}`);
};

t.test('a request says the same whether it goes out by HTTP/1.1 or by HTTP/2', async (t) => {
  let done = 0;
  fc.assert(
    fc.property(requestText, changes, (text, options) => {
      const bytes = Buffer.from(text, 'latin1');
      const scanner = makeScanner();
      if (scanner.scanRequest(bytes, 0, bytes.length) !== 1 || scanner.head.form === 2) return;
      // HTTP/2 has the authority of a request, and HTTP/1.0 may have none.
      if (scanner.head.authorityEnd === scanner.head.authorityStart) return;
      done++;
      compare(scanner.head, options);
    }),
    { numRuns: 1500 * TIMES },
  );
  fc.assert(
    fc.property(lists.request, changes, fc.boolean(), (pairs, options, endStream) => {
      const reader = makeReader();
      const bytes = block(pairs);
      if (reader.readRequest(bytes, 0, bytes.length, endStream) !== 0 || reader.head.form === 2) return;
      if (reader.head.chunked && reader.head.contentLength >= 0) return;
      done++;
      compare(reader.head, options);
    }),
    { numRuns: 1500 * TIMES },
  );
  t.ok(done > 1000 * TIMES, `${done} requests`);
});

t.test('responses and trailers that are written are read as what they were', async (t) => {
  let done = 0;
  fc.assert(
    fc.property(responseText, trailersText, (text, end) => {
      const scanner = makeScanner();
      const bytes = Buffer.from(text, 'latin1');
      const reader = makeReader();
      if (scanner.scanResponse(bytes, 0, bytes.length) === 1 && scanner.head.status !== 101) {
        const head = writeResponse(scanner.head);
        if (reader.readResponse(head, 0, head.length, false) !== 0) throw new Error(`${reader.fault.rule}: ${text}`);
        const kept = (from: Head): string =>
          Array.from({ length: from.fieldCount }, (_, index) => index)
            .filter((index) => from.dropped[index] !== 1)
            .map((index) => `${from.nameText(index).toLowerCase()}: ${from.valueText(index)}`)
            .join('\n');
        if (kept(scanner.head) !== kept(reader.head)) throw new Error(text);
        if (scanner.head.status !== reader.head.status) throw new Error(text);
        done++;
      }
      const last = Buffer.from(end, 'latin1');
      if (scanner.scanTrailers(last, 0, last.length) !== 1) return;
      const trailers = writeTrailers(scanner.head);
      if (reader.readTrailers(trailers, 0, trailers.length) !== 0) throw new Error(`${reader.fault.rule}: ${end}`);
    }),
    { numRuns: 1000 * TIMES },
  );
  t.ok(done > 300 * TIMES, `${done} responses`);
});
