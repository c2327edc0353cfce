import { isIPv4, isIPv6 } from 'node:net';

/** An IP address, read strictly: one spelling of IPv4, those of RFC 4291 for IPv6. */
export type IpAddress = {
  readonly family: 4 | 6;
  /** 4 or 16 bytes, network order. */
  readonly bytes: Uint8Array;
  /** The scope behind `%` (RFC 4007 section 11), or null. It is no part of the address that is compared. */
  readonly zone: string | null;
};

function ipv4Bytes(text: string): number[] {
  return text.split('.').map(Number);
}

/** The 16-bit groups of one side of `::`, an embedded IPv4 tail counted as two. */
function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = ipv4Bytes(group);
    return [a * 256 + b, c * 256 + d];
  });
}

/**
 * Reads an IP address without brackets.
 * @returns null for everything that is not one in its plain spelling: octal (`0177.0.0.1`), hexadecimal
 *   (`0x7f000001`) and short forms (`127.1`, `2130706433`) are what inet_aton makes addresses of behind a check's back.
 */
export function parseIp(text: string): IpAddress | null {
  if (isIPv4(text)) return { family: 4, bytes: Uint8Array.from(ipv4Bytes(text)), zone: null };
  if (!isIPv6(text)) return null;
  const percent = text.indexOf('%');
  const plain = percent < 0 ? text : text.slice(0, percent);
  const gap = plain.indexOf('::');
  const head = groups(gap < 0 ? plain : plain.slice(0, gap));
  const tail = gap < 0 ? [] : groups(plain.slice(gap + 2));
  const bytes = new Uint8Array(16);
  const put = (group: number, index: number) => {
    bytes[index * 2] = group >> 8;
    bytes[index * 2 + 1] = group & 255;
  };
  head.forEach(put);
  tail.forEach((group, index) => {
    put(group, 8 - tail.length + index);
  });
  return { family: 6, bytes, zone: percent < 0 ? null : text.slice(percent + 1) };
}

/** Whether `host` (no brackets) is an address and not a name. */
export function isIpLiteral(host: string): boolean {
  return isIPv4(host) || isIPv6(host);
}

/**
 * Whether `host` is meant as an address but not written as one: its last label is a number (decimal, octal or
 * hexadecimal), as in `127.1`, `2130706433`, `0x7f.1` or `010.0.0.1`. No top-level domain is a number, so nothing is
 * lost by never asking DNS for it (the "ends in a number" rule of the URL standard).
 */
export function isOddAddress(host: string): boolean {
  if (isIpLiteral(host)) return false;
  const name = host.endsWith('.') ? host.slice(0, -1) : host;
  return /^(?:\d+|0x[0-9a-f]*)$/i.test(name.slice(name.lastIndexOf('.') + 1));
}

/** `address:port`, IPv6 in brackets: the identity of an endpoint that static configuration or DNS names. */
export function addressPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Starts of IPv6 addresses that carry an IPv4 address, in bytes, and where in them it stands. */
const EMBEDDINGS: readonly { readonly prefix: readonly number[]; readonly at: number; readonly same: boolean }[] = [
  // ::ffff:a.b.c.d, mapped (RFC 4291 section 2.5.5.2): the kernel dials IPv4.
  { prefix: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], at: 12, same: true },
  // ::ffff:0:a.b.c.d, translated (RFC 2765).
  { prefix: [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0], at: 12, same: false },
  // ::a.b.c.d, compatible (RFC 4291 section 2.5.5.1).
  { prefix: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], at: 12, same: false },
  // 64:ff9b::a.b.c.d, NAT64 (RFC 6052).
  { prefix: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], at: 12, same: false },
  // 2002:aabb:ccdd::, 6to4 (RFC 3056).
  { prefix: [0x20, 0x02], at: 2, same: false },
];

/**
 * The IPv4 address inside an IPv6 one, or null. `same`: it is not only carried but the very address that is dialled
 * (the mapped form).
 */
export function embeddedIpv4(ip: IpAddress): { readonly ip: IpAddress; readonly same: boolean } | null {
  if (ip.family !== 6) return null;
  const { bytes } = ip;
  const form = EMBEDDINGS.find(({ prefix }) => prefix.every((byte, index) => bytes[index] === byte));
  if (!form) return null;
  // :: and ::1 are addresses of their own (RFC 4291 section 2.5.2 and 2.5.3), not 0.0.0.0 and 0.0.0.1 in disguise.
  if (bytes.subarray(0, 15).every((byte) => byte === 0) && (bytes[15] ?? 0) <= 1) return null;
  return { ip: { family: 4, bytes: bytes.slice(form.at, form.at + 4), zone: null }, same: form.same };
}
