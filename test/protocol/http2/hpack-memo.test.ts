import t from 'tap';
import { BlockMemo, blockHash } from '../../../src/protocol/http2/block-memo.ts';
import { BlockReader } from '../../../src/protocol/http2/block-reader.ts';
import { factsOf, LIMITS } from '../scanning.ts';
import { block, type Pair } from './other-hpack.ts';
import { request, response } from './reading-blocks.ts';

/** The head that all readers fill. */
const shared = new BlockReader(LIMITS).head;

/** Whether the head of the block came from the memo: it is one of its own. */
function remembered(reader: BlockReader, bytes: Buffer, endStream = true): boolean {
  if (reader.readRequest(bytes, 0, bytes.length, endStream) !== 0) throw new Error(reader.fault.rule);
  return reader.head !== shared;
}
const text = ({ head }: BlockReader): string => head.buffer.toString('latin1', head.start, head.end);

t.test('a block is remembered at its second sight, as what it was read', async (t) => {
  const reader = new BlockReader(LIMITS);
  const bytes = block(request(['x', 'y']));
  t.same([1, 2, 3, 4].map(() => remembered(reader, bytes)), [false, false, true, true]); // biome-ignore format: short
  const { head } = reader;
  const facts = factsOf(head, 'request');
  t.notOk(remembered(reader, bytes, false), 'with a body it is another request');
  t.match(text(reader), /chunked/);
  t.ok(remembered(reader, bytes));
  t.equal(reader.head, head);
  t.same(factsOf(head, 'request'), facts, 'what was read in between is not seen');
  t.equal(reader.readResponse(bytes, 0, bytes.length, true), 1, 'it is no response');
  const other = block(request(['x', 'z']));
  t.notOk(remembered(reader, other));
  t.match(text(reader), /x: z/);
});

t.test('what is remembered of a request is all that was known of it', async (t) => {
  const pairs: Pair[] = [
    ['te', 'trailers'],
    ['grpc-timeout', '5S'],
    ['via', 'x'],
    ['cookie', 'a'],
    ['cookie', 'b'],
    ['expect', '100-continue'],
    ['content-type', 'x'],
    ['x-request-timeout', '5'],
    ['max-forwards', '3'],
    ['authorization', 'NTLM x'],
    ['content-length', '5'],
  ];
  const connect: Pair[] = [...request().slice(1), [':method', 'CONNECT'], [':protocol', 'websocket']];
  for (const bytes of [block(request(...pairs)), block(request(['x', 'y'])), block(connect)]) {
    const reader = new BlockReader(LIMITS);
    const found = [1, 2, 3].map(() => {
      const own = remembered(reader, bytes, false);
      const { head } = reader;
      const { coded, codedStart, codedFields, codedEnd } = head;
      const facts = {
        ...factsOf(head, 'request'),
        protocol: head.buffer.toString('latin1', head.protocolStart, head.protocolEnd),
        text: text(reader),
        http2: head.http2,
        pseudo: coded?.toString('hex', codedStart, codedFields),
        fields: coded?.toString('hex', codedFields, codedEnd),
        end: head.lineStarts[head.fieldCount] === head.end - 2,
      };
      return { own, facts };
    });
    t.same(found[2]?.facts, found[0]?.facts);
    t.same([found[0]?.own, found[2]?.own, found[0]?.facts.end], [false, true, true]);
  }
});

t.test('blocks that have the same hash are not taken for each other', async (t) => {
  const view = new DataView(new ArrayBuffer(8));
  const blockOf = (index: number): Buffer => {
    view.setInt32(0, Math.imul(index, 0x85ebca6b));
    view.setInt32(4, index);
    return Buffer.from(view.buffer.slice(0));
  };
  for (const [kind, otherKind] of [
    [1, 1],
    [1, 3],
  ] as const) {
    const seen = new Map<number, number>();
    const pair: [number, number] = [-1, -1];
    for (let index = 0; pair[0] < 0 && index < 1_000_000; index++) {
      blockOf(index);
      const other = seen.get(blockHash(view, 0, 8, otherKind));
      if (other !== undefined) pair.splice(0, 2, other, index);
      seen.set(blockHash(view, 0, 8, kind), index);
    }
    t.ok(pair[0] >= 0, 'there are two');
    const memo = new BlockMemo();
    const [one, other] = [blockOf(pair[0]), blockOf(pair[1])];
    const reader = new BlockReader(LIMITS);
    remembered(reader, block(request()));
    t.equal(memo.find(one, 0, 8, kind, 0), null);
    memo.admit(one, 0, 8, kind, 0, reader.head);
    t.not(memo.find(one, 0, 8, kind, 0), null);
    t.equal(memo.find(other, 0, 8, otherKind, 0), null);
    t.equal(memo.find(one, 0, 8, kind, 1), null, 'nor is another generation');
  }
});

