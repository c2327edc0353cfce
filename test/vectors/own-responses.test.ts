import t from 'tap';
import { type ResponseCase, ResponseLanes, type ResponseOutcome } from './response-lanes.ts';

/** Responses of our own, of the kinds that the public suites have not: judged in the same way, whole and split at every byte. */

const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
const head = (line: string, ...fields: string[]): string => `${[line, ...fields].join('\r\n')}\r\n\r\n`;
const chunked = (body: string): string => head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') + body;
const interim = (status: number): string => head(`HTTP/1.1 ${status} Wait`, 'X-Interim: a');
const HELLO = `${head('HTTP/1.1 200 OK', 'Content-Length: 5')}hello`;

/** What the client must get as it is; what stands behind it is thrown away with the connection. */
const RELAYED: Readonly<Record<string, string>> = {
  'zeros before a length': `${head('HTTP/1.1 200 OK', 'Content-Length: 005')}hello`,
  'another response behind the first': HELLO + EVIL,
  'another response behind an empty one': head('HTTP/1.1 200 OK', 'Content-Length: 0') + EVIL,
  'another response behind chunks': chunked('5\r\nhello\r\n0\r\n\r\n') + EVIL,
  'an empty line behind a response': `${HELLO}\r\n`,
  'one byte too many': `${HELLO}!`,
  '204 with a length and bytes': `${head('HTTP/1.1 204 No Content', 'Content-Length: 5')}hello`,
  '204 with a coding and chunks': `${head('HTTP/1.1 204 No Content', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  '304 with a length': head('HTTP/1.1 304 Not Modified', 'Content-Length: 5', 'ETag: "a"'),
  '304 with a length and bytes': `${head('HTTP/1.1 304 Not Modified', 'Content-Length: 5')}hello`,
  '304 with a coding': head('HTTP/1.1 304 Not Modified', 'Transfer-Encoding: chunked'),
  'the end of the connection as the end': `${head('HTTP/1.1 200 OK', 'X: y')}as long as it lasts`,
  'the same from HTTP/1.0': `${head('HTTP/1.0 200 OK')}as long as it lasts`,
  'HTTP/1.0 with a length that stays open': `${head('HTTP/1.0 200 OK', 'Connection: keep-alive', 'Content-Length: 5')}hello`,
  'HTTP/1.0 with a length that closes': `${head('HTTP/1.0 200 OK', 'Content-Length: 5')}hello`,
  'close with a length': `${head('HTTP/1.1 200 OK', 'Connection: close', 'Content-Length: 5')}hello`,
  'close with a length and more behind': `${head('HTTP/1.1 200 OK', 'Connection: close', 'Content-Length: 5')}hello${EVIL}`,
  'interim responses first': interim(100) + interim(103) + interim(199) + HELLO,
  'as many interim responses as may come': interim(102).repeat(32) + HELLO,
  'an interim response with a length': head('HTTP/1.1 103 Early', 'Content-Length: 5') + HELLO,
  'no reason': `${head('HTTP/1.1 200', 'Content-Length: 5')}hello`,
  'extensions and trailers': chunked('5;a="b;c";d\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n'),
  'fields of requests': `${head('HTTP/1.1 200 OK', 'Host: a b', 'Host: c', 'Expect: x', 'Max-Forwards: y', 'Content-Length: 5')}hello`,
  'fields of this hop': `${head(
    'HTTP/1.1 200 OK',
    'Connection: X-Hop',
    'X-Hop: 1',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: close',
    'Upgrade: h2c',
    'X: 2',
    'Content-Length: 5',
  )}hello`,
  'a body of heads': head('HTTP/1.1 200 OK', `Content-Length: ${EVIL.length}`) + EVIL,
  'names that JavaScript knows': head(
    'HTTP/1.1 200 OK',
    '__proto__: a',
    'constructor: b',
    'Set-Cookie: c',
    'Set-Cookie: d',
    'Content-Length: 0',
  ),
  'a status that nobody knows': `${head('HTTP/1.1 599 Odd', 'Content-Length: 5')}hello`,
  '205 with a body': `${head('HTTP/1.1 205 Reset', 'Content-Length: 5')}hello`,
};

/** What must become a 502, or a cut where the head has gone. */
const BROKEN: Readonly<Record<string, string>> = {
  'a length and a coding': `${head('HTTP/1.1 200 OK', 'Content-Length: 5', 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`,
  'a coding and a length': `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Content-Length: 5')}hello`,
  'two lengths that agree': `${head('HTTP/1.1 200 OK', 'Content-Length: 5', 'Content-Length: 5')}hello`,
  'a list of lengths': `${head('HTTP/1.1 200 OK', 'Content-Length: 5,5')}hello`,
  'a signed length': `${head('HTTP/1.1 200 OK', 'Content-Length: +5')}hello`,
  'a negative length': `${head('HTTP/1.1 200 OK', 'Content-Length: -5')}hello`,
  'a length over 2^53': `${head('HTTP/1.1 200 OK', 'Content-Length: 9007199254740992')}hello`,
  'a length longer than the body': `${head('HTTP/1.1 200 OK', 'Content-Length: 50')}hello`,
  'chunks that do not end': chunked('5\r\nhello\r\n'),
  'chunks without the blank line': chunked('5\r\nhello\r\n0\r\n'),
  'a chunk that is cut': chunked('50\r\nhello'),
  'a chunk size that is none': chunked('5\r\nhello\r\nx\r\n\r\n'),
  'a chunk size with a space': chunked('5 \r\nhello\r\n0\r\n\r\n'),
  'chunk data longer than its size': chunked('4\r\nhello\r\n0\r\n\r\n'),
  'an extension without an end of its quotes': chunked('5;a="b\r\nhello\r\n0\r\n\r\n'),
  'a bare LF before the blank line of trailers': chunked('5\r\nhello\r\n0\r\n\n\r\n'),
  'a folded trailer': chunked('5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n'),
  'a coding that is not chunked': `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: gzip, chunked')}5\r\nhello\r\n0\r\n\r\n`,
  'a coding that is none': `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: identity')}hello`,
  'a tab before chunked': `${head('HTTP/1.1 200 OK', 'Transfer-Encoding:\tchunked')}5\r\nhello\r\n0\r\n\r\n`,
  'chunks from HTTP/1.0': `${head('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`,
  'a folded field': `${head('HTTP/1.1 200 OK', 'X: y', ' z', 'Content-Length: 5')}hello`,
  'a bare LF in the head': `HTTP/1.1 200 OK\r\nX: y\nContent-Length: 5\r\n\r\nhello`,
  'a bare CR in the head': `${head('HTTP/1.1 200 OK', 'X: y\rZ: a', 'Content-Length: 5')}hello`,
  'a NUL in a value': `${head('HTTP/1.1 200 OK', 'X: \0', 'Content-Length: 5')}hello`,
  'a space before a colon': `${head('HTTP/1.1 200 OK', 'Content-Length : 5')}hello`,
  'a status of 99': `${head('HTTP/1.1 099 Low', 'Content-Length: 5')}hello`,
  'a status of 600': `${head('HTTP/1.1 600 High', 'Content-Length: 5')}hello`,
  'a status of four digits': `${head('HTTP/1.1 2000 OK', 'Content-Length: 5')}hello`,
  'HTTP/2 in letters': `${head('HTTP/2 200', 'Content-Length: 5')}hello`,
  '101 that nobody asked for': head('HTTP/1.1 101 Switch', 'Connection: upgrade', 'Upgrade: websocket') + EVIL,
  'one interim response too many': interim(102).repeat(33) + HELLO,
  'interim responses and no final one': interim(100) + interim(103),
  'a head that does not end': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n',
  'Connection that names the length': `${head('HTTP/1.1 200 OK', 'Connection: content-length', 'Content-Length: 5')}hello`,
  'more than 200 fields': `${head('HTTP/1.1 200 OK', ...Array.from({ length: 201 }, () => 'A: b'), 'Content-Length: 5')}hello`,
  noise: '\0\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64',
  nothing: '\r\n',
};

const splits = (bytes: string): number[] | null =>
  bytes.length > 800 ? [12, 13, bytes.length - 6, bytes.length - 1] : null;

// Very many connections: on a busy machine they take their time.
t.setTimeout(240_000);

t.test('our own responses: each comes as a strict reader reads it, or as a 502 or a cut', async (t) => {
  t.setTimeout(120_000);
  const lanes = await ResponseLanes.start(t);
  const all = (inputs: Readonly<Record<string, string>>, asks: readonly ResponseCase['ask'][]): ResponseCase[] =>
    Object.entries(inputs).flatMap(([name, bytes]) =>
      asks.map((ask) => ({ name, bytes, ask, splits: ask === 'GET' ? splits(bytes) : [] })),
    );
  const relayed = all(RELAYED, ['GET', 'HEAD', 'GET 1.0']);
  const broken = all(BROKEN, ['GET', 'GET 1.0']);
  await lanes.run([...relayed, ...broken]);
  t.same(lanes.failures, []);
  const name = (outcome: ResponseOutcome): string => `${outcome.case.name}, to ${outcome.case.ask}: ${outcome.got}`;
  for (const outcome of lanes.outcomes) {
    if (relayed.includes(outcome.case)) t.equal(outcome.got, 'same', name(outcome));
    else t.not(outcome.got, 'same', name(outcome));
  }
  lanes.reconcile(t);
});

t.test('a HEAD is answered without a body, whatever the response declares', async (t) => {
  const lanes = await ResponseLanes.start(t);
  const heads = ['Content-Length: 5', 'Transfer-Encoding: chunked', 'X: y', 'Connection: close'].map((field) =>
    head('HTTP/1.1 200 OK', field),
  );
  const bodies = [HELLO, chunked('5\r\nhello\r\n0\r\n\r\n')];
  await lanes.run([...heads, ...bodies].map((bytes) => ({ name: bytes, bytes, ask: 'HEAD' as const, splits: null })));
  t.same(lanes.failures, []);
  for (const { got, case: each } of lanes.outcomes) t.equal(got, 'same', JSON.stringify(each.name));
  lanes.reconcile(t);
});
