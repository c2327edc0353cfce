import type { Head } from '../protocol/head.ts';
import { BODY_LENGTH, BODY_UNTIL_CLOSE } from '../protocol/http1/body-reader.ts';

/** So much of an answer that is given up is read, so that its connection can go back to its pool. */
export const MAX_DROPPED_BYTES = 64 * 1024;

/** Whether an answer that is given up may end soon, and leave a connection that can be used again. */
export function worthReading(head: Head, bodyKind: number): boolean {
  if (bodyKind === BODY_LENGTH) return head.contentLength <= MAX_DROPPED_BYTES;
  return bodyKind !== BODY_UNTIL_CLOSE;
}
