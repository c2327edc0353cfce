import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_CONTINUATION,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  MAX_FRAME_BYTES,
} from './frame-types.ts';

/** Frames, written into a buffer at an offset; each function returns the offset behind what it wrote. */

function writeUint32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

/** @param length of the payload, which the caller writes behind it */
export function writeFrameHeader(
  out: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): number {
  out[at] = length >>> 16;
  out[at + 1] = length >>> 8;
  out[at + 2] = length;
  out[at + 3] = type;
  out[at + 4] = flags;
  return writeUint32(out, at + 5, stream);
}

/** @param pairs identifiers with their values: 9 bytes, and 6 for each */
export function writeSettings(out: Buffer, at: number, pairs: readonly (readonly [number, number])[]): number {
  let next = writeFrameHeader(out, at, pairs.length * 6, FRAME_SETTINGS, 0, 0);
  for (const [id, value] of pairs) {
    out[next] = id >>> 8;
    out[next + 1] = id;
    next = writeUint32(out, next + 2, value);
  }
  return next;
}

export function writeSettingsAck(out: Buffer, at: number): number {
  return writeFrameHeader(out, at, 0, FRAME_SETTINGS, FLAG_ACK, 0);
}

/** Eight bytes of `data` from `start`: an acknowledgement has those of the PING that it answers. */
export function writePing(out: Buffer, at: number, ack: boolean, data: Buffer, start: number): number {
  const next = writeFrameHeader(out, at, 8, FRAME_PING, ack ? FLAG_ACK : 0, 0);
  for (let index = 0; index < 8; index++) out[next + index] = data[start + index] ?? 0;
  return next + 8;
}

/** @param lastStream the highest stream that was or may be processed */
export function writeGoaway(out: Buffer, at: number, lastStream: number, code: number, debug: Buffer | null): number {
  let next = writeFrameHeader(out, at, 8 + (debug?.length ?? 0), FRAME_GOAWAY, 0, 0);
  next = writeUint32(out, next, lastStream);
  next = writeUint32(out, next, code);
  return debug === null ? next : next + debug.copy(out, next);
}

export function writeReset(out: Buffer, at: number, stream: number, code: number): number {
  return writeUint32(out, writeFrameHeader(out, at, 4, FRAME_RST_STREAM, 0, stream), code);
}

/** Stream 0 is the connection. */
export function writeWindowUpdate(out: Buffer, at: number, stream: number, increment: number): number {
  return writeUint32(out, writeFrameHeader(out, at, 4, FRAME_WINDOW_UPDATE, 0, stream), increment);
}

/** What `headersFrames` may need behind a block, for the headers of its CONTINUATIONs: enough for a block of over 1 MiB. */
export const CONTINUATION_ROOM = 72 * FRAME_HEADER_BYTES;

/**
 * Makes frames of the field block that stands in `out[at + 9..end)`: HEADERS, and CONTINUATIONs for what is over one frame
 * (rare: its bytes are moved). `out` has `CONTINUATION_ROOM` behind `end`.
 * @returns the offset behind the last frame
 */
export function headersFrames(out: Buffer, at: number, end: number, stream: number, endStream: boolean): number {
  const start = at + FRAME_HEADER_BYTES;
  const bytes = end - start;
  const endFlag = endStream ? FLAG_END_STREAM : 0;
  if (bytes <= MAX_FRAME_BYTES) {
    writeFrameHeader(out, at, bytes, FRAME_HEADERS, FLAG_END_HEADERS | endFlag, stream);
    return end;
  }
  writeFrameHeader(out, at, MAX_FRAME_BYTES, FRAME_HEADERS, endFlag, stream);
  const last = Math.ceil(bytes / MAX_FRAME_BYTES) - 1;
  // The last first, for each moves towards the end.
  for (let piece = last; piece > 0; piece--) {
    const from = start + piece * MAX_FRAME_BYTES;
    const to = from + piece * FRAME_HEADER_BYTES;
    const length = Math.min(MAX_FRAME_BYTES, end - from);
    out.copyWithin(to, from, from + length);
    const flags = piece === last ? FLAG_END_HEADERS : 0;
    writeFrameHeader(out, to - FRAME_HEADER_BYTES, length, FRAME_CONTINUATION, flags, stream);
  }
  return end + last * FRAME_HEADER_BYTES;
}
