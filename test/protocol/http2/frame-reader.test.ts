import t from 'tap';
import { FrameReader } from '../../../src/protocol/http2/frame-reader.ts';
import { PREFACE } from '../../../src/protocol/http2/frame-types.ts';
import { rawFrame, rawSettings, uint32 } from '../../http2/raw-frame.ts';
import { FrameRecorder, readParts, SETTINGS } from './frame-recorder.ts';

const PING = rawFrame(6, 0, 0, '12345678');

function reading(role: 'server' | 'client' = 'client') {
  const recorder = new FrameRecorder();
  const reader = new FrameReader(role, recorder, 65_536);
  const read = (...parts: readonly Buffer[]): void => {
    const bytes = Buffer.concat(parts);
    reader.read(bytes, 0, bytes.length);
  };
  return { recorder, reader, read };
}

t.test('DATA is handed on as it comes, its end with the last piece alone', async (t) => {
  const { recorder, read } = reading();
  const frame = rawFrame(0, 9, 1, '\x04hello\0\0\0\0');
  const pieces: string[] = [];
  recorder.onCall = (call) => pieces.push(call);
  read(SETTINGS);
  for (const [from, to] of [
    [0, 9],
    [9, 10],
    [10, 12],
    [12, 16],
    [16, 18],
    [18, 19],
  ] as const)
    read(frame.subarray(from, to));
  t.same(pieces, [
    'SETTINGS',
    'DATA 1 "he" flow 3',
    'DATA 1 "hello" flow 7',
    'DATA 1 "hello" flow 9',
    'DATA 1 "hello" flow 10 END_STREAM',
  ]);
});

t.test('DATA, and all that came whole, is told from the memory of the read', async (t) => {
  const memory = Buffer.concat([SETTINGS, rawFrame(0, 0, 1, 'hello'), rawFrame(1, 4, 1, 'x'), PING]);
  const seen: boolean[] = [];
  const recorder = new FrameRecorder();
  recorder.frameData = (_stream, buffer) => seen.push(buffer === memory);
  recorder.frameHeaders = (_stream, buffer) => seen.push(buffer === memory);
  recorder.framePing = (buffer) => seen.push(buffer === memory);
  new FrameReader('client', recorder, 65_536).read(memory, 0, memory.length);
  t.same(seen, [true, true, true]);
});

t.test('the memory of a split frame grows with what came, not with what its header announces', async (t) => {
  const { recorder, read } = reading();
  let bytes = 0;
  recorder.frameGoaway = (_last, _code, buffer) => {
    bytes = buffer.length;
  };
  const goaway = rawFrame(7, 0, 0, Buffer.alloc(16_384));
  const before = process.memoryUsage().arrayBuffers;
  const many = Array.from({ length: 200 }, () => {
    const one = reading();
    one.read(SETTINGS, goaway.subarray(0, 20));
    return one;
  });
  t.ok(process.memoryUsage().arrayBuffers - before < 200 * 4096, 'a header alone does not cost a frame');
  t.equal(many.length, 200);
  read(SETTINGS, goaway.subarray(0, 100));
  read(goaway.subarray(100));
  t.ok(bytes >= goaway.length);
});

t.test('an empty DATA frame is one call, and needs no byte behind it', async (t) => {
  const { recorder, read } = reading();
  read(SETTINGS, rawFrame(0, 0, 1));
  t.same(recorder.calls, ['SETTINGS', 'DATA 1 "" flow 0']);
  read(rawFrame(0, 0, 1), rawFrame(0, 1, 1));
  t.same(recorder.calls.slice(2), ['DATA 1 "" flow 0', 'DATA 1 "" flow 0 END_STREAM']);
});

t.test('a sink that stops the reader is told no more, whatever it is told just then', async (t) => {
  const frames = [
    rawFrame(0, 0, 1, 'hello'),
    rawFrame(0, 0, 1),
    rawFrame(0, 8, 1, '\0'),
    rawFrame(1, 4, 1, 'x'),
    rawFrame(2, 0, 1, '\0\0\0\x01\0'),
    rawFrame(2, 0, 1),
    rawFrame(3, 0, 1, uint32(0)),
    rawFrame(
      4,
      0,
      0,
      rawSettings([
        [1, 1],
        [2, 0],
      ]),
    ),
    rawFrame(4, 1, 0),
    PING,
    rawFrame(6, 1, 0, '12345678'),
    rawFrame(7, 0, 0, Buffer.alloc(8)),
    rawFrame(8, 0, 0, uint32(1)),
    rawFrame(8, 0, 1, uint32(0)),
    rawFrame(99, 0, 1, 'xyz'),
  ];
  for (const frame of frames) {
    for (const split of [0, 4, 9, 10, frame.length]) {
      const { recorder, reader, read } = reading();
      read(SETTINGS);
      recorder.onCall = () => reader.stop();
      read(frame.subarray(0, split));
      read(frame.subarray(split), PING);
      read(PING);
      t.equal(recorder.calls.length, 2, `${recorder.calls[1]}, split at ${split}`);
    }
  }
});

