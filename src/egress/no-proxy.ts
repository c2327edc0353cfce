import { type AddressRange, inRange, parseAddressRange } from '../discovery/address-range.ts';
import { isIpLiteral, parseIp } from '../discovery/ip-address.ts';

type Entry = {
  /** A name that covers what is below it too; null: any. */
  readonly name: string | null;
  readonly range: AddressRange | null;
  readonly port: number | null;
};

/** One entry as the configuration has checked it: `*`, a name or a `.suffix`, an address, a range; with `:port` if need be. */
function parse(text: string): Entry {
  if (text === '*') return { name: null, range: null, port: null };
  if (text.includes('/') || isIpLiteral(text)) return { name: null, range: parseAddressRange(text), port: null };
  const [, host = text, port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const at = port === undefined ? null : Number(port);
  if (isIpLiteral(bare)) return { name: null, range: parseAddressRange(bare), port: at };
  return { name: host.replace(/^\*?\./, '').replace(/\.$/, ''), range: null, port: at };
}

/** What is called directly although there is a parent proxy (`egress.parentProxy.noProxy`). Names cover what is below them. */
export class NoProxy {
  readonly #entries: readonly Entry[];

  constructor(entries: readonly string[]) {
    this.#entries = entries.map(parse);
  }

  /** @param host lower case, without a trailing dot; an address without brackets */
  covers(host: string, port: number): boolean {
    const ip = parseIp(host);
    return this.#entries.some((entry) => {
      if (entry.port !== null && entry.port !== port) return false;
      if (entry.range !== null) return ip !== null && inRange(entry.range, ip);
      if (entry.name === null) return true;
      return ip === null && (host === entry.name || host.endsWith(`.${entry.name}`));
    });
  }
}
