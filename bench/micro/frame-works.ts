import { FrameReader, type FrameSink } from '../../src/protocol/http2/frame-reader.ts';
import { FLAG_END_HEADERS, FLAG_END_STREAM, FRAME_DATA, FRAME_HEADERS } from '../../src/protocol/http2/frame-types.ts';
import type { Work } from './rounds.ts';

const ANSWERS = 60;
const BLOCK_BYTES = 20;
const BODY_BYTES = 1024;
/** What a socket read may bring at most; a frame is split where it ends. */
const READ_BYTES = 65_536;

/** Counts what it is told, so that nothing of it can be left out. */
class Count implements FrameSink {
  told = 0;
  frameHeaders(_stream: number, _buffer: Buffer, start: number, end: number): void {
    this.told += end - start;
  }
  frameData(_stream: number, _buffer: Buffer, start: number, end: number): void {
    this.told += end - start;
  }
  frameReset(): void {}
  frameSetting(): void {}
  frameSettingsEnd(): void {}
  frameSettingsAck(): void {}
  framePing(): void {}
  framePingAck(): void {}
  frameGoaway(): void {}
  frameWindowUpdate(): void {}
  framePriority(): void {}
  frameUnknown(): void {}
  frameStreamError(): void {}
  frameConnectionError(code: number, rule: string): void {
    throw new Error(`${code}: ${rule}`);
  }
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const SETTINGS = frame(4, 0, 0, Buffer.alloc(0));

function answers(): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES, 0x88);
  const body = Buffer.alloc(BODY_BYTES);
  const parts = Array.from({ length: ANSWERS }, (_, index) => [
    frame(FRAME_HEADERS, FLAG_END_HEADERS, index * 2 + 1, block),
    frame(FRAME_DATA, FLAG_END_STREAM, index * 2 + 1, body),
  ]);
  return Buffer.concat(parts.flat());
}

function cutting(name: string, pieceBytes: number): Work {
  const bytes = answers();
  const sink = new Count();
  const reader = new FrameReader('client', sink, READ_BYTES);
  reader.read(SETTINGS, 0, SETTINGS.length);
  return {
    name,
    operations: ANSWERS * 2,
    run(): number {
      for (let at = 0; at < bytes.length; at += pieceBytes)
        reader.read(bytes, at, Math.min(at + pieceBytes, bytes.length));
      return sink.told;
    },
  };
}

/** Frames out of bytes: HEADERS of 20 bytes and DATA of 1 KiB in turn. */
export function frameWorks(): readonly Work[] {
  return [cutting('a frame, many in one read', READ_BYTES), cutting('a frame, reads of 1,460 bytes', 1460)];
}