t.test('a reader that is stopped inside of a frame or a field block does not go on with it', async (t) => {
  for (const bytes of [PING.subarray(0, 4), PING.subarray(0, 12), rawFrame(1, 0, 1, 'a')]) {
    const { recorder, reader, read } = reading();
    read(SETTINGS, bytes);
    reader.stop();
    t.notOk(reader.blockUnderWay);
    read(PING.subarray(bytes.length), PING, rawFrame(9, 4, 1, 'b'));
    t.same(recorder.calls, ['SETTINGS']);
  }
});

t.test('a joined field block is told once and its stop holds', async (t) => {
  const { recorder, reader, read } = reading();
  read(SETTINGS);
  recorder.onCall = () => reader.stop();
  read(rawFrame(1, 0, 1, 'a'), rawFrame(9, 4, 1, 'b'), PING);
  t.same(recorder.calls, ['SETTINGS', 'HEADERS 1 6162']);
});

t.test('after a connection error no byte is read', async (t) => {
  const { recorder, read } = reading();
  read(SETTINGS, rawFrame(9, 0, 1), PING);
  read(PING, SETTINGS);
  t.same(recorder.calls, ['SETTINGS', 'connection error PROTOCOL_ERROR']);
});

t.test('a server that speaks HTTP/1.1, TLS or text is told from one that speaks HTTP/2 wrongly', async (t) => {
  const first = (bytes: Buffer): boolean => {
    const { recorder, reader, read } = reading();
    read(bytes);
    t.same(recorder.calls, ['connection error PROTOCOL_ERROR']);
    return reader.notHttp2;
  };
  t.ok(first(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')));
  t.ok(first(Buffer.from('HTTP/1.0 4')));
  t.ok(first(Buffer.from('\x15\x03\x01\0\x02\x02\x46\0\0', 'latin1')));
  t.ok(first(Buffer.from('SSH-2.0-OpenSSH_9\r\n')));
  t.notOk(first(rawFrame(7, 0, 0, Buffer.alloc(8))), 'GOAWAY is HTTP/2');
  t.notOk(first(rawFrame(1, 5, 1, 'x')));
});

t.test('an HTTP/1.1 answer is told for what it is when it comes byte by byte', async (t) => {
  const { recorder, reader, read } = reading();
  for (const byte of Buffer.from('HTTP/1.1 400')) read(Buffer.from([byte]));
  t.ok(reader.notHttp2);
  t.same(recorder.calls, ['connection error PROTOCOL_ERROR']);
});

t.test('a later fault, or one of a client, does not make it a server of HTTP/1.1', async (t) => {
  const late = reading();
  late.read(SETTINGS, Buffer.from('HTTP/1.1 400 Bad'));
  t.same(late.recorder.calls, ['SETTINGS', 'connection error FRAME_SIZE_ERROR']);
  t.notOk(late.reader.notHttp2);
  const server = reading('server');
  server.read(PREFACE, Buffer.from('HTTP/1.1 400 Bad'));
  t.notOk(server.reader.notHttp2);
});

t.test('a field block is under way from its first frame to its END_HEADERS, however it is cut', async (t) => {
  const { reader, read } = reading();
  read(SETTINGS);
  const headers = rawFrame(1, 0, 1, 'abcdef');
  t.notOk(reader.blockUnderWay);
  read(headers.subarray(0, 12));
  t.ok(reader.blockUnderWay, 'inside of HEADERS');
  read(headers.subarray(12));
  t.ok(reader.blockUnderWay, 'between the frames');
  const last = rawFrame(9, 4, 1, 'gh');
  read(last.subarray(0, 10));
  t.ok(reader.blockUnderWay, 'inside of CONTINUATION');
  read(last.subarray(10));
  t.notOk(reader.blockUnderWay);
  read(PING.subarray(0, 12));
  t.notOk(reader.blockUnderWay, 'a PING is no block');
});

t.test('CONTINUATIONs that are small without need are counted for each block, the last one never', async (t) => {
  const { recorder, reader, read } = reading();
  const counts: number[] = [];
  recorder.onCall = (call) => {
    if (call.startsWith('HEADERS')) counts.push(reader.tinyContinuations);
  };
  read(SETTINGS, rawFrame(1, 0, 1), rawFrame(9, 0, 1, 'a'), rawFrame(9, 0, 1), rawFrame(9, 4, 1));
  read(rawFrame(1, 0, 3, 'a'), rawFrame(9, 0, 3, Buffer.alloc(16_384)), rawFrame(9, 4, 3, 'b'));
  read(rawFrame(1, 4, 5, 'a'));
  t.same(counts, [2, 0, 0]);
});

t.test('a read that ends between frames, or has no byte, changes nothing', async (t) => {
  const parts = [
    PREFACE,
    SETTINGS,
    Buffer.alloc(0),
    rawFrame(99, 0, 1, 'xyz'),
    Buffer.alloc(0),
    rawFrame(99, 0, 1),
    PING,
  ];
  t.same(readParts('server', parts).calls, ['SETTINGS', 'unknown 99', 'unknown 99', 'PING 12345678']);
});
