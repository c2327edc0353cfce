import t from 'tap';
import { facts, ruleOf } from './scanning.ts';

const response = (...lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
const refused = (input: string): string => ruleOf('response', input).replace(/^[A-Z_]+: /, '');

t.test('rule 14: a status line of another version is refused', async (t) => {
  for (const version of [
    'HTTP/1.2',
    'HTTP/2.0',
    'HTTP/0.9',
    'HTTP/01.1',
    'HTTP/11.1',
    'http/1.1',
    'ICE/1.1',
    'RTSP/1.1',
    'HTP/1.1',
    'HTTPER/1.1',
    ' HTTP/1.1',
    '\r\nHTTP/1.1',
    'HTTP /1.1',
  ]) {
    t.equal(
      refused(response(`${version} 200 OK`)),
      'the status line must begin with HTTP/1.1 or HTTP/1.0',
      JSON.stringify(version),
    );
  }
});

t.test('rule 14: a status outside 100 to 599, or of other than three digits, is refused', async (t) => {
  for (const status of [
    '099',
    '000',
    '600',
    '999',
    '2',
    '20',
    'abc',
    '+20',
    '-20',
    '2.0',
    '20x',
    ' 200',
    '\t200',
    '0x2',
    '',
  ]) {
    t.equal(
      refused(response(`HTTP/1.1 ${status} OK`)),
      'the status must be three digits from 100 to 599',
      JSON.stringify(status),
    );
  }
  for (const status of ['2000', '200OK', '200\t', '200-', '200.1', '20\n']) {
    t.match(refused(response(`HTTP/1.1 ${status} OK`)), /^the status must be/, JSON.stringify(status));
  }
  for (const [status, read] of [
    ['100', 100],
    ['101', 101],
    ['200', 200],
    ['304', 304],
    ['599', 599],
  ] as const) {
    t.equal(facts('response', response(`HTTP/1.1 ${status} x`)).status, read);
  }
});

t.test('rule 14: the status line has one space before the status and ends with CRLF', async (t) => {
  t.equal(refused(response('HTTP/1.1\t200 OK')), 'the status line must have one space after the version');
  t.equal(refused(response('HTTP/1.1200 OK')), 'the status line must have one space after the version');
  for (const end of [
    '\nX: y\r\n\r\n',
    '\rX: y\r\n\r\n',
    '\r\rX: y\r\n\r\n',
    ' a\nb\r\n\r\n',
    ' a\0b\r\n\r\n',
    ' a\x7f\r\n\r\n',
    '\n\n',
  ]) {
    t.match(refused(`HTTP/1.1 200${end === '\nX: y\r\n\r\n' ? ' OK' : ''}${end}`), /^the status/, JSON.stringify(end));
  }
  for (const reason of ['', ' ', ' OK', '  OK ', ' Ori\xebntatieprobleem\t!']) {
    t.equal(facts('response', response(`HTTP/1.1 200${reason}`)).line, `HTTP/1.1 200${reason}`, JSON.stringify(reason));
  }
});

t.test('rule 14: conflicting lengths are refused, whatever the status', async (t) => {
  for (const status of ['200', '204', '304', '103']) {
    const line = `HTTP/1.1 ${status} x`;
    t.equal(
      refused(response(line, 'Content-Length: 5', 'Transfer-Encoding: chunked')),
      'Content-Length and Transfer-Encoding may not stand together',
    );
    t.equal(
      refused(response(line, 'Content-Length: 5', 'Content-Length: 5')),
      'there must be one Content-Length field',
    );
    t.equal(refused(response(line, 'Content-Length: 5, 5')), 'Content-Length must be digits and nothing else');
    t.equal(refused(response(line, 'Content-Length: -1')), 'Content-Length must be digits and nothing else');
    t.equal(
      refused(response(line, 'Transfer-Encoding: gzip, chunked')),
      'the only transfer coding understood is chunked, once and alone',
    );
    t.equal(
      refused(response(line, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')),
      'there must be one Transfer-Encoding field',
    );
  }
  t.equal(
    refused(response('HTTP/1.0 200 x', 'Transfer-Encoding: chunked')),
    'Transfer-Encoding does not exist in HTTP/1.0',
  );
});

t.test('rule 14: obs-fold, control bytes and bare line ends are refused in a response as in a request', async (t) => {
  t.equal(refused(response('HTTP/1.1 200 OK', 'X: y', ' z')), 'a field line may not be folded');
  t.equal(refused(response('HTTP/1.1 200 OK', ' X: y')), 'a field line may not be folded');
  t.equal(refused(response('HTTP/1.1 200 OK', 'X: y\0')), 'a field value may not hold control bytes');
  t.equal(refused(response('HTTP/1.1 200 OK', 'X: a\rb')), 'a bare CR may not stand in a head');
  t.equal(refused(response('HTTP/1.1 200 OK', 'X: a\nY: b')), 'a line must end with CRLF, not with a bare LF');
  t.equal(refused(response('HTTP/1.1 200 OK', 'X : y')), 'no white space may stand before the colon of a field');
  t.equal(
    refused(response('HTTP/1.1 200 OK', 'en-US Content-Type: z')),
    'no white space may stand before the colon of a field',
  );
  t.equal(refused(response('HTTP/1.1 200 OK', ': y')), 'a field must have a name');
});

t.test('rule 14: oversized heads are refused', async (t) => {
  t.equal(
    refused(response('HTTP/1.1 200 OK', ...Array.from({ length: 201 }, () => 'X: y'))),
    'the head has over 200 fields',
  );
  t.equal(refused(response('HTTP/1.1 200 OK', `X: ${'y'.repeat(65_536)}`)), 'the head is over 65536 bytes');
  t.equal(
    refused(`HTTP/1.1 200 ${'x'.repeat(65_536)}`),
    'the head is over 65536 bytes',
    'not even its first line is whole',
  );
});

t.test('fields that mean something in requests alone are just fields in a response', async (t) => {
  const lines = ['Host: a b', 'Host: c', 'Expect: nothing', 'Max-Forwards: many'];
  const { fields } = facts('response', response('HTTP/1.1 200 OK', ...lines));
  t.same(
    fields.map(({ name, value, dropped }) => [`${name}: ${value}`, dropped]),
    lines.map((line) => [line, false]),
  );
});

t.test('rule 3: trailers say nothing about the message, whatever they hold', async (t) => {
  const lines = [
    'Content-Length: x',
    'Content-Length: 5',
    'Transfer-Encoding: gzip',
    'Transfer-Encoding: chunked',
    'Host: a b',
    'Connection: host',
    'Expect: y',
  ];
  const { contentLength, chunked, close, fields } = facts('trailers', `${lines.join('\r\n')}\r\n\r\n`);
  t.same([contentLength, chunked, close, fields.length], [-1, false, false, lines.length]);
});

t.test('rule 3: trailers are held to the same lines as fields of a head', async (t) => {
  const rule = (text: string): string => ruleOf('trailers', text).replace(/^[A-Z_]+: /, '');
  t.equal(rule('X: y\r\n z\r\n\r\n'), 'a field line may not be folded');
  t.equal(rule('\tX: y\r\n\r\n'), 'a field line may not be folded');
  t.equal(rule('X: a\rb\r\n\r\n'), 'a bare CR may not stand in a head');
  t.equal(rule('X : a\r\n\r\n'), 'no white space may stand before the colon of a field');
  t.equal(rule('GET / HTTP/1.1\r\n\r\n'), 'no white space may stand before the colon of a field');
  t.equal(rule(`${'X: y\r\n'.repeat(201)}\r\n`), 'the head has over 200 fields');
});

t.test('what a response says about its connection', async (t) => {
  const of = (...lines: string[]): unknown => {
    const { close, keepAlive, minor } = facts('response', response(...lines));
    return { close, keepAlive, minor };
  };
  t.same(of('HTTP/1.1 200 OK'), { close: false, keepAlive: false, minor: 1 });
  t.same(of('HTTP/1.1 200 OK', 'Connection: Close'), { close: true, keepAlive: false, minor: 1 });
  t.same(of('HTTP/1.0 200 OK', 'Connection: x, keep-alive ,'), { close: false, keepAlive: true, minor: 0 });
  t.same(of('HTTP/1.0 200 OK', 'Connection: keep-alive', 'Connection: close'), {
    close: true,
    keepAlive: true,
    minor: 0,
  });
});
