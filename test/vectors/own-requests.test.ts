import t from 'tap';
import { type RequestCase, RequestLanes } from './request-lanes.ts';

/** Inputs of our own, of the kinds that the public suites have not: judged in the same way, whole and split at every byte. */

const AFTER = 'GET /after HTTP/1.1\r\nHost: $HOST\r\n\r\n';
const head = (line: string, ...fields: string[]): string => `${[line, 'Host: $HOST', ...fields].join('\r\n')}\r\n\r\n`;
const chunked = (body: string): string => head('POST / HTTP/1.1', 'Transfer-Encoding: chunked') + body;
const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n';
const CHUNKED_HELLO = '5\r\nhello\r\n0\r\n\r\n';

/** What must come to the origin to its last message. */
const FORWARDED: Readonly<Record<string, string>> = {
  'zeros before a length': `${head('POST / HTTP/1.1', 'Content-Length: 05')}hello${AFTER}`,
  'a length of many zeros': `${head('POST / HTTP/1.1', 'Content-Length: 0000000000000005')}hello${AFTER}`,
  'white space around a length': `${head('POST / HTTP/1.1', 'Content-Length:\t 5 \t')}hello${AFTER}`,
  'a body that looks like a request':
    head('POST / HTTP/1.1', `Content-Length: ${HIDDEN.replace('$HOST', 'x').length}`) + HIDDEN + AFTER,
  'a chunk that looks like the end': chunked(`7\r\n0\r\n\r\nGE\r\n0\r\n\r\n`) + AFTER,
  'chunks of one byte': chunked('1\r\na\r\n1\r\nb\r\n1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n') + AFTER,
  'a size with zeros before it': chunked('0000000000000005\r\nhello\r\n00\r\n\r\n') + AFTER,
  'a size of upper and lower case digits':
    chunked(`1a\r\n${'x'.repeat(26)}\r\n1A\r\n${'y'.repeat(26)}\r\n0\r\n\r\n`) + AFTER,
  'extensions in quotes with what would end a line elsewhere':
    chunked('5;a="0;\\"\\\\";b\r\nhello\r\n0;c="x"\r\n\r\n') + AFTER,
  'white space inside extensions': chunked('5;\ta = "b" ; c\r\nhello\r\n0\r\n\r\n') + AFTER,
  'trailers, of which some must not pass':
    chunked(
      '0\r\nX-Sum: 1\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nHost: a b\r\nTE: x\r\ngrpc-status: 0\r\n\r\n',
    ) + AFTER,
  'names with underscores': `${head('POST / HTTP/1.1', 'Content-Length: 5', 'Content_Length: 99', 'Transfer_Encoding: chunked')}hello${AFTER}`,
  'names that JavaScript knows': head(
    'GET / HTTP/1.1',
    '__proto__: a',
    'constructor: b',
    'hasOwnProperty: c',
    '__proto__: d',
  ),
  'bytes above ASCII in a value': head('GET / HTTP/1.1', 'X: \x80\xa0\xff', 'Y: \xe4\xb8\xad'),
  'GET with a body': `${head('GET / HTTP/1.1', 'Content-Length: 5')}hello${AFTER}`,
  'GET with chunks': head('GET / HTTP/1.1', 'Transfer-Encoding: chunked') + CHUNKED_HELLO + AFTER,
  'HEAD with a body': `${head('HEAD / HTTP/1.1', 'Content-Length: 5')}hello${AFTER}`,
  'DELETE with chunks': head('DELETE / HTTP/1.1', 'Transfer-Encoding: chunked') + CHUNKED_HELLO + AFTER,
  'POST without a length': head('POST / HTTP/1.1') + AFTER,
  'Expect with its body behind it': `${head('POST / HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 5')}hello${AFTER}`,
  'Expect without a body': head('GET / HTTP/1.1', 'Expect: 100-Continue') + AFTER,
  'Expect on HTTP/1.0': `POST / HTTP/1.0\r\nHost: $HOST\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
  'HTTP/1.0 that stays open': `GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${AFTER}`,
  'HTTP/1.0 without Host': 'GET /1.0 HTTP/1.0\r\n\r\n',
  'HTTP/1.0 with something behind it, which is nobody’s': `GET / HTTP/1.0\r\n\r\n${AFTER}`,
  'close with something behind it': head('GET / HTTP/1.1', 'Connection: close') + AFTER,
  'an empty line before each request': `\r\n${AFTER}\r\n${AFTER}`,
  'ten requests in a row': Array.from(
    { length: 10 },
    (_, index) => head(`POST /${index} HTTP/1.1`, `Content-Length: ${index}`) + 'x'.repeat(index),
  ).join(''),
  'Connection that takes fields out': head(
    'GET / HTTP/1.1',
    'Connection: X-A, keep-alive,, X-b ',
    'X-A: 1',
    'x-B: 2',
    'X-AB: 3',
  ),
  'a path of two slashes and a URL inside': head('GET //b/http://c/?d=//e HTTP/1.1') + AFTER,
  'TE with trailers': head('GET / HTTP/1.1', 'TE: gzip;q=0.5, trailers', 'Connection: TE') + AFTER,
  'an Upgrade that nobody speaks':
    head('GET / HTTP/1.1', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: x') + AFTER,
  'an Upgrade with a body': `${head('POST / HTTP/1.1', 'Connection: upgrade', 'Upgrade: websocket', 'Content-Length: 5')}hello${AFTER}`,
};

/** What must be refused: the origin gets nothing but the messages before it, the client an error. */
const REFUSED: Readonly<Record<string, string>> = {
  'a signed length': `${head('POST / HTTP/1.1', 'Content-Length: +5')}hello${AFTER}`,
  'a hex length': `${head('POST / HTTP/1.1', 'Content-Length: 0x5')}hello${AFTER}`,
  'a list of lengths with tabs': `${head('POST / HTTP/1.1', 'Content-Length: 5\t,\t5')}hello${AFTER}`,
  'the same length twice': `${head('POST / HTTP/1.1', 'Content-Length: 5', 'content-length: 5')}hello${AFTER}`,
  'a length over 2^53': `${head('POST / HTTP/1.1', 'Content-Length: 9007199254740993')}hello`,
  'a length over 2^64': `${head('POST / HTTP/1.1', 'Content-Length: 18446744073709551621')}hello`,
  'a length behind a NUL': `${head('POST / HTTP/1.1', 'Content-Length: \x005')}hello${AFTER}`,
  'a length before a vertical tab': `${head('POST / HTTP/1.1', 'Content-Length: 5\x0b')}hello${AFTER}`,
  'chunked before a vertical tab': head('POST / HTTP/1.1', 'Transfer-Encoding: chunked\x0b') + CHUNKED_HELLO + AFTER,
  'chunked before a form feed': head('POST / HTTP/1.1', 'Transfer-Encoding: chunked\x0c') + CHUNKED_HELLO + AFTER,
  'chunked as a folded line': head('POST / HTTP/1.1', 'Transfer-Encoding:', '\tchunked') + CHUNKED_HELLO + AFTER,
  'a Transfer-Encoding that a CR begins':
    head('POST / HTTP/1.1', 'X: y\rTransfer-Encoding: chunked') + CHUNKED_HELLO + AFTER,
  'chunked on HTTP/1.0': `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n${CHUNKED_HELLO}${AFTER}`,
  'Connection that names Content-Length': `${head('POST / HTTP/1.1', 'Connection: Content-Length', 'Content-Length: 5')}hello${AFTER}`,
  'Connection that names Transfer-Encoding':
    head('POST / HTTP/1.1', 'Connection: close, transfer-encoding', 'Transfer-Encoding: chunked') + CHUNKED_HELLO,
  'Connection that names Host': head('GET / HTTP/1.1', 'Connection: host') + AFTER,
  'two Hosts': head('GET / HTTP/1.1', 'host: $HOST') + AFTER,
  'no Host behind a good request': `${AFTER}GET / HTTP/1.1\r\n\r\n${AFTER}`,
  'a Host with user information': `GET / HTTP/1.1\r\nHost: u:p@$HOST\r\n\r\n${AFTER}`,
  'a Host with a zone': `GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]:80\r\n\r\n${AFTER}`,
  'a Host with a path': `GET / HTTP/1.1\r\nHost: $HOST/x\r\n\r\n${AFTER}`,
  'a NUL in the path': head('GET /a\0b HTTP/1.1') + AFTER,
  'a bare CR in the path': head('GET /a\rb HTTP/1.1') + AFTER,
  'a bare CR behind the version': `GET / HTTP/1.1\rHost: $HOST\r\n\r\n${AFTER}`,
  'a bare CR in a name': head('GET / HTTP/1.1', 'X\rY: z') + AFTER,
  'a bare CR before the blank line': `GET / HTTP/1.1\r\nHost: $HOST\r\n\r\r\n${AFTER}`,
  'a bare LF before the blank line': `GET / HTTP/1.1\r\nHost: $HOST\r\n\n${AFTER}`,
  'two empty lines before a request': `\r\n\r\n${AFTER}`,
  'a bare LF before a request': `\n${AFTER}`,
  'a method of a colon': `Host: $HOST\r\n\r\n${AFTER}`,
  'a long chunk size': chunked(`${'0'.repeat(16)}5\r\nhello\r\n0\r\n\r\n`) + AFTER,
  'a chunk size over 2^53': chunked('20000000000005\r\nhello\r\n0\r\n\r\n') + AFTER,
  'a chunk size over 2^64': chunked('10000000000000005\r\nhello\r\n0\r\n\r\n') + AFTER,
  'a signed chunk size': chunked('+5\r\nhello\r\n0\r\n\r\n') + AFTER,
  'a prefixed chunk size': chunked('0x5\r\nhello\r\n0\r\n\r\n') + AFTER,
  'a chunk size with a separator': chunked('0_5\r\nhello\r\n0\r\n\r\n') + AFTER,
  'a chunk size with a space behind': chunked('5 \r\nhello\r\n0\r\n\r\n') + AFTER,
  'a chunk line that a LF ends': chunked('5\nhello\r\n0\r\n\r\n') + AFTER,
  'a chunk line that a CR ends': chunked('5\rhello\r\n0\r\n\r\n') + AFTER,
  'chunk data that a LF ends': chunked('5\r\nhello\n0\r\n\r\n') + AFTER,
  'a last chunk that a LF ends': chunked('5\r\nhello\r\n0\n\r\n') + AFTER,
  'an end of line inside quotes of an extension': chunked(
    `5;a="\r\nhello\r\n0\r\n\r\n${HIDDEN}"\r\nhello\r\n0\r\n\r\n`,
  ),
  'a LF inside an extension': chunked('5;a\n\r\nhello\r\n0\r\n\r\n') + AFTER,
  'a NUL inside an extension': chunked('5;a\0\r\nhello\r\n0\r\n\r\n') + AFTER,
  'an extension without a name': chunked('5;\r\nhello\r\n0;\r\n\r\n') + AFTER,
  'a bare LF before the blank line of trailers': chunked('5\r\nhello\r\n0\r\n\n\r\n') + AFTER,
  'a bare LF that ends the trailers': chunked('5\r\nhello\r\n0\r\nX: y\n\r\n') + AFTER,
  'a folded trailer': chunked('5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n') + AFTER,
  'a bare CR in a trailer': chunked('5\r\nhello\r\n0\r\nX: a\rb\r\n\r\n') + AFTER,
  'a trailer that is a request': chunked(`5\r\nhello\r\n0\r\n${AFTER}`),
  'a trailer without a colon': chunked('5\r\nhello\r\n0\r\nX\r\n\r\n') + AFTER,
  'a broken request behind a good one': `${AFTER}GET  / HTTP/1.1\r\nHost: $HOST\r\n\r\n${AFTER}`,
  'a body behind a refused head': `POST / HTTP/1.1\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  'a body behind an unknown expectation':
    head('POST / HTTP/1.1', 'Expect: 200-ok', `Content-Length: ${HIDDEN.length}`) + HIDDEN,
  'a target without a scheme’s slashes': head('GET http:/x HTTP/1.1') + AFTER,
  'a target of another scheme': head('GET ftp://$HOST/ HTTP/1.1') + AFTER,
  'a fragment': head('GET /a#b HTTP/1.1') + AFTER,
  'more than 200 fields': head('GET / HTTP/1.1', ...Array.from({ length: 200 }, (_, index) => `A${index}: b`)) + AFTER,
};

