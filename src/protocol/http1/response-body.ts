import type { Head } from '../head.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE } from './body-reader.ts';

/** How the body of a response ends (RFC 9112 section 6.3). @param headRequest it answers a HEAD */
export function responseBodyKind(head: Head, headRequest: boolean): number {
  if (headRequest || head.status === 204 || head.status === 304) return BODY_NONE;
  if (head.chunked) return BODY_CHUNKED;
  return head.contentLength >= 0 ? BODY_LENGTH : BODY_UNTIL_CLOSE;
}
