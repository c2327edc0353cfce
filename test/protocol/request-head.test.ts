import t, { type Test } from 'tap';
import { Head } from '../../src/protocol/head.ts';
import { HeadScanner, SCAN_FAULT } from '../../src/protocol/http1/head-scanner.ts';
import { facts, LIMITS, ruleOf, scan } from './scanning.ts';

const request = (...lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
const withField = (...lines: string[]): string => request('POST / HTTP/1.1', 'Host: a', ...lines);

/** Each input with the rule that its fault must name. */
function refuses(t: Test, rule: string, inputs: readonly string[]): void {
  for (const input of inputs) t.equal(ruleOf('request', input), rule, JSON.stringify(input));
}

const BAD_LENGTH = 'BAD_REQUEST: Content-Length must be digits and nothing else';
const CODING = 'TRANSFER_CODING: the only transfer coding understood is chunked, once and alone';

t.test('rule 1: Content-Length with Transfer-Encoding is refused, in either order and on either version', async (t) => {
  refuses(t, 'BAD_REQUEST: Content-Length and Transfer-Encoding may not stand together', [
    withField('Content-Length: 5', 'Transfer-Encoding: chunked'),
    withField('Transfer-Encoding: chunked', 'Content-Length: 5'),
    withField('transfer-encoding: CHUNKED', 'X: y', 'CONTENT-LENGTH: 0'),
    request('POST / HTTP/1.0', 'Content-Length: 5', 'Transfer-Encoding: chunked'),
  ]);
});

t.test('rule 1: several Content-Length fields are refused, though they agree', async (t) => {
  refuses(t, 'BAD_REQUEST: there must be one Content-Length field', [
    withField('Content-Length: 1', 'Content-Length: 1'),
    withField('Content-Length: 0', 'content-length: 1'),
    request('POST / HTTP/1.0', 'Content-Length: 5', 'X: y', 'Content-Length: 5'),
  ]);
});

t.test('rule 1: a Content-Length of anything but digits is refused', async (t) => {
  const values = [
    '1, 1',
    '1,1',
    '+5',
    '-5',
    '-0',
    '5 5',
    '5\t5',
    '0x5',
    '0o5',
    '5a',
    '1_0',
    '5.0',
    '1e1',
    '5;',
    '"5"',
    ',5',
    '\xa05',
    '5\xa0',
  ];
  refuses(
    t,
    BAD_LENGTH,
    values.map((value) => withField(`Content-Length: ${value}`)),
  );
});

t.test('rule 1: an empty Content-Length, and one over 2^53, are refused', async (t) => {
  refuses(t, 'BAD_REQUEST: Content-Length must be a decimal number below 2^53', [
    withField('Content-Length:'),
    withField('Content-Length: \t '),
    withField('Content-Length: 18446744073709551621'),
    withField('Content-Length: 99999999999999999999999999'),
    withField('Content-Length: 00000000000000005'),
  ]);
  refuses(t, 'BAD_REQUEST: Content-Length must be below 2^53', [
    withField('Content-Length: 9007199254740992'),
    withField('Content-Length: 9999999999999999'),
  ]);
});

t.test('rule 1: digits are a Content-Length, with white space around or zeros before', async (t) => {
  const values: readonly [string, number][] = [
    ['0', 0],
    ['5', 5],
    ['05', 5],
    ['00', 0],
    ['\t42\t ', 42],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['0000000000000010', 10],
  ];
  for (const [value, length] of values)
    t.equal(facts('request', withField(`Content-Length: ${value}`)).contentLength, length, value);
  t.equal(
    facts('request', withField('Content_Length: 5', 'Content-Lengt: 5', 'X-Content-Length: 5')).contentLength,
    -1,
  );
});

t.test('rule 2: a transfer coding other than chunked is refused', async (t) => {
  const values = [
    '',
    'identity',
    'gzip',
    'xchunked',
    'chunkedchunked',
    'chunked,',
    ', chunked',
    ',chunked',
    'chunked, chunked',
    'chunked, gzip',
  ];
  values.push(
    'gzip, chunked',
    '"chunked"',
    'chunked;q=1',
    'chun ked',
    'chunke',
    '\xa0chunked',
    'chunked\x85',
    'chunked ;',
    'chunKed\xff',
    'identity, chunked',
  );
  refuses(
    t,
    CODING,
    values.map((value) => withField(`Transfer-Encoding: ${value}`)),
  );
  refuses(
    t,
    CODING,
    values.map((value) => withField(`transfer-encoding:${value}`, 'Content-Length: 3')),
  );
});

t.test('rule 2: a tab beside chunked is refused', async (t) => {
  refuses(t, CODING, [
    withField('Transfer-Encoding:\tchunked'),
    withField('Transfer-Encoding: \tchunked'),
    withField('Transfer-Encoding: chunked\t'),
    withField('Transfer-Encoding: chunked \t '),
  ]);
});

t.test('rule 2: chunked twice is refused, and chunked on HTTP/1.0', async (t) => {
  refuses(t, 'BAD_REQUEST: there must be one Transfer-Encoding field', [
    withField('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    withField('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
    withField('Transfer-Encoding: chunked', 'Transfer-Encoding:'),
  ]);
  refuses(t, CODING, [withField('Transfer-Encoding: identity', 'Transfer-Encoding: chunked')]);
  refuses(t, 'BAD_REQUEST: Transfer-Encoding does not exist in HTTP/1.0', [
    request('POST / HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked'),
  ]);
});

t.test('rule 2: chunked alone is understood in any case of letters', async (t) => {
  for (const line of ['Transfer-Encoding: chunked', 'TRANSFER-ENCODING:CHUNKED', 'transfer-encoding:  Chunked  ']) {
    t.equal(facts('request', withField(line)).chunked, true, line);
  }
  t.equal(
    facts('request', withField('Transfer_Encoding: chunked', 'X-Transfer-Encoding: chunked')).chunked,
    false,
    'other names are other fields',
  );
});

t.test('rule 4: a line must end with CRLF', async (t) => {
  const lf = 'BAD_REQUEST: a line must end with CRLF, not with a bare LF';
  const cr = 'BAD_REQUEST: a bare CR may not stand in a head';
  const line = 'BAD_REQUEST: the request line must end with CRLF after the version';
  refuses(t, lf, [
    'GET / HTTP/1.1\r\nHost: a\n\n',
    'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\n\n',
    'GET / HTTP/1.1\r\nHost: a\r\nX\nY: z\r\n\r\n',
  ]);
  refuses(t, cr, [
    'GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\n\r\r\n',
    'GET / HTTP/1.1\r\nX: \r\r\nHost: a\r\n\r\n',
  ]);
  refuses(t, line, [
    'GET / HTTP/1.1\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\rHost: a\r\n\r\n',
    'GET / HTTP/1.1 \r\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\r\r\n',
  ]);
});

t.test('rule 4: control bytes in a value are refused, HTAB and bytes from 0x80 on pass', async (t) => {
  for (let byte = 0; byte < 256; byte++) {
    const input = withField(`X: a${String.fromCharCode(byte)}b`);
    if (byte === 9 || (byte >= 32 && byte !== 127)) {
      t.equal(facts('request', input).fields[1]?.value, `a${String.fromCharCode(byte)}b`, `byte ${byte}`);
    } else if (byte !== 10 && byte !== 13)
      t.equal(ruleOf('request', input), 'BAD_REQUEST: a field value may not hold control bytes', `byte ${byte}`);
    else t.equal(scan('request', input).result, 'fault', `byte ${byte}`);
  }
});

t.test('rule 4: a name is a token: each byte in it', async (t) => {
  const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (let byte = 0; byte < 256; byte++) {
    const character = String.fromCharCode(byte);
    if (character === ':') continue;
    const rule = ruleOf('request', withField(`X${character}Y: z`));
    if (token.includes(character)) t.equal(rule, 'done', `byte ${byte}`);
    else if (byte === 9 || byte === 32)
      t.equal(rule, 'BAD_REQUEST: no white space may stand before the colon of a field');
    else if (byte === 10) t.equal(rule, 'BAD_REQUEST: a line must end with CRLF, not with a bare LF');
    else t.equal(rule, 'BAD_REQUEST: a field name must be a token', `byte ${byte}`);
  }
});

t.test(
  'rule 4: white space before the colon, folded lines, empty names and lines without a colon are refused',
  async (t) => {
    refuses(t, 'BAD_REQUEST: no white space may stand before the colon of a field', [
      withField('Content-Length : 5'),
      withField('Transfer-Encoding\t: chunked'),
      withField('X Y: z'),
    ]);
    refuses(t, 'BAD_REQUEST: a field line may not be folded', [
      withField('X: y', ' z'),
      withField('X: y', '\tz: a'),
      request('GET / HTTP/1.1', ' Host: a'),
      withField('X:', ' y'),
      withField(' '),
    ]);
    refuses(t, CODING, [withField('Transfer-Encoding:', ' chunked')]);
    refuses(t, 'BAD_REQUEST: a field must have a name', [
      withField(': y'),
      withField(':'),
      request('GET / HTTP/1.1', ':authority: a'),
    ]);
    refuses(t, 'BAD_REQUEST: a field name must be a token', [
      withField('Content-Length'),
      withField('X\xff: y'),
      withField('(X): y'),
    ]);
  },
);

t.test('rule 5: the method is a token and one space follows', async (t) => {
  refuses(t, 'BAD_REQUEST: the request line must begin with a method token and one space', [
    request(' GET / HTTP/1.1', 'Host: a'),
    request('G=":<>(e),[T];?" / HTTP/1.1', 'Host: a'),
    request('GET\t/ HTTP/1.1', 'Host: a'),
    request('\x00 / HTTP/1.1', 'Host: a'),
    request('G\xc3T / HTTP/1.1', 'Host: a'),
    '\r\n',
    '\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET\r\n\r\n',
  ]);
  for (const method of ['get', 'M-SEARCH', 'PURGE', 'X', "!#$%&'*+-.^_`|~09azAZ", 'GETT', 'GE', 'POSTS']) {
    const { method: read, methodId } = facts('request', request(`${method} / HTTP/1.1`, 'Host: a'));
    t.same([read, methodId], [method, 0], `${method} is a method of its own`);
  }
  const known = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'];
  for (const [index, method] of known.entries())
    t.equal(facts('request', request(`${method} / HTTP/1.1`, 'Host: a')).methodId, index + 1, method);
});

t.test('rule 5: exactly two spaces, and a version of 1.0 or 1.1', async (t) => {
  const version = 'BAD_REQUEST: the version must be HTTP/1.1 or HTTP/1.0';
  refuses(t, 'BAD_REQUEST: the request line must have exactly one space between method and target', [
    request('GET  / HTTP/1.1', 'Host: a'),
  ]);
  refuses(t, version, [
    request('GET /  HTTP/1.1', 'Host: a'),
    request('GET / a HTTP/1.1', 'Host: a'),
    request('GET / HTTP/1.2', 'Host: a'),
    request('GET / HTTP/2.0', 'Host: a'),
    request('GET / HTTP/0.9', 'Host: a'),
    request('GET / http/1.1', 'Host: a'),
    request('GET / HTTP/01.1', 'Host: a'),
    request('GET / HTTP/1,1', 'Host: a'),
    request('GET / HTTP/1', 'Host: a'),
    request('GET / ICE/1.1', 'Host: a'),
    request('GET / HTTP/ 1.1', 'Host: a'),
    'GET / HTTP/\r\r1.1\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.replace('PRI *', 'OPTIONS *'),
  ]);
  refuses(t, 'BAD_REQUEST: the request line must end with CRLF after the version', [
    request('GET / HTTP/1.10', 'Host: a'),
    request('GET / HTTP/1.1 x', 'Host: a'),
    request('GET / HTTP/1.1\t', 'Host: a'),
  ]);
  refuses(t, 'BAD_REQUEST: the request target has a byte that is not allowed there', [
    'GET /\r\n\r\n',
    'GET /\nHTTP/1.1\r\n\r\n',
  ]);
});

t.test('rule 5: a target holds visible ASCII without #', async (t) => {
  for (let byte = 0; byte < 256; byte++) {
    if (byte === 32) continue;
    const rule = ruleOf('request', request(`GET /a${String.fromCharCode(byte)}b HTTP/1.1`, 'Host: a'));
    const legal = byte > 32 && byte < 127 && byte !== 35;
    t.equal(
      rule,
      legal ? 'done' : 'BAD_REQUEST: the request target has a byte that is not allowed there',
      `byte ${byte}`,
    );
  }
});

t.test('rule 5: the forms of a target', async (t) => {
  const form = (line: string): unknown => {
    const { form, path, authority, secure } = facts('request', request(line, 'Host: a'));
    return [form, authority, path, secure];
  };
  t.same(form('GET / HTTP/1.1'), [0, 'a', '/', false]);
  t.same(form('GET //x?y=http://z HTTP/1.1'), [0, 'a', '//x?y=http://z', false]);
  t.same(form('GET http://b/p?q HTTP/1.1'), [1, 'b', '/p?q', false]);
  t.same(form('GET HTTP://b:81?q HTTP/1.1'), [1, 'b:81', '?q', false]);
  t.same(form('GET https://b HTTP/1.1'), [1, 'b', '', true]);
  t.same(form('CONNECT b:443 HTTP/1.1'), [2, 'b:443', '', false]);
  t.same(form('OPTIONS * HTTP/1.1'), [3, 'a', '*', false]);
  refuses(t, 'BAD_REQUEST: the target must be http://host/path, https://host/path, or a path', [
    request('GET x HTTP/1.1', 'Host: a'),
    request('GET http:/x HTTP/1.1', 'Host: a'),
    request('GET http:x HTTP/1.1', 'Host: a'),
    request('GET ftp://x/ HTTP/1.1', 'Host: a'),
    request('GET a:80 HTTP/1.1', 'Host: a'),
    request('GET *x HTTP/1.1', 'Host: a'),
    request('GET ?q HTTP/1.1', 'Host: a'),
    request('GET %2f HTTP/1.1', 'Host: a'),
  ]);
  refuses(t, 'BAD_REQUEST: the target * goes with OPTIONS alone', [request('GET * HTTP/1.1', 'Host: a')]);
  refuses(t, 'BAD_REQUEST: CONNECT needs host:port', [
    request('CONNECT b HTTP/1.1', 'Host: b'),
    request('CONNECT b: HTTP/1.1', 'Host: b'),
  ]);
});

t.test('rule 8: names of JavaScript objects, the same name twice and many fields are just fields', async (t) => {
  const lines = ['__proto__: 1', 'constructor: 2', 'toString: 3', 'X: 1', 'x: 2', 'X:', 'hasOwnProperty: z'];
  t.same(
    facts('request', withField(...lines)).fields.map(({ name, value }) => `${name}: ${value}`.trim()),
    ['Host: a', ...lines],
  );
  const many = Array.from({ length: 199 }, (_, index) => `X-${index}: y`);
  t.equal(facts('request', withField(...many)).fields.length, 200);
});

t.test('rule 8: too many fields, too large a head and too long a target are refused', async (t) => {
  const many = Array.from({ length: 1000 }, () => 'X: y');
  refuses(t, 'HEAD_TOO_LARGE: the head has over 200 fields', [withField(...many), withField(...many.slice(0, 200))]);
  const head = (bytes: number): string => withField(`X: ${'y'.repeat(bytes - withField('X: ').length)}`);
  t.equal(ruleOf('request', head(LIMITS.maxHeadBytes)), 'done', 'a head of just that many bytes');
  refuses(t, 'HEAD_TOO_LARGE: the head is over 65536 bytes', [
    head(LIMITS.maxHeadBytes + 1),
    head(LIMITS.maxHeadBytes + 4).slice(0, -4),
  ]);
  const target = (bytes: number): string => request(`GET /${'a'.repeat(bytes - 1)} HTTP/1.1`, 'Host: a');
  t.equal(ruleOf('request', target(LIMITS.maxTargetBytes)), 'done');
  refuses(t, 'URI_TOO_LONG: the request target is over 16384 bytes', [
    target(LIMITS.maxTargetBytes + 1),
    `GET /${'a'.repeat(20_000)}`,
  ]);
  refuses(t, 'HEAD_TOO_LARGE: the head is over 65536 bytes', ['A'.repeat(65_536)]);
});

t.test('rule 9: an expectation other than 100-continue is refused', async (t) => {
  refuses(t, 'EXPECTATION_FAILED: the only expectation that can be met is 100-continue', [
    withField('Expect: 200-ok'),
    withField('Expect:'),
    withField('Expect: 100-continue, x'),
    withField('Expect: 100-continue', 'Expect: 100-continue2'),
  ]);
  t.equal(facts('request', withField('expect: 100-Continue')).expectContinue, true);
});

t.test('a TLS handshake in place of a request is called by its name', async (t) => {
  const scanner = new HeadScanner(new Head(10), { maxHeadBytes: 1000, maxFields: 10, maxTargetBytes: 100 });
  const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]);
  t.equal(scanner.scanRequest(hello, 0, hello.length), SCAN_FAULT);
  t.match(scanner.fault.rule, /TLS handshake.*http:\/\/ in HTTPS_PROXY/);
});
