import t from 'tap';
import { readInteger, writeInteger } from '../../../src/protocol/http2/prefix-integer.ts';
import { makeReader, type ReadBlock, readWith } from './reading-blocks.ts';

/** RFC 7541 appendix C: its examples, in its order. */

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** Name and value of each field that was read, pseudo-header fields first. */
const list = (read: ReadBlock): string[] =>
  read.result === 'done'
    ? [...read.pseudo, ...read.passing].map(([name, value]) => `${name}: ${value}`)
    : [read.result];

t.test('C.1: integers', async (t) => {
  const examples: readonly (readonly [string, number, number])[] = [
    ['0a', 31, 10],
    ['1f9a0a', 31, 1337],
    ['2a', 255, 42],
  ];
  for (const [hex, mask, value] of examples) {
    const coded = bytes(hex);
    t.equal(readInteger(coded, 0, coded.length, mask), value * 8 + coded.length);
    const out = Buffer.alloc(4);
    t.equal(out.toString('hex', 0, writeInteger(out, 0, 0, mask, value)), hex);
  }
});

t.test('C.2: each kind of representation', async (t) => {
  // Single fields, each in a block that makes it a message.
  const trailers = makeReader();
  t.same(list(readWith(trailers, 'trailers', bytes('400a637573746f6d2d6b65790d637573746f6d2d686561646572'))), [
    'custom-key: custom-header',
  ]);
  t.same(list(readWith(trailers, 'trailers', bytes('be'))), ['custom-key: custom-header'], 'it was put in the table');
  const literal = makeReader();
  const path = bytes('82 86 4101 61 040c2f73616d706c652f70617468');
  t.same(list(readWith(literal, 'request', path)), [
    ':method: GET',
    ':scheme: http',
    ':authority: a',
    ':path: /sample/path',
  ]);
  t.same(list(readWith(literal, 'trailers', bytes('bf'))), ['broken'], 'without indexing');
  const secret = makeReader();
  t.same(list(readWith(secret, 'trailers', bytes('100870617373776f726406736563726574'))), ['password: secret']);
  const { coded, codedFields } = secret.head;
  t.equal(coded?.[codedFields], 0x10, 'a field that is never to be indexed is passed on as such');
  t.same(list(readWith(secret, 'trailers', bytes('be'))), ['broken'], 'never indexed');
});

const REQUESTS = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
  [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com', 'custom-key: custom-value'],
];

const requests = {
  'C.3: requests without Huffman coding': [
    '828684410f7777772e6578616d706c652e636f6d',
    '828684be58086e6f2d6361636865',
    '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
  ],
  'C.4: requests with Huffman coding': [
    '828684418cf1e3c2e5f23a6ba0ab90f4ff',
    '828684be5886a8eb10649cbf',
    '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
  ],
};

for (const [name, blocks] of Object.entries(requests)) {
  t.test(name, async (t) => {
    const reader = makeReader();
    for (const [index, hex] of blocks.entries()) {
      t.same(list(readWith(reader, 'request', bytes(hex))), REQUESTS[index]);
    }
    // The table as it is left, newest first.
    t.same(
      list(readWith(reader, 'trailers', bytes('bebf'))),
      ['custom-key: custom-value'],
      'cache-control is no trailer',
    );
    t.same(list(readWith(reader, 'trailers', bytes('c1'))), ['broken'], 'three entries');
  });
}

const COOKIE = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const RESPONSES = [
  [
    ':status: 302',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:21 GMT',
    'location: https://www.example.com',
  ],
  [
    ':status: 307',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:21 GMT',
    'location: https://www.example.com',
  ],
  [
    ':status: 200',
    'cache-control: private',
    'date: Mon, 21 Oct 2013 20:13:22 GMT',
    'location: https://www.example.com',
    'content-encoding: gzip',
    COOKIE,
  ],
];

/** The table of these examples has 256 bytes, which an encoder says first. */
const SIZE_256 = '3fe101';
const responses = {
  'C.5: responses without Huffman coding, and evictions': [
    `${SIZE_256}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d`,
    '4803333037c1c0bf',
    '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
  ],
  'C.6: responses with Huffman coding, and evictions': [
    `${SIZE_256}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3`,
    '4883640effc1c0bf',
    '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
  ],
};

for (const [name, blocks] of Object.entries(responses)) {
  t.test(name, async (t) => {
    const reader = makeReader();
    for (const [index, hex] of blocks.entries()) {
      t.same(list(readWith(reader, 'response', bytes(hex))), RESPONSES[index]);
    }
    const left = [':status: 200', COOKIE, 'content-encoding: gzip', 'date: Mon, 21 Oct 2013 20:13:22 GMT'];
    t.same(list(readWith(reader, 'response', bytes('88bebfc0'))), left);
    t.same(list(readWith(reader, 'response', bytes('88c1'))), ['broken'], 'the rest was evicted');
  });
}
