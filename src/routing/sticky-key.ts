import { hostname, networkInterfaces } from 'node:os';
import type { DestinationPolicy, StickyPolicy } from '../config/types.ts';
import { hashBytes, hashText } from '../pool/hash.ts';
import { equalsIgnoringCase } from '../protocol/bytes.ts';
import { FIELD_COOKIE } from '../protocol/field-names.ts';
import type { Head } from '../protocol/head.ts';

const SPACE = 32;
const TAB = 9;
const QUOTE = 34;
const SEMICOLON = 59;
const EQUALS = 61;

const isBlank = (byte: number | undefined): boolean => byte === SPACE || byte === TAB;

/** What this sidecar is known by: its pod's address as it was told, else the first address that others can reach, else the host's name. */
export function ownAddress(podAddress: string | null): string {
  if (podAddress !== null) return podAddress;
  for (const addresses of Object.values(networkInterfaces())) {
    const outer = addresses?.find(({ internal }) => !internal);
    if (outer !== undefined) return outer.address;
  }
  return hostname();
}

/**
 * Reads from a request what it has in common with others that go to the same endpoint (balancer `sticky`). One for each policy. It works on
 * bytes: a value is hashed where it stands.
 */
export class StickyKeyReader {
  /** The key of what has no header and no cookie: tunnels, and requests that lack theirs. */
  readonly addressKey: number;
  readonly #by: StickyPolicy['by'];
  /** The name of the header, in lower case. */
  readonly #header: string;
  /** That of the cookie, as it is written. */
  readonly #cookie: Buffer;

  /** @param address see `ownAddress` */
  constructor({ by, name }: StickyPolicy, address: string) {
    this.addressKey = hashText(address);
    this.#by = name === null ? 'address' : by;
    this.#header = (name ?? '').toLowerCase();
    this.#cookie = Buffer.from(name ?? '', 'latin1');
  }

  /** The reader that a policy wants, or null: its balancer asks for no key. @param podAddress see `ownAddress` */
  static of({ balancer, sticky }: DestinationPolicy, podAddress: string | null): StickyKeyReader | null {
    return balancer === 'sticky' ? new StickyKeyReader(sticky, ownAddress(podAddress)) : null;
  }

  /** From 0 to 2³¹ − 1. */
  keyOf(head: Head): number {
    if (this.#by === 'header') return this.#headerKey(head);
    return this.#by === 'cookie' ? this.#cookieKey(head) : this.addressKey;
  }

  /** The first field of that name; an empty one says nothing. */
  #headerKey(head: Head): number {
    const { buffer, fieldCount, lineStarts, nameEnds } = head;
    for (let index = 0; index < fieldCount; index++) {
      if (!equalsIgnoringCase(buffer, lineStarts[index] ?? 0, nameEnds[index] ?? 0, this.#header)) continue;
      const start = head.valueStarts[index] ?? 0;
      const end = head.valueEnds[index] ?? 0;
      return start < end ? hashBytes(buffer, start, end) : this.addressKey;
    }
    return this.addressKey;
  }

  /** The first cookie of that name, in whichever Cookie field: by HTTP/2 each may come in one of its own (RFC 9113 section 8.2.3). */
  #cookieKey(head: Head): number {
    if (head.cookieField < 0) return this.addressKey;
    for (let index = head.cookieField; index < head.fieldCount; index++) {
      if (head.fieldIds[index] !== FIELD_COOKIE) continue;
      const key = this.#pair(head.buffer, head.valueStarts[index] ?? 0, head.valueEnds[index] ?? 0);
      if (key >= 0) return key;
    }
    return this.addressKey;
  }

  /** The value of the cookie in `name=value; name=value` (RFC 6265 section 4.2.1), hashed; -1 where it is not there, or empty. */
  #pair(buffer: Buffer, start: number, end: number): number {
    for (let at = start; at < end; ) {
      let pairEnd = at;
      while (pairEnd < end && buffer[pairEnd] !== SEMICOLON) pairEnd++;
      const key = this.#value(buffer, at, pairEnd);
      if (key >= 0) return key;
      at = pairEnd + 1;
    }
    return -1;
  }

  #value(buffer: Buffer, pairStart: number, pairEnd: number): number {
    const name = this.#cookie;
    let start = pairStart;
    let end = pairEnd;
    while (start < end && isBlank(buffer[start])) start++;
    while (end > start && isBlank(buffer[end - 1])) end--;
    for (let at = 0; at < name.length; at++) if (buffer[start + at] !== name[at]) return -1;
    start += name.length;
    if (start >= end || buffer[start] !== EQUALS) return -1;
    start++;
    // Quotes belong to the value to some, and not to others: the same cookie must not have two keys.
    if (end - start >= 2 && buffer[start] === QUOTE && buffer[end - 1] === QUOTE) {
      start++;
      end--;
    }
    return start < end ? hashBytes(buffer, start, end) : -1;
  }
}
