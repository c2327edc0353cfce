import t from 'tap';
import { BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE } from '../../src/protocol/http1/body-reader.ts';
import { chunkedBody, readBody } from './scanning.ts';

const DIGITS = 'a chunk size must be hex digits';
const LINE = 'a chunk size must be hex digits, then CRLF or an extension';
const CRLF = 'a chunk line must end with CRLF';
const DATA = 'chunk data must be followed by CRLF';
const EXTENSION = 'a chunk extension must be ;name or ;name=value';

const faultOf = (text: string): string | null => chunkedBody(text).fault;

t.test('rule 3: a chunk size is hex digits and nothing else', async (t) => {
  for (const size of ['', ' 5', '\t5', '+5', '-5', '-0', 'x5', 'g', '_5', ';a', '"5"', '\xb2', '\r\n5']) {
    t.equal(faultOf(`${size}\r\nhello\r\n0\r\n\r\n`), DIGITS, JSON.stringify(size));
  }
  for (const size of ['5 ', '5\t', '0x5', '5h', '5_0', '0_2e', '5.', '5,5', '5\n', '5\0', '5 ;a', '5\xa0']) {
    t.equal(faultOf(`${size}\r\nhello\r\n0\r\n\r\n`), LINE, JSON.stringify(size));
  }
  t.equal(faultOf('\n5\r\nhello\r\n0\r\n\r\n'), DIGITS);
});

t.test('rule 3: a chunk size has at most 16 digits and is below 2^53', async (t) => {
  t.equal(faultOf('00000000000000005\r\n'), 'a chunk size may have at most 16 digits');
  t.equal(faultOf('FFFFFFFFFFFFFFFF0\r\n'), 'a chunk size must be below 2^53');
  t.equal(faultOf('20000000000000\r\n'), 'a chunk size must be below 2^53');
  t.equal(faultOf('10000000000000005\r\n'), 'a chunk size must be below 2^53');
  t.equal(faultOf('1fffffffffffff\r\n'), null);
  t.equal(chunkedBody('0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n').body, 'hello');
});

t.test('rule 3: every line of the framing ends with CRLF alone', async (t) => {
  t.equal(faultOf('5\nhello\r\n0\r\n\r\n'), LINE);
  for (const end of ['\r', '\rX', '\r\r\n']) t.equal(faultOf(`5${end}hello\r\n0\r\n\r\n`), CRLF, JSON.stringify(end));
  for (const end of ['', '\n', '!!\r\n', '\n\r\n', ' \r\n', '\rX', '\r\r\n'])
    t.equal(faultOf(`5\r\nhello${end}0\r\n\r\n`), DATA, JSON.stringify(end));
  t.equal(faultOf('5\r\nhell\r\n0\r\n\r\n'), DATA, 'data shorter than its size');
  for (const end of ['\n', 'X: y\n\r\n', 'X: y\n\n', 'X: y\r\nY: z\n']) {
    t.equal(faultOf(`0\r\n${end}`), 'a line must end with CRLF, not with a bare LF', JSON.stringify(end));
  }
});

t.test('rule 3: extensions are dropped', async (t) => {
  for (const extension of [
    ';a',
    ';a=b',
    ';a="b"',
    ';a="b;c=\\"d\\""',
    ';a;b=c;d',
    '; a=b',
    ';\ta \t;b',
    ';a = b',
    ';a="b" ;c',
    ';a=""',
    ';a="\t\xff"',
  ]) {
    const { body, fault, done } = chunkedBody(`5${extension}\r\nhello\r\n0${extension}\r\n\r\n`);
    t.same([body, fault, done], ['hello', null, true], extension);
  }
});

t.test('rule 3: what is no extension is refused, an end of line inside quotes among it', async (t) => {
  const wrong = [
    ';',
    ';;a',
    ';a;',
    ';=b',
    ';a=',
    ';a="b',
    ';a="b"c',
    ';a=b"c"',
    ';a b',
    ';bad[=x',
    ';a=b=c',
    ';a ',
    ';a=b ',
    ';a="\\',
    ';a\x00',
    ';a\x7f',
  ];
  wrong.push(';a="\x01"', ';a="\\\x02"', ';\xff', ';a=\xff', ';a\n', ';a="b\n"');
  for (const extension of wrong)
    t.equal(faultOf(`5${extension}\r\nhello\r\n0\r\n\r\n`), EXTENSION, JSON.stringify(extension));
  t.equal(faultOf('5;a\rb\r\nhello\r\n0\r\n\r\n'), CRLF);
});

