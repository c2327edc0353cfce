import { FORBIDDEN_IN_TRAILERS } from '../protocol/field-names.ts';
import type { Head } from '../protocol/head.ts';
import { CHUNK_ROOM, HEAD_ROOM, writeChunkSize, writeTrailers } from '../protocol/http1/head-writer.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { outputSlab } from '../transport/output-slab.ts';

/** Bodies on their way out, the same towards the app and towards the upstream (RFC 9112 section 7.1). */

const LAST_CHUNK = Buffer.from('0\r\n', 'latin1');
const LAST_CHUNK_WITHOUT_TRAILERS = Buffer.from('0\r\n\r\n', 'latin1');

/** Sends a range as one chunk. @returns false: pause the source until the socket's `onDrain` */
export function sendChunk(socket: ByteSocket, buffer: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length === 0) return true;
  outputSlab.reserve(socket, length + CHUNK_ROOM);
  const out = outputSlab.buffer;
  const at = writeChunkSize(length, out, outputSlab.length);
  buffer.copy(out, at, start, end);
  out[at + length] = 13;
  out[at + length + 1] = 10;
  outputSlab.length = at + length + 2;
  return !socket.full;
}

/**
 * Sends a range as it is. `stable`: it stays as it is until its source is resumed.
 * @returns false: pause the source until the socket's `onDrain`
 */
export function sendRange(socket: ByteSocket, buffer: Buffer, start: number, end: number, stable: boolean): boolean {
  return stable ? socket.sendStable(buffer, start, end) : socket.write(buffer, start, end);
}

/** Ends a chunked body with those of its trailers that may pass. */
export function sendTrailers(socket: ByteSocket, head: Head): void {
  outputSlab.reserve(socket, head.end - head.start + HEAD_ROOM);
  const at = outputSlab.length + LAST_CHUNK.copy(outputSlab.buffer, outputSlab.length);
  outputSlab.length = writeTrailers(head, FORBIDDEN_IN_TRAILERS, outputSlab.buffer, at);
}

/** Ends a chunked body without trailers. */
export function sendLastChunk(socket: ByteSocket): void {
  socket.write(LAST_CHUNK_WITHOUT_TRAILERS, 0, LAST_CHUNK_WITHOUT_TRAILERS.length);
}
