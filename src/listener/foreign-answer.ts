import { PROTOCOL_ERROR } from '../protocol/http2/frame-types.ts';
import { writeGoaway, writeSettings } from '../protocol/http2/frame-writer.ts';

/** The answer to a first line of no protocol that is known here: HTTP/2's SETTINGS and GOAWAY, which says in words what is wrong. */
export function foreignAnswer(rule: string): Buffer {
  const words = Buffer.from(`carpool speaks HTTP/1.1 and HTTP/2: ${rule}`, 'latin1');
  const bytes = Buffer.alloc(9 + 9 + 8 + words.length);
  return bytes.subarray(0, writeGoaway(bytes, writeSettings(bytes, 0, []), 0, PROTOCOL_ERROR, words));
}
