import { equalsIgnoringCase } from '../protocol/bytes.ts';
import type { Head } from '../protocol/head.ts';

/** The longest key that is believed; those of large APIs are far shorter. */
const MAX_KEY = 256;

/** Whether a request has one Idempotency-Key, with something in it, that goes on to the server. */
export function hasIdempotencyKey(head: Head): boolean {
  const { buffer } = head;
  let found = false;
  for (let index = 0; index < head.fieldCount; index++) {
    if (!equalsIgnoringCase(buffer, head.lineStarts[index] ?? 0, head.nameEnds[index] ?? 0, 'idempotency-key'))
      continue;
    const start = head.valueStarts[index] ?? 0;
    const length = (head.valueEnds[index] ?? 0) - start;
    const empty = length === 0 || (length === 2 && equalsIgnoringCase(buffer, start, start + 2, '""'));
    if (found || head.dropped[index] === 1 || empty || length > MAX_KEY) return false;
    found = true;
  }
  return found;
}
