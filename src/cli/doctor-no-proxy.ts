import { parseIp } from '../discovery/ip-address.ts';

/** Domains below which names of Services end. */
const SERVICE_DOMAINS = ['svc', 'cluster.local', 'svc.cluster.local'];

/** What a NO_PROXY variable says, as far as clients agree about it: names cover what is below them, ports count for themselves. */
export class NoProxyList {
  readonly #entries: readonly string[];

  constructor(text: string) {
    this.#entries = text
      .split(/[\s,]+/)
      .map((entry) => entry.toLowerCase())
      .filter((entry) => entry !== '');
  }

  /** Whether it switches the proxy off. */
  get everything(): boolean {
    return this.#entries.includes('*');
  }

  /** Entries such as 10.0.0.0/8. */
  get ranges(): readonly string[] {
    return this.#entries.filter((entry) => entry.includes('/'));
  }

  /** Entries that cover the Services of the cluster. */
  get services(): readonly string[] {
    return this.#entries.filter((entry) => SERVICE_DOMAINS.includes(suffix(entry)));
  }

  /** Whether calls to `host` (lower case, no brackets) go past the proxy. A range covers nothing: not all clients know them. */
  covers(host: string): boolean {
    return this.#entries.some((entry) => {
      if (entry === host || entry === `[${host}]`) return true;
      if (parseIp(host) !== null) return false;
      const below = suffix(entry);
      return host === below || host.endsWith(`.${below}`);
    });
  }
}

/** `.example.com` and `*.example.com` mean what `example.com` means to most clients. */
function suffix(entry: string): string {
  return entry.replace(/^\*?\./, '');
}
