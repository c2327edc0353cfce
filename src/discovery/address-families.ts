import { networkInterfaces } from 'node:os';
import { inRange, parseAddressRange } from './address-range.ts';
import { parseIp } from './ip-address.ts';

/** The address families in which this machine has an address that reaches beyond it. */
export type Families = { readonly ipv4: boolean; readonly ipv6: boolean };

const LOOPBACK = ['127.0.0.0/8', '::1'].map(parseAddressRange);
const LINK_LOCAL = parseAddressRange('fe80::/10');

/** The families of the network interfaces as they are now. */
export function localFamilies(): Families {
  const reaching = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .flatMap(({ address }) => parseIp(address) ?? [])
    .filter((ip) => ![...LOOPBACK, LINK_LOCAL].some((range) => inRange(range, ip)));
  return { ipv4: reaching.some((ip) => ip.family === 4), ipv6: reaching.some((ip) => ip.family === 6) };
}

/**
 * Leaves out the addresses of a family that this machine cannot speak, where the other family has some: in a pod with
 * IPv4 only, the IPv6 addresses of a dual-stack name would be endpoints that fail each time they are picked. It is
 * what getaddrinfo does by AI_ADDRCONFIG and by sorting. Loopback is spoken always.
 */
export function dialable(addresses: readonly string[], families: Families): readonly string[] {
  const kept = addresses.filter((address) => {
    const ip = parseIp(address);
    if (!ip) return false;
    return (ip.family === 4 ? families.ipv4 : families.ipv6) || LOOPBACK.some((range) => inRange(range, ip));
  });
  return kept.length > 0 ? kept : addresses;
}
