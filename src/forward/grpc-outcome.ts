import { equalsIgnoringCase } from '../protocol/bytes.ts';
import type { Head } from '../protocol/head.ts';

const GRPC_STATUS = 'grpc-status';
const DIGIT_1 = 0x31;
const DIGIT_4 = 0x34;

/** Whether a request is a gRPC call, or a response the answer to one. */
export function isGrpc(head: Head): boolean {
  if (head.contentTypeField < 0) return false;
  const start = head.valueStarts[head.contentTypeField] ?? 0;
  const end = head.valueEnds[head.contentTypeField] ?? 0;
  if (!equalsIgnoringCase(head.buffer, start, Math.min(end, start + 16), 'application/grpc')) return false;
  // `application/grpc`, `+proto`, `;…`; but `application/grpc-web` is plain HTTP.
  const next = head.buffer[start + 16];
  return end === start + 16 || next === 43 || next === 59;
}

/** Whether the head of an answer without a body, or trailers, say UNAVAILABLE: `grpc-status: 14`. */
export function saysUnavailable(head: Head): boolean {
  const { buffer } = head;
  for (let index = 0; index < head.fieldCount; index++) {
    const start = head.lineStarts[index] ?? 0;
    const end = head.nameEnds[index] ?? 0;
    if (!equalsIgnoringCase(buffer, start, end, GRPC_STATUS)) continue;
    const value = head.valueStarts[index] ?? 0;
    return (head.valueEnds[index] ?? 0) - value === 2 && buffer[value] === DIGIT_1 && buffer[value + 1] === DIGIT_4;
  }
  return false;
}
