import { HOST_NAME } from './bytes.ts';

/** A ClientHello that has not told its server name within so many bytes is not looked at any more. */
const MAX_BYTES = 8 * 1024;
/** Longer names DNS has not. */
const MAX_NAME = 253;

const HANDSHAKE = 0x16;
const MAJOR = 3;
const CLIENT_HELLO = 1;
/** Version and random, between the header of the message and the session id. */
const FIXED_BYTES = 34;
const SERVER_NAME = 0;
const HOST = 0;

/** Reads off the end of what has come, or of what the lengths allow. */
class Short extends Error {}
const SHORT = new Short('short');

/** The payloads of all records, one after the other, as far as they have come; null: no handshake. */
function unwrap(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== HANDSHAKE || (at + 1 < bytes.length && bytes[at + 1] !== MAJOR)) return null;
    if (at + 5 > bytes.length) break;
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    parts.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return Buffer.concat(parts);
}

/** Walks over vectors of TLS (RFC 8446 section 3.4) within a range. */
class Walk {
  at: number;
  readonly #bytes: Buffer;
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.at = at;
    this.#bytes = bytes;
    this.#end = end;
  }

  get more(): boolean {
    return this.at < this.#end;
  }

  number(bytes: 1 | 2 | 3): number {
    const at = this.at;
    this.skip(bytes);
    return this.#bytes.readUIntBE(at, bytes);
  }

  skip(bytes: number): void {
    this.at += bytes;
    if (this.at > this.#end || this.at > this.#bytes.length) throw SHORT;
  }

  /** The part that a length of so many bytes speaks of, which is passed over. */
  part(lengthBytes: 1 | 2 | 3): Walk {
    const length = this.number(lengthBytes);
    const part = new Walk(this.#bytes, this.at, this.at + length);
    if (this.at + length > this.#end) throw SHORT;
    this.at += length;
    return part;
  }

  text(): string | null {
    for (let at = this.at; at < this.#end; at++) {
      if (at >= this.#bytes.length) throw SHORT;
      if (HOST_NAME[this.#bytes[at] ?? 0] !== 1) return null;
    }
    const length = this.#end - this.at;
    return length === 0 || length > MAX_NAME ? null : this.#bytes.toString('latin1', this.at, this.#end);
  }
}

/** The host name of a server_name extension (RFC 6066 section 3). */
function hostOf(extension: Walk): string | null {
  const list = extension.part(2);
  while (list.more) {
    const type = list.number(1);
    const name = list.part(2);
    if (type === HOST) return name.text();
  }
  return null;
}

/** The server name in the handshake message `bytes`; null: it has none, or is no ClientHello. @throws SHORT where more is needed */
function nameIn(bytes: Buffer): string | null {
  const message = new Walk(bytes, 0, Number.POSITIVE_INFINITY);
  if (message.number(1) !== CLIENT_HELLO) return null;
  const hello = message.part(3);
  hello.skip(FIXED_BYTES);
  hello.part(1);
  hello.part(2);
  hello.part(1);
  if (!hello.more) return null;
  const extensions = hello.part(2);
  while (extensions.more) {
    const type = extensions.number(2);
    const extension = extensions.part(2);
    if (type === SERVER_NAME) return hostOf(extension);
  }
  return null;
}

/**
 * Reads the server name that a TLS client asks for (SNI) beside bytes that pass, at any split, from at most 8 KiB of them. What it says is the
 * app's word alone: to be shown, and not to be relied upon.
 */
export class ClientHelloReader {
  /** Nothing more is read. */
  done = false;
  /** In the letters of the app; null: none was found (yet). */
  serverName: string | null = null;
  #bytes: Buffer = Buffer.alloc(0);

  /** Takes a copy of what it needs. @returns `done` */
  read(buffer: Buffer, length: number): boolean {
    if (this.done) return true;
    const room = MAX_BYTES - this.#bytes.length;
    this.#bytes = Buffer.concat([this.#bytes, buffer.subarray(0, Math.min(length, room))]);
    const message = unwrap(this.#bytes);
    try {
      if (message !== null) this.serverName = nameIn(message);
      this.done = true;
    } catch (error) {
      if (error !== SHORT) throw error;
      this.done = length >= room;
    }
    if (this.done) this.#bytes = Buffer.alloc(0);
    return this.done;
  }
}
