import t from 'tap';
import { BLOCK_BROKEN, BLOCK_DONE, BLOCK_MALFORMED } from '../../../src/protocol/http2/block-reader.ts';
import { LIMITS } from '../scanning.ts';
import { block, OtherEncoder, type Pair } from './other-hpack.ts';
import { makeReader, readBlock, readWith, request, response } from './reading-blocks.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const trailers = (hex: string) => readBlock('trailers', bytes(hex));

t.test('what breaks RFC 7541 breaks the connection', async (t) => {
  const blocks = {
    'index 0': '80',
    'an index behind both tables': 'be',
    'the name of an index behind both tables': '7e0161',
    'the name of an index behind both tables, not indexed': '0f2f0161',
    'an integer that does not end': 'ffffff',
    'an integer that is too large': 'ffffffffff7f',
    'an integer whose length is hidden behind zeros': 'ff808080808000',
    'a literal without a name': '40',
    'a name that is not whole': '40036161',
    'a literal without a value': '400161',
    'a value that is not whole': '400161026b',
    'a length over all bounds': '4001617fffffffff0f',
    'a size update behind a field': '8820',
    'a size update over what is allowed': '3fe21f',
    'a size update that does not end': '3fe1',
    'a Huffman string with EOS': '400161 84ffffffff',
    'a Huffman string with padding of zeros': '400161 8118',
    'a Huffman string with eight bits of padding': '400161 821fff',
    'a Huffman string that is padding alone': '400161 81ff',
    'a Huffman string whose last code is not whole': '400161 82fffe',
  };
  for (const [name, hex] of Object.entries(blocks)) {
    const kind = hex.startsWith('88') ? 'response' : 'trailers';
    t.equal(readBlock(kind, bytes(hex)).result, 'broken', name);
    const skipped = makeReader();
    const coded = bytes(hex);
    t.notOk(skipped.skip(coded, 0, coded.length), `${name}, of a stream that is gone`);
  }
});

t.test('what is unusual but right is read', async (t) => {
  t.match(trailers('400161 811f'), { passing: [['a', 'a']] }, 'padding of three ones');
  t.match(trailers('400161 80'), { passing: [['a', '']] }, 'an empty Huffman string');
  t.match(trailers('400161 83ffffea'), { result: 'malformed' }, 'a tab alone');
  t.match(trailers('3fe11f 400161 0162'), { passing: [['a', 'b']] }, 'a size update to 4,096');
  t.match(trailers('20 3fe11f 400161 0162'), { passing: [['a', 'b']] }, 'two of them');
  t.match(trailers('000161 0162'), { passing: [['a', 'b']] });
  t.match(
    trailers(`000161 7f8100${'62'.repeat(128)}`),
    { passing: [['a', 'b'.repeat(128)]] },
    'zeros behind an integer',
  );
  t.match(trailers('0009 5f5f70726f746f5f5f 0161'), { passing: [['__proto__', 'a']] }, 'rule 8: just a name');
  t.match(trailers('20'), { result: 'done', text: '\r\n' }, 'a size update alone');
});

t.test('a table of no size holds nothing, and one that shrinks forgets the oldest', async (t) => {
  const reader = makeReader();
  t.match(readWith(reader, 'trailers', bytes('4001610162 4001630164')), { result: 'done' });
  t.match(readWith(reader, 'trailers', bytes('be bf')), { passing: [['c', 'd'], ['a', 'b']] }); // biome-ignore format: short
  // Each entry counts 34.
  t.match(readWith(reader, 'trailers', bytes('3f04 be')), { passing: [['c', 'd']] });
  t.match(readWith(reader, 'trailers', bytes('3fe11f be')), { passing: [['c', 'd']] });
  t.equal(readWith(reader, 'trailers', bytes('bf')).result, 'broken', 'growing brings nothing back');
  const none = makeReader();
  t.match(readWith(none, 'trailers', bytes('20 4001610162')), { passing: [['a', 'b']] });
  t.equal(readWith(none, 'trailers', bytes('be')).result, 'broken');
});

t.test('an entry that no table holds empties it, and is read all the same', async (t) => {
  const reader = makeReader();
  const encoder = new OtherEncoder();
  const read = (pairs: readonly Pair[]) => readWith(reader, 'trailers', encoder.encode(pairs));
  t.match(read([['a', 'b']]), { passing: [['a', 'b']] });
  t.match(read([['a', 'b'], ['x', 'y'.repeat(5000)]]), { passing: [['a', 'b'], ['x', 'y'.repeat(5000)]] }); // biome-ignore format: short
  t.equal(readWith(reader, 'trailers', bytes('be')).result, 'broken');
});

t.test('so does one that is over all bounds, though it is refused', async (t) => {
  const reader = makeReader({ ...LIMITS, maxHeadBytes: 8192 });
  t.match(readWith(reader, 'trailers', bytes('4001610162')), { passing: [['a', 'b']] });
  const huge = block([['x', 'y'.repeat(200_000)]], { incremental: true, huffman: false });
  t.match(readWith(reader, 'trailers', huge), { result: 'malformed', code: 'HEAD_TOO_LARGE' });
  t.equal(readWith(reader, 'trailers', bytes('be')).result, 'broken');
});

