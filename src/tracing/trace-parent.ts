import { equalsIgnoringCase } from '../protocol/bytes.ts';
import type { Head } from '../protocol/head.ts';

/** Who asked for a request, as its `traceparent` says (W3C Trace Context section 3.2). */
export type TraceParent = {
  /** 32 digits of lower-case hex, not all 0. */
  readonly traceId: string;
  /** 16 of them. */
  readonly spanId: string;
  readonly flags: number;
};

export const FLAG_SAMPLED = 1;
/** The trace's id is random (level 2): it is passed on with the trace. */
const FLAG_RANDOM = 2;

/** `version-traceid-parentid-flags`. */
const LENGTH = 55;
const DASH = 0x2d;
const ZERO = 0x30;
const NAME = 'traceparent';
/** A trace state that is longer is passed on, and not looked at. */
const MAX_STATE = 512;

/** Whether `buffer[start..end)` are digits of lower-case hex. */
function isHex(buffer: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = buffer[at] ?? 0;
    if ((byte < ZERO || byte > 0x39) && (byte < 0x61 || byte > 0x66)) return false;
  }
  return true;
}

function isZero(buffer: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buffer[at] !== ZERO) return false;
  return true;
}

/** Whether `buffer[start..end)` is a value that can be read (section 3.2.2; of versions to come what version 0 knows, section 4.3). */
function isValid(buffer: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length < LENGTH || !isHex(buffer, start, start + 2)) return false;
  const first = isZero(buffer, start, start + 2);
  if (first ? length !== LENGTH : length > LENGTH && buffer[start + LENGTH] !== DASH) return false;
  if (buffer[start] === 0x66 && buffer[start + 1] === 0x66) return false;
  if (buffer[start + 2] !== DASH || buffer[start + 35] !== DASH || buffer[start + 52] !== DASH) return false;
  if (!isHex(buffer, start + 3, start + 35) || isZero(buffer, start + 3, start + 35)) return false;
  if (!isHex(buffer, start + 36, start + 52) || isZero(buffer, start + 36, start + 52)) return false;
  return isHex(buffer, start + 53, start + LENGTH);
}

/** The `traceparent` of a request; null where there is none, several, or one that cannot be read: a trace begins anew then (section 3.3). */
export function readTraceParent(head: Head): TraceParent | null {
  const { buffer } = head;
  let found = -1;
  for (let index = 0; index < head.fieldCount; index++) {
    const name = head.lineStarts[index] ?? 0;
    const nameEnd = head.nameEnds[index] ?? 0;
    if (nameEnd - name !== NAME.length || !equalsIgnoringCase(buffer, name, nameEnd, NAME)) continue;
    if (found >= 0) return null;
    found = index;
  }
  if (found < 0) return null;
  const start = head.valueStarts[found] ?? 0;
  if (!isValid(buffer, start, head.valueEnds[found] ?? 0)) return null;
  return {
    traceId: buffer.toString('latin1', start + 3, start + 35),
    spanId: buffer.toString('latin1', start + 36, start + 52),
    flags: Number.parseInt(buffer.toString('latin1', start + 53, start + LENGTH), 16),
  };
}

/** The `tracestate` of a request as one list; null where there is none. */
export function readTraceState(head: Head): string | null {
  let text: string | null = null;
  for (let index = 0; index < head.fieldCount; index++) {
    if (!equalsIgnoringCase(head.buffer, head.lineStarts[index] ?? 0, head.nameEnds[index] ?? 0, 'tracestate'))
      continue;
    const value = head.valueText(index);
    text = text === null ? value : `${text},${value}`;
    if (text.length > MAX_STATE) return null;
  }
  return text;
}

/** The value that goes upstream: that of version 0 (section 3.2). @param flags of the trace so far */
export function traceParentText(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${FLAG_SAMPLED | (flags & FLAG_RANDOM)}`;
}
