import t from 'tap';
import { rawFrame, rawSettings, uint32 } from '../../http2/raw-frame.ts';
import { readFrames, readFromServer, readParts, SETTINGS } from './frame-recorder.ts';

/** Rules of RFC 9113 that a frame breaks by itself; numbers are its sections. Types and flags are written as numbers. */

const bytes = (length: number): Buffer => Buffer.alloc(length, 0x61);
const error = (name: string): string[] => [`connection error ${name}`];

t.test('3.4: a client begins with the preface', async (t) => {
  for (const text of [
    'GET / HTTP/1.1\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\rX',
    'PRI * HTTP/2.0\r\n\r\nsm',
    'X',
    '\x16\x03\x01',
  ]) {
    t.same(readParts('server', [Buffer.from(text, 'latin1')]).calls, error('PROTOCOL_ERROR'), JSON.stringify(text));
  }
  t.same(readParts('server', [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')]).calls, []);
});

t.test('3.4: the first frame of either side is SETTINGS, and no acknowledgement', async (t) => {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const wrong = [
    rawFrame(6, 0, 0, bytes(8)),
    rawFrame(1, 5, 1, '\x82'),
    rawFrame(4, 1, 0),
    rawFrame(7, 0, 0, bytes(8)),
    rawFrame(0xee, 0, 0),
  ];
  for (const first of wrong) {
    t.same(readParts('server', [preface, first, SETTINGS]).calls, error('PROTOCOL_ERROR'));
    t.same(readParts('client', [first, SETTINGS]).calls, error('PROTOCOL_ERROR'));
  }
  t.same(readParts('client', [SETTINGS]).calls, ['SETTINGS']);
});

t.test('4.1: the reserved bit, unknown flags and unknown types are no faults', async (t) => {
  t.same(readFrames(rawFrame(3, 0, 0x80000001, uint32(8))), ['RST_STREAM 1 CANCEL']);
  t.same(readFrames(rawFrame(1, 0xd7 & ~8, 1, '\x82')), ['HEADERS 1 82 END_STREAM']);
  t.same(readFrames(rawFrame(6, 0xfe, 0, '12345678')), ['PING 12345678']);
  t.same(readFrames(rawFrame(8, 0xff, 0, uint32(0x80000005))), ['WINDOW_UPDATE 0 5']);
  for (const type of [10, 16, 0xee, 255]) {
    t.same(readFrames(rawFrame(type, 0xff, 7, bytes(100)), rawFrame(type, 0, 0), rawFrame(6, 0, 0, '12345678')), [
      `unknown ${type}`,
      `unknown ${type}`,
      'PING 12345678',
    ]);
  }
});

t.test(
  '4.2: a frame of any type with more than 16384 bytes is a FRAME_SIZE_ERROR, as soon as its header is here',
  async (t) => {
    for (const type of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255]) {
      t.same(readFrames(rawFrame(type, 4, 1, bytes(16_385)).subarray(0, 9)), error('FRAME_SIZE_ERROR'), `type ${type}`);
    }
    t.same(readFrames(rawFrame(1, 4, 1, bytes(16_384))), [`HEADERS 1 ${'61'.repeat(16_384)}`]);
  },
);

t.test('6.1: DATA belongs to a stream', async (t) => {
  t.same(readFrames(rawFrame(0, 1, 0, 'hello')), error('PROTOCOL_ERROR'));
  t.same(readFrames(rawFrame(0, 1, 1, 'hello')), ['DATA 1 "hello" flow 5 END_STREAM']);
});

t.test('6.1: padding of DATA is dropped, and counts for the windows with the byte of its length', async (t) => {
  t.same(readFrames(rawFrame(0, 8, 1, '\x03hello\0\0\0')), ['DATA 1 "hello" flow 9']);
  t.same(readFrames(rawFrame(0, 9, 1, '\0hello')), ['DATA 1 "hello" flow 6 END_STREAM']);
  t.same(readFrames(rawFrame(0, 9, 1, '\0')), ['DATA 1 "" flow 1 END_STREAM']);
  t.same(readFrames(rawFrame(0, 8, 1, '\x04\0\0\0\0')), ['DATA 1 "" flow 5']);
  t.same(readFrames(rawFrame(0, 8, 1, `\xff${'x'.repeat(300)}`)), [`DATA 1 "${'x'.repeat(45)}" flow 301`]);
});

t.test('6.1: padding as long as the payload, or longer, is a PROTOCOL_ERROR', async (t) => {
  for (const payload of ['\x06hello', '\xffhello', '\x01'])
    t.same(readFrames(rawFrame(0, 9, 1, payload)), error('PROTOCOL_ERROR'), JSON.stringify(payload));
  t.same(readFrames(rawFrame(0, 9, 1, '\x05hello')), ['DATA 1 "" flow 6 END_STREAM'], 'all the rest may be padding');
});

t.test('6.1, 6.2: a padded frame without a byte for the length of its padding is a FRAME_SIZE_ERROR', async (t) => {
  t.same(readFrames(rawFrame(0, 9, 1)), error('FRAME_SIZE_ERROR'));
  t.same(readFrames(rawFrame(1, 12, 1)), error('FRAME_SIZE_ERROR'));
});

t.test('6.2: HEADERS belong to a stream', async (t) => {
  t.same(readFrames(rawFrame(1, 4, 0, '\x82')), error('PROTOCOL_ERROR'));
});

t.test('6.2: padding and priority of HEADERS are no part of the field block', async (t) => {
  t.same(readFrames(rawFrame(1, 4, 1, 'abc')), ['HEADERS 1 616263']);
  t.same(readFrames(rawFrame(1, 5, 1, '')), ['HEADERS 1  END_STREAM']);
  t.same(readFrames(rawFrame(1, 12, 1, '\x02abc\0\0')), ['HEADERS 1 616263']);
  t.same(readFrames(rawFrame(1, 36, 1, '\0\0\0\x03\x10abc')), ['HEADERS 1 616263']);
  t.same(readFrames(rawFrame(1, 45, 1, '\x01\x80\0\0\x03\x10abc\0')), ['HEADERS 1 616263 END_STREAM']);
  t.same(readFrames(rawFrame(1, 12, 1, '\x03\0\0\0')), ['HEADERS 1 '], 'all may be padding');
});

t.test('6.2: padding that leaves no room for the fields of HEADERS is a PROTOCOL_ERROR', async (t) => {
  t.same(readFrames(rawFrame(1, 12, 1, '\x04abc')), error('PROTOCOL_ERROR'));
  t.same(readFrames(rawFrame(1, 12, 1, '\xffabc')), error('PROTOCOL_ERROR'));
  t.same(readFrames(rawFrame(1, 44, 1, '\x01\0\0\0\x03\x10')), error('PROTOCOL_ERROR'));
});

t.test('6.2: HEADERS too short for their priority are a FRAME_SIZE_ERROR', async (t) => {
  t.same(readFrames(rawFrame(1, 36, 1, '\0\0\0\x03')), error('FRAME_SIZE_ERROR'));
  t.same(readFrames(rawFrame(1, 44, 1, '\0\0\0\0\x03')), error('FRAME_SIZE_ERROR'));
  t.same(readFrames(rawFrame(1, 36, 1, '\0\0\0\x03\x10')), ['HEADERS 1 ']);
});

t.test('6.2: HEADERS that depend on their own stream end the connection before they are told', async (t) => {
  t.same(readFrames(rawFrame(1, 36, 5, '\0\0\0\x05\x10abc')), error('PROTOCOL_ERROR'));
  t.same(readFrames(rawFrame(1, 44, 5, '\0\x80\0\0\x05\x10abc')), error('PROTOCOL_ERROR'));
});

t.test('6.3: PRIORITY belongs to a stream', async (t) => {
  t.same(readFrames(rawFrame(2, 0, 0, '\0\0\0\x05\x10')), error('PROTOCOL_ERROR'));
  t.same(readFrames(rawFrame(2, 0, 3, '\0\0\0\x05\x10')), ['PRIORITY 3']);
});

t.test('6.3: PRIORITY without its five bytes is a FRAME_SIZE_ERROR of the stream, and reading goes on', async (t) => {
  for (const length of [0, 4, 6, 3000]) {
    t.same(readFrames(rawFrame(2, 0, 3, bytes(length)), rawFrame(6, 0, 0, '12345678')), [
      'stream error 3 FRAME_SIZE_ERROR',
      'PING 12345678',
    ]);
  }
});

t.test('5.3.1 of RFC 7540: PRIORITY on itself is a PROTOCOL_ERROR of the stream', async (t) => {
  t.same(readFrames(rawFrame(2, 0, 5, '\x80\0\0\x05\x10')), ['PRIORITY 5', 'stream error 5 PROTOCOL_ERROR']);
});

t.test('6.4: RST_STREAM belongs to a stream and has four bytes', async (t) => {
  t.same(readFrames(rawFrame(3, 0, 0, uint32(8))), error('PROTOCOL_ERROR'));
  for (const length of [0, 3, 5]) t.same(readFrames(rawFrame(3, 0, 1, bytes(length))), error('FRAME_SIZE_ERROR'));
  t.same(readFrames(rawFrame(3, 0, 1, uint32(0xfffffffe))), ['RST_STREAM 1 error 4294967294']);
});

t.test('6.5: SETTINGS belong to the connection', async (t) => {
  t.same(readFrames(rawFrame(4, 0, 1)), error('PROTOCOL_ERROR'));
  t.same(readFrames(rawFrame(4, 1, 1)), error('PROTOCOL_ERROR'));
});

t.test('6.5: an acknowledgement with a payload, or SETTINGS that are not sixes, are a FRAME_SIZE_ERROR', async (t) => {
  t.same(readFrames(rawFrame(4, 1, 0, rawSettings([[1, 1]]))), error('FRAME_SIZE_ERROR'));
  for (const length of [1, 5, 7, 13]) t.same(readFrames(rawFrame(4, 0, 0, bytes(length))), error('FRAME_SIZE_ERROR'));
  t.same(readFrames(rawFrame(4, 1, 0)), ['SETTINGS ACK']);
});

t.test('6.5.2: settings are told in order, unknown ones too, and their end is told once', async (t) => {
  const pairs: [number, number][] = [
    [3, 100],
    [4, 0x7fffffff],
    [0xf000, 0xffffffff],
    [4, 0],
    [5, 16_777_215],
  ];
  t.same(readFrames(rawFrame(4, 0, 0, rawSettings(pairs))), [
    ...pairs.map(([id, value]) => `setting ${id} = ${value}`),
    'SETTINGS',
  ]);
});

t.test('6.5.2: a setting outside of its range is the error that its section names', async (t) => {
  const wrong: [number, number, string][] = [
    [2, 2, 'PROTOCOL_ERROR'],
    [4, 0x80000000, 'FLOW_CONTROL_ERROR'],
    [4, 0xffffffff, 'FLOW_CONTROL_ERROR'],
    [5, 16_383, 'PROTOCOL_ERROR'],
    [5, 16_777_216, 'PROTOCOL_ERROR'],
    // RFC 8441 section 3, RFC 9218 section 2.1.
    [8, 2, 'PROTOCOL_ERROR'],
    [9, 2, 'PROTOCOL_ERROR'],
  ];
  for (const [id, value, name] of wrong) {
    const frame = rawFrame(
      4,
      0,
      0,
      rawSettings([
        [3, 5],
        [id, value],
        [3, 6],
      ]),
    );
    t.same(readFrames(frame), ['setting 3 = 5', ...error(name)], `${id} = ${value}`);
    t.same(readFromServer(frame), ['setting 3 = 5', ...error(name)], `${id} = ${value}`);
  }
  for (const [id, value] of [
    [1, 0xffffffff],
    [2, 0],
    [3, 0],
    [5, 16_384],
    [6, 0],
    [8, 1],
    [9, 0],
  ] as const)
    t.same(readFromServer(rawFrame(4, 0, 0, rawSettings([[id, value]]))), [`setting ${id} = ${value}`, 'SETTINGS']);
});

t.test('6.5.2: a client may switch push on, a server may not', async (t) => {
  const frame = rawFrame(4, 0, 0, rawSettings([[2, 1]]));
  t.same(readFrames(frame), ['setting 2 = 1', 'SETTINGS']);
  t.same(readFromServer(frame), error('PROTOCOL_ERROR'));
});

t.test('rule 21: a SETTINGS frame with more than 32 settings is too much', async (t) => {
  const many = (count: number): Buffer =>
    rawFrame(4, 0, 0, rawSettings(Array.from({ length: count }, (_, index) => [4, index])));
  t.same(readFrames(many(33)), error('ENHANCE_YOUR_CALM'));
  t.equal(readFrames(many(32)).length, 33);
});

t.test('6.6: PUSH_PROMISE is taken from nobody', async (t) => {
  const frame = rawFrame(5, 4, 1, '\0\0\0\x02\x82');
  t.same(readFrames(frame), error('PROTOCOL_ERROR'));
  t.same(readFromServer(frame), error('PROTOCOL_ERROR'));
});

t.test('6.7: PING belongs to the connection and has eight bytes', async (t) => {
  t.same(readFrames(rawFrame(6, 0, 1, bytes(8))), error('PROTOCOL_ERROR'));
  for (const flags of [0, 1])
    for (const length of [0, 7, 9]) t.same(readFrames(rawFrame(6, flags, 0, bytes(length))), error('FRAME_SIZE_ERROR'));
  t.same(readFrames(rawFrame(6, 1, 0, '87654321')), ['PING ACK 87654321']);
});

t.test('6.8: GOAWAY belongs to the connection and has at least eight bytes', async (t) => {
  t.same(readFrames(rawFrame(7, 0, 1, bytes(8))), error('PROTOCOL_ERROR'));
  t.same(readFrames(rawFrame(7, 0, 0, bytes(7))), error('FRAME_SIZE_ERROR'));
  const goaway = Buffer.concat([uint32(0x80000007), uint32(11)]);
  t.same(readFrames(rawFrame(7, 0, 0, goaway)), ['GOAWAY 7 ENHANCE_YOUR_CALM ""']);
  t.same(readFrames(rawFrame(7, 0, 0, Buffer.concat([goaway, Buffer.from('too_many_pings')]))), [
    'GOAWAY 7 ENHANCE_YOUR_CALM "too_many_pings"',
  ]);
});

t.test('6.9: WINDOW_UPDATE has four bytes', async (t) => {
  for (const stream of [0, 1])
    for (const length of [0, 3, 5, 8])
      t.same(readFrames(rawFrame(8, 0, stream, bytes(length))), error('FRAME_SIZE_ERROR'));
  t.same(readFrames(rawFrame(8, 0, 3, uint32(0x7fffffff))), ['WINDOW_UPDATE 3 2147483647']);
});

t.test('6.9: an increment of zero is an error of the stream, or of the connection', async (t) => {
  t.same(readFrames(rawFrame(8, 0, 3, uint32(0)), rawFrame(6, 0, 0, '12345678')), [
    'stream error 3 PROTOCOL_ERROR',
    'PING 12345678',
  ]);
  t.same(
    readFrames(rawFrame(8, 0, 3, uint32(0x80000000))),
    ['stream error 3 PROTOCOL_ERROR'],
    'the reserved bit is none',
  );
  t.same(readFrames(rawFrame(8, 0, 0, uint32(0)), rawFrame(6, 0, 0, '12345678')), error('PROTOCOL_ERROR'));
});

t.test('6.10: CONTINUATION goes on with a field block and joins it', async (t) => {
  const calls = readFrames(rawFrame(1, 1, 3, 'ab'), rawFrame(9, 0, 3, 'cd'), rawFrame(9, 0, 3), rawFrame(9, 4, 3, 'e'));
  t.same(calls, ['HEADERS 3 6162636465 END_STREAM']);
  t.same(readFrames(rawFrame(1, 0, 3), rawFrame(9, 4, 3)), ['HEADERS 3 ']);
  t.same(readFrames(rawFrame(1, 40, 3, '\x01\0\0\0\0\x10ab\0'), rawFrame(9, 4, 3, 'c')), ['HEADERS 3 616263']);
  // END_STREAM means nothing on CONTINUATION.
  t.same(readFrames(rawFrame(1, 0, 3, 'ab'), rawFrame(9, 5, 3, 'c')), ['HEADERS 3 616263']);
});

t.test('6.10: CONTINUATION without a field block before it is a PROTOCOL_ERROR', async (t) => {
  t.same(readFrames(rawFrame(9, 4, 1, 'a')), error('PROTOCOL_ERROR'));
  t.same(readFrames(rawFrame(9, 4, 0, 'a')), error('PROTOCOL_ERROR'));
  t.same(readFrames(rawFrame(1, 4, 1, 'a'), rawFrame(9, 4, 1, 'a')), ['HEADERS 1 61', ...error('PROTOCOL_ERROR')]);
  const twice = [rawFrame(1, 0, 1, 'a'), rawFrame(9, 4, 1), rawFrame(9, 4, 1)];
  t.same(readFrames(...twice), ['HEADERS 1 61', ...error('PROTOCOL_ERROR')]);
});

t.test('4.3, 6.10: nothing may stand between the frames of a field block', async (t) => {
  const between = [
    rawFrame(0, 0, 1, 'x'),
    rawFrame(1, 4, 1, 'x'),
    rawFrame(1, 4, 3, 'x'),
    rawFrame(2, 0, 1, '\0\0\0\0\0'),
    rawFrame(3, 0, 1, uint32(8)),
    rawFrame(4, 0, 0),
    rawFrame(4, 1, 0),
    rawFrame(5, 4, 1, '\0\0\0\x02'),
    rawFrame(6, 0, 0, '12345678'),
    rawFrame(7, 0, 0, bytes(8)),
    rawFrame(8, 0, 0, uint32(1)),
    rawFrame(9, 4, 3, 'x'),
    rawFrame(9, 4, 0, 'x'),
    rawFrame(0xee, 0, 1, 'x'),
  ];
  for (const frame of between) t.same(readFrames(rawFrame(1, 0, 1, 'a'), frame), error('PROTOCOL_ERROR'));
});

t.test('rule 21: a field block is at most as long as allowed, over all of its frames', async (t) => {
  const part = bytes(16_000);
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const read = (...frames: Buffer[]): string[] =>
    readParts('server', [Buffer.concat([preface, SETTINGS, ...frames])], 48_000).calls.slice(1);
  const three = [rawFrame(1, 0, 1, part), rawFrame(9, 0, 1, part), rawFrame(9, 0, 1, part)];
  t.same(read(...three, rawFrame(9, 4, 1)), [`HEADERS 1 ${'61'.repeat(48_000)}`]);
  t.same(read(...three, rawFrame(9, 4, 1, 'x')), error('ENHANCE_YOUR_CALM'));
  t.same(read(...three, rawFrame(9, 0, 1, 'x')), error('ENHANCE_YOUR_CALM'));
});

t.test('rule 21: CONTINUATION without end, empty or not, stops at 32 frames', async (t) => {
  for (const text of ['', 'a']) {
    const next = rawFrame(9, 0, 1, text);
    const begin = rawFrame(1, 0, 1, 'a');
    const some = (count: number): Buffer[] => [begin, ...Array.from({ length: count }, () => next)];
    t.same(readFrames(...some(32)), []);
    t.same(readFrames(...some(33)), error('ENHANCE_YOUR_CALM'));
    const joined = [...some(31), rawFrame(9, 4, 1, 'z')];
    const told = `HEADERS 1 61${'61'.repeat(31 * text.length)}7a`;
    t.same(readFrames(...joined, ...joined), [told, told], 'each block has its own count');
  }
});
