import { CarpoolError } from '../errors.ts';
import { type IpAddress, parseIp } from './ip-address.ts';

/** A block of addresses of one family: those whose first `bits` bits are those of `bytes`. */
export type AddressRange = {
  readonly family: 4 | 6;
  readonly bytes: Uint8Array;
  readonly bits: number;
};

/** A byte's worth of the mask of `bits` bits, at byte `index`. */
function maskByte(bits: number, index: number): number {
  const here = Math.min(8, Math.max(0, bits - index * 8));
  return (0xff << (8 - here)) & 0xff;
}

/** Whether `ip` lies in `range`. A zone id makes no difference; another family never matches. */
export function inRange(range: AddressRange, ip: IpAddress): boolean {
  if (range.family !== ip.family) return false;
  for (let index = 0; index * 8 < range.bits; index++) {
    const difference = (range.bytes[index] ?? 0) ^ (ip.bytes[index] ?? 0);
    if (difference & maskByte(range.bits, index)) return false;
  }
  return true;
}

/**
 * Reads `10.0.0.0/8`, `fd00::/8`, `127.0.0.1` or `::1`: one entry of `security.allowAddresses`.
 * @throws CarpoolError CONFIG_INVALID, with words that say what is wrong and what would do
 */
export function parseAddressRange(text: string): AddressRange {
  const invalid = (why: string) => new CarpoolError('CONFIG_INVALID', `"${text}" ${why}`);
  const slash = text.indexOf('/');
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (!ip) throw invalid('is neither an IP address nor a range such as 10.0.0.0/8 or fd00::/8');
  if (ip.zone !== null) throw invalid('has a zone id, which does not take part in the comparison: leave it out');
  const width = ip.family === 4 ? 32 : 128;
  if (slash < 0) return { family: ip.family, bytes: ip.bytes, bits: width };
  const length = text.slice(slash + 1);
  const bits = /^(?:0|[1-9]\d{0,2})$/.test(length) ? Number(length) : Number.NaN;
  if (!(bits <= width)) throw invalid(`needs a prefix length from 0 to ${width} behind the slash`);
  // 127.0.0.1/8 may mean one address or sixteen million: for a list of exceptions that is too much of a difference.
  if (ip.bytes.some((byte, index) => byte & ~maskByte(bits, index)))
    throw invalid(
      `has bits set behind its prefix of ${bits} bits: write the first address of the range, or one address`,
    );
  return { family: ip.family, bytes: ip.bytes, bits };
}
