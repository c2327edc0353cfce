import { networkInterfaces } from 'node:os';
import { CarpoolError } from '../errors.ts';
import { type AddressRange, inRange, parseAddressRange } from './address-range.ts';
import { addressPort, embeddedIpv4, type IpAddress, parseIp } from './ip-address.ts';

/** Why an address is not dialled on behalf of an app. */
export type DeniedKind = 'loopback' | 'link-local' | 'metadata' | 'unspecified' | 'multicast' | 'broadcast';

const DENIED: readonly { readonly kind: DeniedKind; readonly range: AddressRange }[] = (
  [
    // The metadata services come first: 169.254.169.254 is link-local too, but this is the word that helps.
    ['metadata', '169.254.169.254', '169.254.170.2', '169.254.170.23'],
    ['metadata', '168.63.129.16', '100.100.100.200', 'fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254'],
    ['loopback', '127.0.0.0/8', '::1'],
    ['link-local', '169.254.0.0/16', 'fe80::/10'],
    // All of 0.0.0.0/8 ("this network", RFC 1122 section 3.2.1.3): Linux dials 0.0.0.0 as loopback.
    ['unspecified', '0.0.0.0/8', '::'],
    ['multicast', '224.0.0.0/4', 'ff00::/8'],
    ['broadcast', '255.255.255.255'],
  ] as const
).flatMap(([kind, ...ranges]) => ranges.map((range) => ({ kind, range: parseAddressRange(range) })));

/** A socket that this process accepts connections on; `host` may be a wildcard (`::`, `0.0.0.0`). */
export type OwnListener = { readonly host: string; readonly port: number };

export type AddressRulesOptions = {
  /** `security.allowAddresses`: exceptions from the denied kinds. */
  readonly allow: readonly string[];
  /** `security.allowLoopback`: loopback may be dialled where the app itself named it. */
  readonly allowLoopback?: boolean;
  /** Every listener of this process: the app's, those of local ports, operator and control. */
  readonly listeners: readonly OwnListener[];
  /** The addresses of this pod; by default those of the network interfaces as they are now. */
  readonly local?: readonly string[];
};

/** The address as the kernel will dial it: a mapped IPv4 address is that IPv4 address. */
function dialled(ip: IpAddress): IpAddress {
  const inner = embeddedIpv4(ip);
  return inner?.same ? inner.ip : ip;
}

function sameAddress(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && a.bytes.every((byte, index) => byte === b.bytes[index]);
}

function kindOf(ip: IpAddress): DeniedKind | null {
  return DENIED.find(({ range }) => inRange(range, ip))?.kind ?? null;
}

/** Which kind of denied address `ip` is, or carries inside, or null: without what `security.allowAddresses` allows. */
export function deniedKind(ip: IpAddress): DeniedKind | null {
  const inner = embeddedIpv4(ip);
  return kindOf(ip) ?? (inner ? kindOf(inner.ip) : null);
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}

function parseAll(addresses: readonly string[]): IpAddress[] {
  return addresses.flatMap((address) => parseIp(address) ?? []).map(dialled);
}

/** An app that calls the proxy's own port as if it were the upstream gets here, by HTTP/2 above all: its `:authority` is what it dialled. */
const LOOP_HINT =
  'The request names carpool itself as its destination. Set the proxy in the app (HTTP_PROXY), call a local port of a destination (destinations[].localPort), or name the upstream: by HTTP/2 in :authority, else in an absolute URL.';

/** The app itself has named its own pod. */
const LOOPBACK_HINT =
  'Calls of the app to its own pod are not proxied. Add localhost,127.0.0.1,::1 to NO_PROXY (and no_proxy) so that it makes them directly; where its client knows no NO_PROXY, set security.allowLoopback: true.';

const loopWords = (address: string, port: number): string =>
  `${addressPort(address, port)} is a listener of carpool itself`;

