import { CR, FIELD_VALUE, HEX_DIGIT, HTAB, LF, SP, TOKEN_LOWER } from '../bytes.ts';

/** How a body's end is known (RFC 9112 section 6.3). */
export const BODY_NONE = 0;
export const BODY_LENGTH = 1;
export const BODY_CHUNKED = 2;
export const BODY_UNTIL_CLOSE = 3;

/** What a body reader hands on. Ranges are valid until the call returns. */
export interface BodySink {
  bodyData(buffer: Buffer, start: number, end: number): void;
  /** The raw trailer section with its blank line; at least CRLF. Called once, before the end, for chunked bodies. */
  bodyTrailers(buffer: Buffer, start: number, end: number): void;
}

const MAX_CHUNK_LINE = 4096;
const MAX_EXTENSIONS = 16_384;
const MAX_TRAILERS = 16_384;
const MAX_SIZE_DIGITS = 16;

// States inside a chunked body.
const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILERS = 6;

// Places inside chunk extensions; a line may end only at those from EXT_NAME on.
const EXT_BEFORE_NAME = 0;
const EXT_BEFORE_VALUE = 1;
const EXT_QUOTED = 2;
const EXT_QUOTED_PAIR = 3;
/** White space behind a name or a value: only `;` (or behind a name `=`) may follow. */
const EXT_SPACE_AFTER_NAME = 4;
const EXT_SPACE_AFTER_VALUE = 5;
const EXT_NAME = 6;
const EXT_VALUE = 7;
const EXT_AFTER_QUOTED = 8;

/**
 * The place behind `byte`, or -1 where it may not stand there: chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token /
 * quoted-string ) ] ), RFC 9112 section 7.1.1.
 */
function afterExtensionByte(place: number, byte: number): number {
  if (place === EXT_QUOTED) {
    if (byte === 34) return EXT_AFTER_QUOTED;
    return byte === 92 ? EXT_QUOTED_PAIR : FIELD_VALUE[byte] === 1 ? EXT_QUOTED : -1;
  }
  if (place === EXT_QUOTED_PAIR) return FIELD_VALUE[byte] === 1 ? EXT_QUOTED : -1;
  const token = TOKEN_LOWER[byte] !== 0;
  const space = byte === SP || byte === HTAB;
  switch (place) {
    case EXT_BEFORE_NAME:
      return token ? EXT_NAME : space ? EXT_BEFORE_NAME : -1;
    case EXT_BEFORE_VALUE:
      if (byte === 34) return EXT_QUOTED;
      return token ? EXT_VALUE : space ? EXT_BEFORE_VALUE : -1;
    case EXT_NAME:
    case EXT_SPACE_AFTER_NAME:
      if (token && place === EXT_NAME) return EXT_NAME;
      if (byte === 61) return EXT_BEFORE_VALUE;
      return byte === 59 ? EXT_BEFORE_NAME : space ? EXT_SPACE_AFTER_NAME : -1;
    default:
      if (token && place === EXT_VALUE) return EXT_VALUE;
      return byte === 59 ? EXT_BEFORE_NAME : space ? EXT_SPACE_AFTER_VALUE : -1;
  }
}

// Places inside a trailer line.
const LINE_START = 0;
const LINE_START_CR = 1;
const LINE_CR = 2;
const LINE_INSIDE = 3;

/**
 * Cuts a body out of a byte stream, whatever the splits, and says where it ends. Chunk extensions are dropped, within
 * bounds; only CRLF ends a line; a size is 1 to 16 hex digits (RFC 9112 section 7.1).
 */
export class BodyReader {
  kind = BODY_NONE;
  done = true;
  /** The rule that was broken, or null. After a fault nothing more may be read. */
  fault: string | null = null;
  /** Bytes left of a body with length, or of the current chunk. */
  remaining = 0;
  #state = SIZE;
  #digits = 0;
  #lineBytes = 0;
  #extensionBytes = 0;
  #extensionPlace = EXT_SPACE_AFTER_VALUE;
  /** Trailer bytes that came in earlier reads. */
  #trailers: Buffer | null = null;
  #line = LINE_START;

  begin(kind: number, length: number): void {
    this.kind = kind;
    this.remaining = length;
    this.done = kind === BODY_NONE || (kind === BODY_LENGTH && length === 0);
    this.fault = null;
    if (kind === BODY_CHUNKED) {
      this.#state = SIZE;
      this.#digits = 0;
      this.#lineBytes = 0;
      this.#extensionBytes = 0;
      this.#trailers = null;
    }
  }

  /**
   * Reads body bytes from `buffer[start..end)` into `sink`.
   * @returns the offset of the first byte that is not of this body; look at `done` and `fault` then
   */
  read(buffer: Buffer, start: number, end: number, sink: BodySink): number {
    if (this.kind === BODY_LENGTH) {
      const take = Math.min(this.remaining, end - start);
      this.remaining -= take;
      if (this.remaining === 0) this.done = true;
      if (take > 0) sink.bodyData(buffer, start, start + take);
      return start + take;
    }
    if (this.kind === BODY_UNTIL_CLOSE) {
      if (end > start) sink.bodyData(buffer, start, end);
      return end;
    }
    if (this.kind === BODY_NONE) return start;
    return this.#readChunked(buffer, start, end, sink);
  }