/** The same at the main port, where the target says where to. */
const PROXY_FORWARDED: Readonly<Record<string, string>> = {
  'a scheme in capitals': head('GET HTTP://$HOST/x HTTP/1.1') + head('GET hTTp://$HOST/y HTTP/1.1'),
  'a Host that says otherwise': `GET http://$HOST/ HTTP/1.1\r\nHost: other:81\r\n\r\n`,
  'no path':
    head('GET http://$HOST HTTP/1.1') + head('GET http://$HOST?a=b HTTP/1.1') + head('OPTIONS http://$HOST HTTP/1.1'),
  'HTTP/1.0 without Host': 'GET http://$HOST/ HTTP/1.0\r\n\r\n',
  'a body that names another host':
    head('POST http://$HOST/ HTTP/1.1', 'Content-Length: 23') +
    'GET http://b/ HTTP/1.1\n' +
    head('GET http://$HOST/ HTTP/1.1'),
};

const PROXY_REFUSED: Readonly<Record<string, string>> = {
  'user information': head('GET http://u:p@$HOST/ HTTP/1.1') + AFTER,
  'a port of 0': head('GET http://127.0.0.1:0/ HTTP/1.1') + AFTER,
  'a port of 65536': head('GET http://127.0.0.1:65536/ HTTP/1.1') + AFTER,
  'a port that is none': head('GET http://127.0.0.1:+80/ HTTP/1.1') + AFTER,
  'an IPv6 zone': head('GET http://[::1%25lo]/ HTTP/1.1') + AFTER,
  'a backslash in the host': head('GET http://a\\@$HOST/ HTTP/1.1') + AFTER,
  'no host': head('GET http:///x HTTP/1.1') + AFTER,
  'a Host that cannot be read': `GET http://$HOST/ HTTP/1.1\r\nHost: a b\r\n\r\n${AFTER}`,
  'a body behind origin form': head('POST / HTTP/1.1', `Content-Length: ${HIDDEN.length}`) + HIDDEN,
  'chunks behind origin form': head('POST / HTTP/1.1', 'Transfer-Encoding: chunked') + CHUNKED_HELLO + AFTER,
  'CONNECT without a port': `CONNECT 127.0.0.1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${AFTER}`,
  'CONNECT with a URL': head('CONNECT http://$HOST/ HTTP/1.1') + AFTER,
  'CONNECT to a port that is not allowed, with a request behind it': `CONNECT 127.0.0.1:25 HTTP/1.1\r\nHost: 127.0.0.1:25\r\n\r\n${AFTER}`,
};

const cases = (inputs: Readonly<Record<string, string>>, way: RequestCase['way']): RequestCase[] =>
  Object.entries(inputs).map(([name, bytes]) => ({
    name,
    bytes,
    way,
    splits: bytes.length > 2000 ? [40, 1000, bytes.length - 40] : null,
  }));

// Very many connections: on a busy machine they take their time.
t.setTimeout(240_000);

t.test('our own requests: each is refused or read by the origin as a strict reader reads it', async (t) => {
  t.setTimeout(120_000);
  const lanes = await RequestLanes.start(t);
  const forwarded = [...cases(FORWARDED, 'local'), ...cases(PROXY_FORWARDED, 'proxy')];
  const refused = [...cases(REFUSED, 'local'), ...cases(PROXY_REFUSED, 'proxy')];
  await lanes.run([...forwarded, ...refused]);
  t.same(lanes.failures, []);
  for (const each of lanes.outcomes) {
    const { name } = each.case;
    if (forwarded.includes(each.case))
      t.ok(each.forwarded && each.messages > 0 && each.refusal === null, `forwarded: ${name}`);
    else if (refused.includes(each.case)) t.ok(each.refusal !== null, `refused: ${name}`);
  }
  await lanes.reconcile(t);
});