t.test('one block is another request with a body, though its hash were the same', async (t) => {
  const memo = new BlockMemo();
  const reader = new BlockReader(LIMITS);
  const bytes = block(request());
  remembered(reader, bytes);
  memo.find(bytes, 0, bytes.length, 1, 0);
  memo.admit(bytes, 0, bytes.length, 0, 0, reader.head);
  t.equal(memo.find(bytes, 0, bytes.length, 1, 0), null);
});

t.test('a connection remembers for itself, and forgets when it is told', async (t) => {
  const reader = new BlockReader(LIMITS);
  const bytes = block(request());
  for (let sight = 0; sight < 3; sight++) remembered(reader, bytes);
  t.ok(remembered(reader, bytes));
  t.notOk(remembered(new BlockReader(LIMITS), bytes));
  reader.forget();
  t.same([1, 2, 3].map(() => remembered(reader, bytes)), [false, false, true]); // biome-ignore format: short
});

t.test('a block that changes the table is never remembered, and one that needs it only while it stays', async (t) => {
  const reader = new BlockReader(LIMITS);
  const adds = block(request(['x', 'y']), { incremental: true });
  for (let sight = 0; sight < 4; sight++) t.notOk(remembered(reader, adds));
  const uses = Buffer.concat([block(request()), Buffer.from([0xbe])]);
  t.same([1, 2, 3].map(() => remembered(reader, uses)), [false, false, true]); // biome-ignore format: short
  t.match(text(reader), /x: y/);
  const free = block(request(['a', 'b']));
  for (let sight = 0; sight < 2; sight++) remembered(reader, free);
  const grows = Buffer.from('4001610162', 'hex');
  t.ok(reader.skip(grows, 0, grows.length));
  t.ok(remembered(reader, free), 'it needs no table');
  t.notOk(remembered(reader, uses));
  t.match(text(reader), /a: b/);
  t.notMatch(text(reader), /x: y/);
});

t.test('what is remembered is bounded, in number and bytes', async (t) => {
  const reader = new BlockReader(LIMITS);
  const padding: Pair = ['padding', 'p'.repeat(380)];
  const blocks = Array.from({ length: 300 }, (_, index) => block(request(['x', `${index}`], padding), { incremental: false, huffman: false })); // biome-ignore format: short
  for (const bytes of blocks) for (let sight = 0; sight < 3; sight++) remembered(reader, bytes);
  const kept = blocks.filter((bytes) => remembered(reader, bytes));
  let held = 0;
  for (const bytes of kept) {
    remembered(reader, bytes);
    held += reader.head.buffer.length;
  }
  t.ok(kept.length > 4 && kept.length <= 16, `${kept.length} blocks`);
  t.ok(held < 32_768, `${held} bytes`);
  const large = block(request(['x', 'v'.repeat(2000)]));
  for (let sight = 0; sight < 4; sight++) t.notOk(remembered(reader, large));
});

t.test('a small block that says much is not remembered', async (t) => {
  const reader = new BlockReader(LIMITS);
  const grows = block([['x', 'y'.repeat(3000)]], { incremental: true, huffman: false });
  t.ok(reader.skip(grows, 0, grows.length));
  const bomb = Buffer.concat([block(request()), Buffer.alloc(15, 0xbe)]);
  for (let sight = 0; sight < 4; sight++) t.notOk(remembered(reader, bomb));
});

t.test('what is malformed is malformed each time', async (t) => {
  const reader = new BlockReader(LIMITS);
  const bytes = block(response(['connection', 'close']));
  for (let sight = 0; sight < 4; sight++) {
    t.equal(reader.readResponse(bytes, 0, bytes.length, true), 1);
    t.match(reader.fault.rule, /do not exist in HTTP\/2/);
  }
});