  #readChunked(buffer: Buffer, start: number, end: number, sink: BodySink): number {
    let at = start;
    while (at < end && !this.done && this.fault === null) {
      switch (this.#state) {
        case SIZE: {
          const byte = buffer[at] ?? 0;
          const digit = HEX_DIGIT[byte] ?? 255;
          if (digit !== 255) {
            if (++this.#digits > MAX_SIZE_DIGITS) return this.#fail('a chunk size may have at most 16 digits', at);
            this.remaining = this.remaining * 16 + digit;
            if (this.remaining > Number.MAX_SAFE_INTEGER) return this.#fail('a chunk size must be below 2^53', at);
            at++;
          } else if (this.#digits === 0) return this.#fail('a chunk size must be hex digits', at);
          else if (byte === CR) {
            this.#state = SIZE_LF;
            at++;
          } else if (byte === 59) {
            this.#state = EXTENSION;
            // The semicolon itself is read there.
            this.#extensionPlace = EXT_SPACE_AFTER_VALUE;
            this.#lineBytes = this.#digits;
          } else return this.#fail('a chunk size must be hex digits, then CRLF or an extension', at);
          break;
        }
        case EXTENSION: {
          const byte = buffer[at] ?? 0;
          if (byte === CR && this.#extensionPlace >= EXT_NAME) {
            this.#state = SIZE_LF;
            at++;
            break;
          }
          this.#extensionPlace = afterExtensionByte(this.#extensionPlace, byte);
          if (this.#extensionPlace < 0) return this.#fail('a chunk extension must be ;name or ;name=value', at);
          if (++this.#lineBytes > MAX_CHUNK_LINE) return this.#fail('a chunk line may have at most 4096 bytes', at);
          if (++this.#extensionBytes > MAX_EXTENSIONS) {
            return this.#fail('the chunk extensions of a message may have at most 16384 bytes', at);
          }
          at++;
          break;
        }
        case SIZE_LF:
          if (buffer[at] !== LF) return this.#fail('a chunk line must end with CRLF', at);
          at++;
          this.#digits = 0;
          if (this.remaining === 0) {
            this.#state = TRAILERS;
            this.#line = LINE_START;
          } else this.#state = DATA;
          break;
        case DATA: {
          const take = Math.min(this.remaining, end - at);
          this.remaining -= take;
          if (this.remaining === 0) this.#state = DATA_CR;
          sink.bodyData(buffer, at, at + take);
          at += take;
          break;
        }
        case DATA_CR:
          if (buffer[at] !== CR) return this.#fail('chunk data must be followed by CRLF', at);
          at++;
          this.#state = DATA_LF;
          break;
        case DATA_LF:
          if (buffer[at] !== LF) return this.#fail('chunk data must be followed by CRLF', at);
          at++;
          this.#state = SIZE;
          break;
        default:
          at = this.#readTrailers(buffer, at, end, sink);
      }
    }
    return at;
  }

  /** Gathers the trailer section up to and with its blank line. `#line` tells where in a line the reading stands. */
  #readTrailers(buffer: Buffer, start: number, end: number, sink: BodySink): number {
    let at = start;
    while (at < end) {
      const byte = buffer[at++];
      if (byte === LF) {
        if (this.#line === LINE_START_CR) {
          this.#endTrailers(buffer, start, at, sink);
          return at;
        }
        // Told at once, for a section that never ends by CRLF would only be refused by its size or a time-out.
        if (this.#line !== LINE_CR) return this.#fail('a line must end with CRLF, not with a bare LF', at);
        this.#line = LINE_START;
      } else if (byte === CR) this.#line = this.#line === LINE_START ? LINE_START_CR : LINE_CR;
      else this.#line = LINE_INSIDE;
    }
    const held = this.#trailers?.length ?? 0;
    if (held + (end - start) > MAX_TRAILERS) return this.#fail('the trailers may have at most 16384 bytes', at);
    const fresh = buffer.subarray(start, end);
    this.#trailers = this.#trailers === null ? Buffer.from(fresh) : Buffer.concat([this.#trailers, fresh]);
    return at;
  }

  #endTrailers(buffer: Buffer, start: number, end: number, sink: BodySink): void {
    this.done = true;
    if (this.#trailers === null) {
      if (end - start > MAX_TRAILERS) this.#fail('the trailers may have at most 16384 bytes', end);
      else sink.bodyTrailers(buffer, start, end);
      return;
    }
    const whole = Buffer.concat([this.#trailers, buffer.subarray(start, end)]);
    this.#trailers = null;
    if (whole.length > MAX_TRAILERS) this.#fail('the trailers may have at most 16384 bytes', end);
    else sink.bodyTrailers(whole, 0, whole.length);
  }

  #fail(rule: string, at: number): number {
    this.fault = rule;
    return at;
  }
}
