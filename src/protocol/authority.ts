import { HEX_DIGIT, HOST_NAME } from './bytes.ts';
import type { Head } from './head.ts';

/**
 * Reads `host[:port]` (RFC 3986 section 3.2, without userinfo, which RFC 9110 section 4.2.4 wants refused) into the
 * authority fields of `head`. The host is a registered name of letters, digits, `-._~`, an IPv4 address, or an IPv6
 * literal in brackets.
 *
 * @returns null, or the rule that was broken
 */
export function scanAuthority(head: Head, buffer: Buffer, start: number, end: number): string | null {
  head.authorityStart = start;
  head.authorityEnd = end;
  head.port = -1;
  let at = start;
  if (buffer[at] === 91 && at < end) {
    at++;
    let colons = 0;
    while (at < end && buffer[at] !== 93) {
      const byte = buffer[at] ?? 0;
      if (byte === 58) colons++;
      else if (HEX_DIGIT[byte] === 255 && byte !== 46) return 'an IPv6 literal may hold hex digits, colons and dots';
      at++;
    }
    if (at >= end || colons < 2) return 'the IPv6 literal is not complete';
    at++;
  } else {
    while (at < end && HOST_NAME[buffer[at] ?? 0] === 1) at++;
  }
  head.hostEnd = at;
  if (at === start) return 'the host is empty or begins with a byte that no host has';
  if (at === end) return null;
  if (buffer[at] === 64) return 'user information may not stand in the target';
  if (buffer[at] !== 58) return 'the host holds a byte that no host has';
  at++;
  // An empty port is the scheme's default (RFC 3986 section 3.2.3).
  if (at === end) return null;
  let port = 0;
  const first = at;
  for (; at < end; at++) {
    const digit = (buffer[at] ?? 0) - 48;
    if (digit < 0 || digit > 9 || at - first === 5) return badPort(buffer, at, end);
    port = port * 10 + digit;
  }
  if (port < 1 || port > 65535) return badPort(buffer, at, end);
  head.port = port;
  return null;
}

/** A password looks like a port until its end. */
function badPort(buffer: Buffer, at: number, end: number): string {
  return buffer.toString('latin1', at, end).includes('@')
    ? 'user information may not stand in the target'
    : 'the port must be a number from 1 to 65535';
}