t.test('rule 3: a chunk line, and all extensions of a message, are bounded', async (t) => {
  const name = (bytes: number): string => `;${'a'.repeat(bytes - 1)}`;
  t.equal(faultOf(`5${name(4095)}\r\nhello\r\n0\r\n\r\n`), null);
  t.equal(faultOf(`5${name(4096)}\r\nhello\r\n0\r\n\r\n`), 'a chunk line may have at most 4096 bytes');
  const chunk = `1${name(1024)}\r\nx\r\n`;
  t.equal(faultOf(`${chunk.repeat(16)}0\r\n\r\n`), null);
  t.equal(faultOf(`${chunk.repeat(16)}0;a\r\n\r\n`), 'the chunk extensions of a message may have at most 16384 bytes');
});

t.test('rule 3: trailers are handed on whole, and bounded', async (t) => {
  t.equal(chunkedBody('0\r\n\r\n').trailers, '\r\n');
  t.equal(chunkedBody('0\r\nX: y\r\nZ:\r\n\r\nnext').trailers, 'X: y\r\nZ:\r\n\r\n');
  const trailers = (bytes: number): string => `X: ${'y'.repeat(bytes - 7)}\r\n\r\n`;
  const whole = Buffer.from(`0\r\n${trailers(16_384)}`);
  const large = Buffer.from(`0\r\n${trailers(16_385)}`);
  const endless = Buffer.from(`0\r\nX: ${'y'.repeat(20_000)}`);
  for (const offset of [3, 5, 8000, 16_380]) {
    const split = (bytes: Buffer): Buffer[] => [bytes.subarray(0, offset), bytes.subarray(offset)];
    t.equal(readBody(split(whole)).trailers?.length, 16_384);
    t.equal(readBody(split(large)).fault, 'the trailers may have at most 16384 bytes');
    t.equal(
      readBody(split(endless)).fault,
      'the trailers may have at most 16384 bytes',
      'without waiting for their end',
    );
  }
});

t.test('a chunked body ends at its blank line, and what follows is left alone', async (t) => {
  for (const rest of ['', 'GET / HTTP/1.1\r\n', '\r\n', '\0']) {
    const text = `5\r\nhello\r\nA\r\n, worlds..\r\n0\r\n\r\n`;
    const read = chunkedBody(text + rest);
    t.same([read.body, read.done, read.consumed], ['hello, worlds..', true, text.length]);
  }
  t.equal(chunkedBody('0\r\n\r').done, false);
  t.equal(chunkedBody('0\r\nX: y\r\n').done, false);
});

t.test('a body with a length ends with it, one without ends with the connection', async (t) => {
  const bytes = (text: string): Buffer => Buffer.from(text);
  t.same(readBody([bytes('helloGET')], BODY_LENGTH, 5), {
    body: 'hello',
    trailers: null,
    fault: null,
    done: true,
    consumed: 5,
  });
  t.same(readBody([bytes('hel'), bytes('lo')], BODY_LENGTH, 5).body, 'hello');
  t.equal(readBody([bytes('hell')], BODY_LENGTH, 5).done, false);
  t.equal(readBody([bytes('x')], BODY_LENGTH, 0).consumed, 0);
  t.equal(readBody([bytes('x')], BODY_NONE).body, '');
  t.same(readBody([bytes('a'), bytes('b')], BODY_UNTIL_CLOSE), {
    body: 'ab',
    trailers: null,
    fault: null,
    done: false,
    consumed: 0,
  });
});

t.test('a reader that met a fault begins the next body afresh', async (t) => {
  const { BodyReader } = await import('../../src/protocol/http1/body-reader.ts');
  const reader = new BodyReader();
  let body = '';
  const sink = {
    bodyData: (buffer: Buffer, start: number, end: number): void => {
      body += buffer.toString('latin1', start, end);
    },
    bodyTrailers: (): void => {},
  };
  for (const broken of ['5;a="b', '5\r\nhel', '0\r\nX: y', 'zz', '5\r']) {
    body = '';
    reader.begin(2, 0);
    reader.read(Buffer.from(broken), 0, broken.length, sink);
    body = '';
    reader.begin(2, 0);
    const whole = '5\r\nhello\r\n0\r\n\r\n';
    t.equal(reader.read(Buffer.from(whole), 0, whole.length, sink), whole.length, broken);
    t.same([body, reader.done, reader.fault], ['hello', true, null], broken);
  }
});