/**
 * Which addresses may be dialled for an app that named the destination (robustness rule 26). It is asked when an
 * endpoint is told, with the address that will be dialled, so a name that resolves to something else a moment later
 * gains nothing.
 */
export class AddressRules {
  readonly #allow: readonly AddressRange[];
  readonly #allowLoopback: boolean;
  readonly #local: readonly IpAddress[];
  /** By port: the addresses listened on. */
  readonly #listeners = new Map<number, IpAddress[]>();

  /** @throws CarpoolError CONFIG_INVALID where an entry of `allow` is neither an address nor a range */
  constructor(options: AddressRulesOptions) {
    this.#allow = options.allow.map(parseAddressRange);
    this.#allowLoopback = options.allowLoopback ?? false;
    this.#local = parseAll(options.local ?? interfaceAddresses());
    for (const { host, port } of options.listeners) {
      const addresses = parseAll(host === 'localhost' ? ['127.0.0.1', '::1'] : [host]);
      this.#listeners.set(port, [...(this.#listeners.get(port) ?? []), ...addresses]);
    }
  }

  /**
   * Null where `address` (an IP literal, a zone id allowed) may be dialled at `port`, else the error to answer with.
   * @param named the app itself named this address, or localhost: no name of DNS has led to it
   */
  check(address: string, port: number, named = false): CarpoolError | null {
    const ip = parseIp(address);
    if (!ip)
      return new CarpoolError(
        'DESTINATION_DENIED',
        `${JSON.stringify(address)} is not an IP address in its plain form`,
        {
          hint: 'Write IPv4 addresses as four decimal numbers without leading zeros, IPv6 addresses as in RFC 4291.',
        },
      );
    if (this.#isOwn(ip, port))
      return new CarpoolError('LOOP', loopWords(address, port), { hint: LOOP_HINT, misuse: 'server' });
    const kind = deniedKind(ip);
    if (!kind || this.#allowed(ip) || (kind === 'loopback' && named && this.#allowLoopback)) return null;
    const inner = embeddedIpv4(ip);
    const disguise = inner ? ` (it carries ${inner.ip.bytes.join('.')})` : '';
    const own = kind === 'loopback' && named;
    return new CarpoolError(
      'DESTINATION_DENIED',
      `${address}${disguise} is a ${kind} address, which is not proxied; security.${own ? 'allowLoopback' : 'allowAddresses'} would allow it`,
      own ? { hint: LOOPBACK_HINT, misuse: 'loopback' } : {},
    );
  }

  /**
   * The part of `check` that no setting lifts, for endpoints that are allowed by being written in the configuration:
   * LOOP where `address:port` is one of this process's own listeners.
   */
  checkOwn(address: string, port: number): CarpoolError | null {
    const ip = parseIp(address);
    if (!ip || !this.#isOwn(ip, port)) return null;
    return new CarpoolError('LOOP', loopWords(address, port), { hint: LOOP_HINT });
  }

  #allowed(ip: IpAddress): boolean {
    const real = dialled(ip);
    return this.#allow.some((range) => inRange(range, ip) || inRange(range, real));
  }

  #isOwn(ip: IpAddress, port: number): boolean {
    const listeners = this.#listeners.get(port) ?? [];
    const forms = [dialled(ip), embeddedIpv4(ip)?.ip ?? ip];
    return forms.some((form) => listeners.some((listener) => this.#reaches(form, listener)));
  }

  /** Whether dialling `ip` (at the listener's port) arrives at a socket bound to `listener`. */
  #reaches(ip: IpAddress, listener: IpAddress): boolean {
    const kind = kindOf(ip);
    // The kernel dials the unspecified address as loopback of the same family, and a wildcard is bound there too.
    if (kind === 'unspecified') return kindOf(listener) === 'loopback' || kindOf(listener) === 'unspecified';
    if (kindOf(listener) === 'unspecified')
      return kind === 'loopback' || this.#local.some((local) => sameAddress(local, ip));
    return sameAddress(ip, listener);
  }
}
