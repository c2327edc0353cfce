import { parseIp } from './ip-address.ts';

/** Names and their addresses as an /etc/hosts file (hosts(5)) has them, in the order of its lines. */
export type HostsFile = ReadonlyMap<string, readonly string[]>;

/**
 * Reads a hosts file. Lines that are not understood are passed over, as libc does; a name on several lines has all
 * their addresses (glibc's `multi on`, and what Kubernetes hostAliases produce).
 */
export function parseHostsFile(text: string): HostsFile {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (!address || !parseIp(address)) continue;
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, '');
      const addresses = hosts.get(key);
      if (!addresses) hosts.set(key, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }
  return hosts;
}
