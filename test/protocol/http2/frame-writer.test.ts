import t from 'tap';
import {
  CONTINUATION_ROOM,
  headersFrames,
  writeFrameHeader,
  writeGoaway,
  writePing,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from '../../../src/protocol/http2/frame-writer.ts';
import { rawFrame, rawSettings, uint32 } from '../../http2/raw-frame.ts';
import { readFrames } from './frame-recorder.ts';

/** What `write` wrote at an offset, with proof that it touched nothing else. */
function written(write: (out: Buffer, at: number) => number): Buffer {
  const out = Buffer.alloc(200, 0xee);
  const end = write(out, 7);
  if (out.subarray(0, 7).some((byte) => byte !== 0xee)) throw new Error('it wrote before its offset');
  if (out.subarray(end).some((byte) => byte !== 0xee)) throw new Error('it wrote behind what it returned');
  return out.subarray(7, end);
}

t.test('each frame is as RFC 9113 section 6 has it', async (t) => {
  t.same(
    written((out, at) => writeFrameHeader(out, at, 0x123456, 0, 1, 0x7fffffff)),
    Buffer.from('123456000' + '1' + '7fffffff', 'hex'),
  );
  const settings: [number, number][] = [
    [4, 0xfffffffe],
    [0x1234, 1],
  ];
  t.same(
    written((out, at) => writeSettings(out, at, settings)),
    rawFrame(4, 0, 0, rawSettings(settings)),
  );
  t.same(
    written((out, at) => writeSettings(out, at, [])),
    rawFrame(4, 0, 0),
  );
  t.same(written(writeSettingsAck), rawFrame(4, 1, 0));
  const data = Buffer.from('xx12345678yy');
  t.same(
    written((out, at) => writePing(out, at, false, data, 2)),
    rawFrame(6, 0, 0, '12345678'),
  );
  t.same(
    written((out, at) => writePing(out, at, true, data, 2)),
    rawFrame(6, 1, 0, '12345678'),
  );
  t.same(
    written((out, at) => writeGoaway(out, at, 0x7fffffff, 11, null)),
    rawFrame(7, 0, 0, Buffer.concat([uint32(0x7fffffff), uint32(11)])),
  );
  t.same(
    written((out, at) => writeGoaway(out, at, 5, 0, Buffer.from('why'))),
    rawFrame(7, 0, 0, Buffer.concat([uint32(5), uint32(0), Buffer.from('why')])),
  );
  t.same(
    written((out, at) => writeReset(out, at, 0x10203, 0xfffffffe)),
    rawFrame(3, 0, 0x10203, uint32(0xfffffffe)),
  );
  t.same(
    written((out, at) => writeWindowUpdate(out, at, 0, 0x7fffffff)),
    rawFrame(8, 0, 0, uint32(0x7fffffff)),
  );
});

/** A block with each byte different from those that a frame's length behind and before it. */
const block = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 255));

function framesOf(bytes: Buffer, stream: number, endStream: boolean): Buffer {
  const out = Buffer.alloc(5 + 9 + bytes.length + CONTINUATION_ROOM, 0xee);
  bytes.copy(out, 14);
  const end = headersFrames(out, 5, 14 + bytes.length, stream, endStream);
  return out.subarray(5, end);
}

t.test('a field block of at most 16384 bytes is one HEADERS frame around it', async (t) => {
  t.same(framesOf(block(3), 9, false), rawFrame(1, 4, 9, block(3)));
  t.same(framesOf(block(3), 9, true), rawFrame(1, 5, 9, block(3)));
  t.same(framesOf(block(0), 9, true), rawFrame(1, 5, 9));
  t.same(framesOf(block(16_384), 9, true), rawFrame(1, 5, 9, block(16_384)));
});

t.test('a longer one is HEADERS and CONTINUATIONs; END_STREAM is on the first, END_HEADERS on the last', async (t) => {
  for (const length of [16_385, 32_768, 32_769, 65_536, 100_000]) {
    const bytes = block(length);
    const pieces: Buffer[] = [];
    for (let at = 0; at < length; at += 16_384) pieces.push(bytes.subarray(at, at + 16_384));
    const frames = pieces.map((piece, index) =>
      rawFrame(index === 0 ? 1 : 9, (index === 0 ? 1 : 0) | (index === pieces.length - 1 ? 4 : 0), 11, piece),
    );
    t.ok(framesOf(bytes, 11, true).equals(Buffer.concat(frames)), `${length} bytes`);
  }
});

t.test('the extra room is enough for the largest head that may be configured, and some more', async (t) => {
  const bytes = block(1024 * 1024 + 16_384);
  const frames = framesOf(bytes, 1, false);
  t.equal(frames.length, bytes.length + 9 * 65);
});

t.test('a reader joins again what was split', async (t) => {
  const bytes = block(40_000);
  t.same(readFrames(framesOf(bytes, 11, true)), [`HEADERS 11 ${bytes.toString('hex')} END_STREAM`]);
});
