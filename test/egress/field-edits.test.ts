import t from 'tap';
import { FieldEdits } from '../../src/protocol/field-edits.ts';
import type { Head } from '../../src/protocol/head.ts';
import {
  HEAD_ROOM,
  optionsBound,
  type RequestHeadOptions,
  writeRequestHead,
} from '../../src/protocol/http1/head-writer.ts';
import { requestBlockBound, writeRequestBlock } from '../../src/protocol/http2/block-writer.ts';
import { block, otherDecode, type Pair } from '../protocol/http2/other-hpack.ts';
import { makeReader, request } from '../protocol/http2/reading-blocks.ts';
import { makeScanner } from '../protocol/scanning.ts';

const EDITS = new FieldEdits(
  [
    ['authorization', 'Bearer new'],
    ['x-team', 'shop'],
  ],
  ['authorization', 'x-team', 'x-debug'],
);

const options = (edits: FieldEdits | null): RequestHeadOptions => ({
  authority: null,
  pathPrefix: Buffer.alloc(0),
  upgrade: false,
  close: false,
  extraLines: null,
  edits,
});

function scanned(lines: readonly string[]): Head {
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const scanner = makeScanner();
  if (scanner.scanRequest(bytes, 0, bytes.length) !== 1) throw new Error(scanner.fault.rule);
  return scanner.head;
}

function read(pairs: readonly Pair[]): Head {
  const reader = makeReader();
  const bytes = block(pairs);
  if (reader.readRequest(bytes, 0, bytes.length, true) !== 0) throw new Error(reader.fault.rule);
  return reader.head;
}

/** What goes out by HTTP/1.1, in as much room as the bounds say. */
function toHttp1(head: Head, edits: FieldEdits | null = EDITS): string[] {
  const out = Buffer.alloc(head.end - head.start + HEAD_ROOM + optionsBound(options(edits), null));
  const end = writeRequestHead(head, options(edits), out, 0);
  return out.toString('latin1', 0, end).split('\r\n').slice(0, -2);
}

/** What goes out by HTTP/2. */
function toHttp2(head: Head, edits: FieldEdits | null = EDITS, secure = head.secure): Buffer {
  const bound = requestBlockBound(head, options(edits));
  const out = Buffer.alloc(bound);
  return out.subarray(0, writeRequestBlock(head, options(edits), secure, out, 0));
}

const SENT = [
  'GET http://a/ HTTP/1.1',
  'Host: a',
  'AUTHORIZATION: old',
  'X-A: 1',
  'X-Debug: 1',
  'x-DEBUG: 2',
  'X-B: 2',
];

t.test(
  'from HTTP/1.1 to HTTP/1.1: what is set comes in place of fields of its name, however they are written',
  async (t) => {
    t.same(toHttp1(scanned(SENT)), [
      'GET / HTTP/1.1',
      'Host: a',
      'X-A: 1',
      'X-B: 2',
      'authorization: Bearer new',
      'x-team: shop',
    ]);
  },
);

t.test('the head can be written again as it was: a retry finds it unchanged', async (t) => {
  const head = scanned(SENT);
  const once = toHttp1(head);
  t.same(toHttp1(head), once);
  t.same(toHttp1(head, null), ['GET / HTTP/1.1', ...SENT.slice(1)]);
});

t.test('from HTTP/1.1 to HTTP/2, what is set goes as literals that no table may keep', async (t) => {
  const bytes = toHttp2(scanned(SENT));
  t.same(otherDecode(bytes), [
    [':method', 'GET'],
    [':authority', 'a'],
    [':scheme', 'http'],
    [':path', '/'],
    ['x-a', '1'],
    ['x-b', '2'],
    ['authorization', 'Bearer new'],
    ['x-team', 'shop'],
  ]);
  t.match(
    bytes.toString('hex'),
    `1f08${(10).toString(16).padStart(2, '0')}${Buffer.from('Bearer new').toString('hex')}`,
  );
  t.match(bytes.toString('hex'), `1006${Buffer.from('x-team').toString('hex')}04`);
});

const FIELDS: Pair[] = [
  ['te', 'trailers'],
  ['authorization', 'old'],
  ['x-a', 'a long value that is coded by Huffman'],
  ['cookie', 'a=1'],
  ['x-debug', '1'],
  ['cookie', 'b=2'],
];

t.test('from HTTP/2 to HTTP/2, all that stays goes out in the form in which it came', async (t) => {
  const bytes = toHttp2(read(request(...FIELDS)));
  const rest: Pair[] = FIELDS.filter(([name]) => name !== 'authorization' && name !== 'x-debug');
  t.same(bytes.subarray(0, bytes.length - EDITS.block.length), block(request(...rest)));
  t.same(bytes.subarray(bytes.length - EDITS.block.length), EDITS.block);
  const other = otherDecode(toHttp2(read(request(...FIELDS)), EDITS, true));
  t.same(other.slice(4), [...rest, ['authorization', 'Bearer new'], ['x-team', 'shop']], 'by another scheme too');
});

t.test(
  'from HTTP/2 to HTTP/2, what came as never indexed stays so, and fields of one hop confuse nothing',
  async (t) => {
    const reader = makeReader();
    // A literal that is never indexed, with a new name; proxy-authorization is for this hop alone.
    const secret = Buffer.concat([Buffer.from([0x10, 5]), Buffer.from('x-key'), Buffer.from([3]), Buffer.from('abc')]);
    const bytes = Buffer.concat([
      block(request(['proxy-authorization', 'hop'], ['x-debug', '1'])),
      secret,
      block([['x-z', '9']]),
    ]);
    t.equal(reader.readRequest(bytes, 0, bytes.length, true), 0);
    const out = toHttp2(reader.head);
    t.match(out.toString('hex'), secret.toString('hex'));
    t.same(otherDecode(out).slice(4), [
      ['x-key', 'abc'],
      ['x-z', '9'],
      ['authorization', 'Bearer new'],
      ['x-team', 'shop'],
    ]);
  },
);

t.test('from HTTP/2 to HTTP/1.1: crumbs of cookies are joined, and left out where cookie is', async (t) => {
  const head = read(request(...FIELDS));
  t.match(toHttp1(head).join('|'), /\|cookie: a=1; b=2\|authorization: Bearer new\|x-team: shop\|te: trailers/);
  const cookies = new FieldEdits([['cookie', 'mine=1']], ['cookie']);
  const lines = toHttp1(head, cookies);
  t.same(
    lines.filter((line) => line.startsWith('cookie')),
    ['cookie: mine=1'],
  );
  const without = toHttp1(head, new FieldEdits([], ['cookie']));
  t.notMatch(without.join('|'), /cookie/);
});

t.test('TRACE with Max-Forwards, which is written anew, loses and gains fields too', async (t) => {
  const pairs: Pair[] = [
    [':method', 'TRACE'],
    [':scheme', 'http'],
    [':authority', 'a'],
    [':path', '/'],
    ['max-forwards', '5'],
    ['x-debug', '1'],
  ];
  t.same(otherDecode(toHttp2(read(pairs))).slice(4), [
    ['max-forwards', '4'],
    ['authorization', 'Bearer new'],
    ['x-team', 'shop'],
  ]);
});

t.test('bytes above 127 pass as they are', async (t) => {
  const edits = new FieldEdits([['x-name', '\xe4\xf6']], ['x-name']);
  t.match(toHttp1(scanned(SENT), edits).at(-1), 'x-name: \xe4\xf6');
  t.match(toHttp2(scanned(SENT), edits).toString('latin1'), '\x02\xe4\xf6');
});
