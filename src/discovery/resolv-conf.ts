import { parseIp } from './ip-address.ts';

/** What resolv.conf(5) says, with its limits applied. */
export type ResolvConf = {
  /** As `Resolver.setServers` takes them: `address`, `address:port` or `[address]:port`. Never empty. */
  readonly nameservers: readonly string[];
  /** Domains without dots at their ends; the root is the empty string. */
  readonly search: readonly string[];
  /** Names with at least this many dots are asked as they are first. */
  readonly ndots: number;
  /** For one try at one nameserver. */
  readonly timeoutMs: number;
  /** Rounds through the nameservers. */
  readonly attempts: number;
  /** Whether lookups start at another nameserver each time. */
  readonly rotate: boolean;
  /** `options no-aaaa` (glibc 2.36): IPv6 addresses are not asked for. */
  readonly noAaaa: boolean;
};

/** glibc's MAXNS; more are ignored there too. */
const MAX_NAMESERVERS = 3;
/** What Kubernetes allows in a pod's dnsConfig. */
const MAX_SEARCH = 32;

/**
 * A nameserver as `setServers` wants it, or null. Ports (`127.0.0.1:5353`, `[::1]:5353`) are an extension of ours:
 * libc knows port 53 only.
 */
function parseNameserver(text: string): string | null {
  if (parseIp(text)) return text;
  const withPort = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = parseIp(withPort?.[1] ?? withPort?.[2] ?? '');
  const port = Number(withPort?.[3]);
  if (!address || !(port >= 1 && port <= 65_535)) return null;
  // An IPv4 address in brackets is neither form.
  return (address.family === 6) === text.startsWith('[') ? text : null;
}

/** The number behind `name:` within what libc accepts. Digits only, as glibc's atoi would stop there as well. */
function numericOption(option: string, name: string, min: number, max: number): number | null {
  const value = option.startsWith(`${name}:`) ? /^\d+/.exec(option.slice(name.length + 1)) : null;
  return value ? Math.min(max, Math.max(min, Number(value[0]))) : null;
}

/** Reads a resolv.conf. What is not understood is ignored; without a nameserver it is 127.0.0.1, as in libc. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let search: string[] = [];
  let ndots = 1;
  let timeoutMs = 5_000;
  let attempts = 2;
  let rotate = false;
  let noAaaa = false;
  for (const line of text.split('\n')) {
    const [keyword = '', ...rest] = line.trim().split(/\s+/);
    const comment = rest.findIndex((word) => /^[#;]/.test(word));
    const words = comment < 0 ? rest : rest.slice(0, comment);
    if (keyword === 'nameserver') {
      const server = parseNameserver(words[0] ?? '');
      if (server && nameservers.length < MAX_NAMESERVERS) nameservers.push(server);
    } else if (keyword === 'search' || keyword === 'domain') {
      // The last of either kind wins.
      const domains = keyword === 'domain' ? words.slice(0, 1) : words;
      search = domains.slice(0, MAX_SEARCH).map((domain) => domain.toLowerCase().replace(/^\.+|\.+$/g, ''));
    } else if (keyword === 'options') {
      for (const option of words) {
        ndots = numericOption(option, 'ndots', 0, 15) ?? ndots;
        timeoutMs = (numericOption(option, 'timeout', 1, 30) ?? timeoutMs / 1_000) * 1_000;
        attempts = numericOption(option, 'attempts', 1, 5) ?? attempts;
        if (option === 'rotate') rotate = true;
        if (option === 'no-aaaa') noAaaa = true;
      }
    }
  }
  if (nameservers.length === 0) nameservers.push('127.0.0.1');
  return { nameservers, search, ndots, timeoutMs, attempts, rotate, noAaaa };
}

/** The longest name that fits a DNS message in text form (RFC 1035 section 2.3.4, without the root's dot). */
const MAX_NAME = 253;

/**
 * The absolute names to ask for, in order, as glibc's res_search does: as it is first where it has `ndots` dots, then
 * below each search domain, and as it is last where that was not done yet. A trailing dot says "as it is, only".
 */
export function searchCandidates(name: string, conf: Pick<ResolvConf, 'search' | 'ndots'>): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const dots = name.split('.').length - 1;
  const below = conf.search.map((domain) => (domain === '' ? name : `${name}.${domain}`));
  const all = dots >= conf.ndots ? [name, ...below] : [...below, name];
  return [...new Set(all)].filter((candidate) => candidate.length <= MAX_NAME);
}

/** The cluster's domain: what follows `svc.` in the search list that the kubelet writes. */
export function clusterDomain(conf: Pick<ResolvConf, 'search'>): string {
  const services = conf.search.find((domain) => domain.startsWith('svc.') && domain.length > 4);
  return services ? services.slice(4) : 'cluster.local';
}
