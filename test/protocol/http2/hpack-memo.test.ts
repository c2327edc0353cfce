import t from 'tap';
import { BlockReader } from '../../../src/protocol/http2/block-reader.ts';
import { factsOf, LIMITS } from '../scanning.ts';
import { block, type Pair } from './other-hpack.ts';
import { request, response } from './reading-blocks.ts';

/** Whether the head of the block came from the memo: its text stands in memory of its own. */
function remembered(reader: BlockReader, bytes: Buffer, endStream = true): boolean {
  if (reader.readRequest(bytes, 0, bytes.length, endStream) !== 0) throw new Error(reader.fault.rule);
  return reader.head.buffer.length < 32_768;
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
