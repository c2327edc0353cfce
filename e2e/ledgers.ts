import type { ClientEntry } from './load/open-loop.ts';
import type { OriginEntry } from './origins/ledger.ts';
import type { Metrics } from './sidecar/metrics.ts';

/** What three parties have written down of the same requests. */
export type Ledgers = {
  readonly client: readonly ClientEntry[];
  /** Of one sidecar that did nothing else. */
  readonly carpool: Metrics;
  readonly origins: readonly OriginEntry[];
};

const POSTS = new Set(['POST']);

/** Where the three do not agree, in words; none is the good case. */
export function disagreements({ client, carpool, origins }: Ledgers): readonly string[] {
  const found: string[] = [];
  const compare = (what: string, ours: number, theirs: number): void => {
    if (ours !== theirs) found.push(`${what}: client ${ours}, carpool ${theirs}`);
  };
  for (const [methodClass, methods] of [
    ['read', ['GET']],
    ['write', ['POST']],
  ] as const) {
    const own = client.filter((entry) => methods.some((method) => method === entry.method));
    for (const codeClass of ['2xx', '4xx', '5xx', 'none']) {
      const counted = carpool.sum('carpool_requests_total', { method_class: methodClass, code_class: codeClass });
      compare(`${methodClass} ${codeClass}`, own.filter((entry) => classOf(entry) === codeClass).length, counted);
    }
  }
  const codes = new Set(client.map((entry) => entry.code).filter((code) => code !== '-'));
  for (const code of codes) {
    const own = client.filter((entry) => entry.code === code).length;
    compare(`errors ${code}`, own, carpool.sum('carpool_errors_total', { code }));
  }

  const received = arrivals(origins);
  const known = new Map(client.map((entry) => [entry.id, entry]));
  for (const [id, entries] of received)
    if (!known.has(id)) found.push(`${entries[0]?.origin} received ${id}, which nobody sent`);
  let repeated = 0;
  for (const { id, status, origin } of client) {
    const entries = received.get(id) ?? [];
    repeated += Math.max(0, entries.length - 1);
    if (status === 200 && !entries.some((entry) => entry.origin === origin))
      found.push(`${id} was answered by ${origin}, which has not received it`);
  }
  const retries = carpool.sum('carpool_retries_total');
  if (repeated > retries) found.push(`origins received ${repeated} requests again, carpool counted ${retries} retries`);
  return found;
}

function classOf(entry: ClientEntry): string {
  return entry.status === 0 ? 'none' : `${Math.floor(entry.status / 100)}xx`;
}

/** What reached origins, by request. */
function arrivals(origins: readonly OriginEntry[]): ReadonlyMap<string, readonly OriginEntry[]> {
  const received = new Map<string, OriginEntry[]>();
  for (const entry of origins)
    if (entry.what === 'received') received.set(entry.id, [...(received.get(entry.id) ?? []), entry]);
  return received;
}

/** Ids of POSTs that reached an origin, or two, more than once. */
export function repeatedPosts(origins: readonly OriginEntry[]): readonly string[] {
  return [...arrivals(origins.filter((entry) => POSTS.has(entry.method)))]
    .filter(([, entries]) => entries.length > 1)
    .map(([id, entries]) => `${id} at ${entries.map((entry) => entry.origin).join(', ')}`);
}

/** Requests without a good answer, one line each. */
export function failures(client: readonly ClientEntry[], method?: 'GET' | 'POST'): readonly string[] {
  return client
    .filter((entry) => entry.status !== 200 && (method === undefined || entry.method === method))
    .map(({ method, id, status, code, sentAt, endedAt }) => `${method} ${id}: ${status} ${code} ${sentAt}-${endedAt}`);
}

/** Each origin's share of the requests that were sent in a span of time (milliseconds). */
export function shares(client: readonly ClientEntry[], from: number, to: number): ReadonlyMap<string, number> {
  const within = client.filter((entry) => entry.sentAt >= from && entry.sentAt < to);
  const counts = new Map<string, number>();
  for (const { origin } of within) counts.set(origin, (counts.get(origin) ?? 0) + 1);
  return new Map([...counts].map(([origin, count]) => [origin, count / within.length]));
}

/** Median, 99th percentile and maximum of the answers' times in milliseconds. */
export function latencies(client: readonly ClientEntry[]): string {
  const sorted = client.map((entry) => entry.endedAt - entry.sentAt).toSorted((a, b) => a - b);
  const quantile = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return `p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms, max ${quantile(1)} ms`;
}
