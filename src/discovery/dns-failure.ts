import { CarpoolError } from '../errors.ts';
import type { Rcode } from './dns-query.ts';

/** What became of one candidate name: the replies by family, and who gave them. */
export type Asked = {
  readonly name: string;
  readonly ipv4: Rcode;
  /** Null where IPv6 was not asked for. */
  readonly ipv6: Rcode | null;
  readonly servers: readonly string[];
};

/** Names written out in one message; a search list may have 32. */
const MAX_NAMED = 8;

function inWords(asked: readonly Asked[]): string {
  const named = asked.slice(0, MAX_NAMED).map(({ name, ipv4, ipv6, servers }) => {
    const rcodes = ipv6 === null || ipv6 === ipv4 ? ipv4 : `A ${ipv4}, AAAA ${ipv6}`;
    return `${name || '.'} ${rcodes} (${servers.join(', ')})`;
  });
  const more = asked.length - named.length;
  return named.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** Every candidate was answered, and none has an address. */
export function noSuchName(host: string, asked: readonly Asked[]): CarpoolError {
  return new CarpoolError('NO_ROUTE', `${host} has no address in DNS: ${inWords(asked)}`);
}

/** A nameserver answered with an error of its own, which says nothing about the name. */
export function nameserverFailed(host: string, asked: readonly Asked[]): CarpoolError {
  const failed = 'answered with an error: look at the log of cluster DNS and at what it forwards to.';
  // Cluster DNS that forwards to nobody fails every name that is none of the cluster's, a misspelt Service's too.
  const absent = asked.some(({ ipv4, ipv6 }) => ipv4 === 'NXDOMAIN' || ipv6 === 'NXDOMAIN');
  return new CarpoolError('NO_ROUTE', `the nameservers could not look ${host} up: ${inWords(asked)}`, {
    hint: absent
      ? `Check the spelling of the name, for the search list does not have it. If it is right and of the outside, the nameservers of /etc/resolv.conf ${failed}`
      : `The nameservers of /etc/resolv.conf ${failed}`,
  });
}

/** No nameserver answered about one of the names. */
export function lookupTimedOut(host: string, asked: readonly Asked[]): CarpoolError {
  return new CarpoolError('DNS_TIMEOUT', `looking ${host} up timed out: ${inWords(asked)}`);
}

/** Nothing was asked, because the name cannot be one. */
export function unusableName(host: string, why: string): CarpoolError {
  return new CarpoolError('NO_ROUTE', `${JSON.stringify(host)} ${why}`, {
    hint: 'Write a DNS name, an IPv4 address as four decimal numbers without leading zeros, or an IPv6 address.',
  });
}