t.test('a field that is never to be indexed stays so, with a name from the table too', async (t) => {
  const reader = makeReader();
  t.match(readWith(reader, 'trailers', bytes('4001610162')), { passing: [['a', 'b']] });
  t.match(readWith(reader, 'trailers', bytes('1f2f0163')), { passing: [['a', 'c']] });
  const { coded, codedFields, codedEnd } = reader.head;
  t.equal(coded?.toString('hex', codedFields, codedEnd), '1001610163');
});

t.test('the table is in step with its peer through thousands of fields of all sizes', async (t) => {
  const reader = makeReader();
  const encoder = new OtherEncoder();
  let count = 0;
  for (let round = 0; round < 2000; round++) {
    const pairs = Array.from({ length: (round % 7) + 1 }, (): Pair => {
      count = (count * 7919 + 12345) % 100_003;
      const size = count % 31 === 0 ? count % 4090 : count % 40;
      return [`x-${count % 50}`, 'v'.repeat(size) + (count % 1000)];
    });
    const huffman = round % 3 === 0;
    const found = readWith(
      reader,
      'trailers',
      encoder.encode(pairs, [{ huffman }, { huffman, incremental: round % 5 !== 0 }]),
    );
    if (found.result !== 'done' || JSON.stringify(found.passing) !== JSON.stringify(pairs)) {
      throw new Error(`round ${round}: ${JSON.stringify(found)}`);
    }
  }
  t.pass('all the same');
});

t.test('128 empty entries fill the table', async (t) => {
  const reader = makeReader();
  // An empty name is malformed, but is an entry; they go in 130 times.
  const entry = bytes('40 00 00');
  t.match(readWith(reader, 'trailers', Buffer.concat(Array.from({ length: 130 }, () => entry))), {
    result: 'malformed',
  });
  t.equal(readWith(reader, 'trailers', bytes(`ff${(62 + 127 - 127).toString(16)}`)).result, 'malformed', 'the 128th');
  t.equal(readWith(reader, 'trailers', bytes(`ff${(62 + 128 - 127).toString(16)}`)).result, 'broken', 'the 129th');
});

t.test('rule 21: a small block that says much is refused, and the table stays in step', async (t) => {
  const reader = makeReader();
  const large = block([['x', 'y'.repeat(4000)]], { incremental: true, huffman: false });
  t.match(readWith(reader, 'trailers', large), { result: 'done' });
  // 60 KB of references to an entry of 4 KB would be 240 MB.
  const bomb = Buffer.concat([bytes('88'), Buffer.alloc(60_000, 0xbe), bytes('4001610162')]);
  t.match(readWith(reader, 'response', bomb), { result: 'malformed', code: 'HEAD_TOO_LARGE' });
  t.match(readWith(reader, 'trailers', bytes('be')), { passing: [['a', 'b']] }, 'what came behind it was put in');
  t.ok(reader.skip(bomb.subarray(0, 1000), 0, 1000));
  t.match(readWith(reader, 'trailers', bytes('be')), { passing: [['a', 'b']] });
});

t.test('a list over its limit puts into the table what an encoder thinks it does', async (t) => {
  for (const huffman of [true, false]) {
    const reader = makeReader({ ...LIMITS, maxHeadBytes: 8192 });
    const encoder = new OtherEncoder();
    const coding = [{ huffman }];
    const value = (byte: string, length: number): string => byte.repeat(length);
    const pairs: Pair[] = [
      ...request(['a', '1']),
      ['long', value('v', 9000)],
      ['b', value('\x01', 3000)],
      ['c', '3'],
      ['much-longer', value('w', 200_000)],
      ['d', value('\x02', 4000)],
      ['e', '5'],
    ];
    t.match(readWith(reader, 'request', encoder.encode(pairs, coding)), { code: 'HEAD_TOO_LARGE' });
    const after: Pair[] = [...request(), ['e', '5'], ['f', '6']];
    t.match(readWith(reader, 'request', encoder.encode(after, coding)), { passing: after.slice(4) });
    t.match(readWith(reader, 'request', encoder.encode(after, coding)), { passing: after.slice(4) });
  }
});

t.test('blocks of streams that are gone keep the table in step', async (t) => {
  const reader = makeReader();
  const encoder = new OtherEncoder();
  const gone = encoder.encode(request(['a', 'b'], ['connection', 'close'], [':path', 'late']));
  t.ok(reader.skip(gone, 0, gone.length));
  const next = encoder.encode(response(['a', 'b'], ['c', 'd']));
  t.match(readWith(reader, 'response', next), { passing: [['a', 'b'], ['c', 'd']] }); // biome-ignore format: short
});

t.test('results have numbers that are not each other', async (t) => {
  t.same([BLOCK_DONE, BLOCK_MALFORMED, BLOCK_BROKEN], [0, 1, 2]);
});
