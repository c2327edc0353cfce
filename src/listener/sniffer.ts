import { CR, SP, TARGET, TOKEN_LOWER } from '../protocol/bytes.ts';
import { PREFACE } from '../protocol/http2/frame-types.ts';

/** What the first bytes of an app tell: `unclear` asks for more of them, `other` is no protocol that can be pooled. */
export type Verdict = 'unclear' | 'http1' | 'http2' | 'tls' | 'other';

/** The first line of HTTP/2's preface (RFC 9113 section 3.4). */
const PREFACE_LINE = PREFACE.indexOf(CR);
/** A TLS record that carries a handshake, and the major version of all its versions (RFC 8446 section 5.1). */
const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR = 0x03;

const VERSION = Buffer.from('HTTP/1', 'latin1');
/** Longer methods there are none. */
const MAX_METHOD = 32;
/** A request line that is longer still is one for the scanner to judge; what begins with no path is none. */
const MAX_LINE = 4096;

const SLASH = 47;
const ASTERISK = 42;

/** Where in a request line the next byte stands. */
const IN_METHOD = 0;
const IN_TARGET = 1;
const IN_VERSION = 2;

/**
 * Tells by its first bytes what an app speaks inside a CONNECT, at any split. A request line counts only whole, up to its version: a protocol of
 * its own may begin with a word and a path, and must not be taken for HTTP.
 */
export class Sniffer {
  #verdict: Verdict = 'unclear';
  #seen = 0;
  #place = IN_METHOD;
  /** Bytes of the part of the line that is being read. */
  #length = 0;
  /** Whether all bytes so far are those of the preface; or those of a TLS record. */
  #preface = true;
  #record = false;
  #path = false;

  get verdict(): Verdict {
    return this.#verdict;
  }

  /** Reads on. Once clear, a verdict stays. */
  read(buffer: Buffer, length: number): Verdict {
    for (let at = 0; at < length && this.#verdict === 'unclear'; at++) this.#verdict = this.#byte(buffer[at] ?? 0);
    return this.#verdict;
  }

  #byte(byte: number): Verdict {
    const index = this.#seen++;
    if (this.#record) return byte === TLS_MAJOR ? 'tls' : 'other';
    if (index === 0 && byte === TLS_HANDSHAKE) {
      this.#record = true;
      return 'unclear';
    }
    if (index >= MAX_LINE) return this.#path ? 'http1' : 'other';
    const verdict = this.#line(byte);
    if (!this.#preface) return verdict;
    this.#preface = byte === PREFACE[index];
    if (!this.#preface) return verdict;
    return index + 1 === PREFACE_LINE ? 'http2' : 'unclear';
  }

  #line(byte: number): Verdict {
    if (this.#place === IN_METHOD) {
      if (byte === SP && this.#length > 0) return this.#next(IN_TARGET);
      return TOKEN_LOWER[byte] !== 0 && ++this.#length <= MAX_METHOD ? 'unclear' : 'other';
    }
    if (this.#place === IN_TARGET) {
      if (byte === SP && this.#length > 0) return this.#next(IN_VERSION);
      if (this.#length++ === 0) this.#path = byte === SLASH || byte === ASTERISK;
      return TARGET[byte] === 1 ? 'unclear' : 'other';
    }
    if (byte !== VERSION[this.#length++]) return 'other';
    return this.#length === VERSION.length ? 'http1' : 'unclear';
  }

  #next(place: number): Verdict {
    this.#place = place;
    this.#length = 0;
    return 'unclear';
  }
}
