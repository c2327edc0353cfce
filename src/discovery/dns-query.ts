import { Resolver } from 'node:dns';
import type { Clock } from '../clock.ts';

/** The response code of an answer (RFC 1035 section 4.1.1), or what kept us from one. */
export type Rcode =
  | 'NOERROR'
  | 'NODATA'
  | 'NXDOMAIN'
  | 'SERVFAIL'
  | 'REFUSED'
  | 'NOTIMP'
  | 'FORMERR'
  | 'BADRESP'
  | 'UNREACHABLE'
  | 'TIMEOUT'
  | 'CANCELLED';

/** One nameserver's answer to one question; `addresses` is empty unless `rcode` is NOERROR. */
export type DnsReply = {
  readonly rcode: Rcode;
  readonly addresses: readonly string[];
  /** The lowest of the records on the way, CNAMEs included. */
  readonly ttlMs: number;
};

const RCODES: Readonly<Record<string, Rcode>> = {
  ENODATA: 'NODATA',
  ENOTFOUND: 'NXDOMAIN',
  ESERVFAIL: 'SERVFAIL',
  EREFUSED: 'REFUSED',
  ENOTIMP: 'NOTIMP',
  EFORMERR: 'FORMERR',
  EBADRESP: 'BADRESP',
  ECONNREFUSED: 'UNREACHABLE',
  ETIMEOUT: 'TIMEOUT',
  ECANCELLED: 'CANCELLED',
};

function reply(error: NodeJS.ErrnoException | null, records: readonly { address: string; ttl: number }[]): DnsReply {
  if (error) return { rcode: RCODES[error.code ?? ''] ?? 'BADRESP', addresses: [], ttlMs: 0 };
  // A CNAME whose target has no record of this type comes as an empty list.
  if (records.length === 0) return { rcode: 'NODATA', addresses: [], ttlMs: 0 };
  let ttl = Number.POSITIVE_INFINITY;
  // c-ares has lowered each address's TTL to that of the CNAMEs before it. RFC 2181 section 8: a TTL with its top bit
  // set counts as zero.
  for (const record of records) ttl = Math.min(ttl, record.ttl > 0x7fffffff ? 0 : record.ttl);
  return { rcode: 'NOERROR', addresses: [...new Set(records.map(({ address }) => address))], ttlMs: ttl * 1_000 };
}

/** A question under way. */
export type DnsQuestion = { readonly reply: Promise<DnsReply>; cancel(): void };

/**
 * Asks one nameserver once for the A (4) or AAAA (6) records of an absolute name; over TCP again where the answer was
 * truncated. The promise never rejects.
 *
 * Each question has a resolver of its own, because a c-ares channel learns: after some quick answers a try gets a few
 * times what they took in place of `timeoutMs` (about a second where 5 s were set), and a name that takes longer to be
 * looked up, as external ones may, would fail here while it works for the app. It also means a fresh source port each
 * time. Answers with another id, another question or from another address are dropped by c-ares, and the wait goes on.
 *
 * The clock ends the wait at `timeoutMs`; c-ares does too, in real time, but node looks at its timers only so often
 * that one second becomes two.
 */
export function askNameserver(
  server: string,
  name: string,
  family: 4 | 6,
  timeoutMs: number,
  clock: Clock,
): DnsQuestion {
  // maxTimeout: without it c-ares waits at least 250 ms.
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1, maxTimeout: timeoutMs });
  let timedOut = false;
  const timer = clock.setTimer(() => {
    timedOut = true;
    resolver.cancel();
  }, timeoutMs);
  const answered = new Promise<DnsReply>((resolve) => {
    const done = (error: NodeJS.ErrnoException | null, records?: readonly { address: string; ttl: number }[]) => {
      timer.cancel();
      const answer = reply(error, records ?? []);
      resolve(timedOut && answer.rcode === 'CANCELLED' ? { ...answer, rcode: 'TIMEOUT' } : answer);
    };
    try {
      resolver.setServers([server]);
      if (family === 4) resolver.resolve4(name, { ttl: true }, done);
      else resolver.resolve6(name, { ttl: true }, done);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
  return { reply: answered, cancel: () => resolver.cancel() };
}
