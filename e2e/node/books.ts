import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { disagreements, failures, type Ledgers, latencies, repeatedPosts } from '../ledgers.ts';
import { type ClientEntry, clientEntry } from '../load/open-loop.ts';
import { readOriginLedger } from '../origins/ledger.ts';
import { Metrics } from '../sidecar/metrics.ts';
import { until } from '../until.ts';
import type { Site } from './site.ts';
import { scale } from './workloads.ts';

/** What an app in a pod has done: its requests, and when it started, got SIGTERM and ended (milliseconds). */
export type AppRecord = {
  readonly pod: string;
  readonly entries: readonly ClientEntry[];
  readonly times: ReadonlyMap<string, number>;
};

/** The records of the apps whose pods' names begin with `prefix`. */
export function appRecords(site: Site, prefix: string): readonly AppRecord[] {
  return named(site, prefix, '.client').map((pod) => ({
    pod,
    entries: lines(`${site.ledgers}/${pod}.client`).map(clientEntry),
    times: new Map(
      (existsSync(`${site.ledgers}/${pod}.times`) ? lines(`${site.ledgers}/${pod}.times`) : []).map((line) => {
        const [what = '', at] = line.split(' ');
        return [what, Number(at)];
      }),
    ),
  }));
}

/** Waits until the apps have made so many more requests. */
export async function moreRequests(site: Site, prefix: string, count: number): Promise<void> {
  const done = (): number => appRecords(site, prefix).reduce((sum, { entries }) => sum + entries.length, 0);
  const enough = done() + count;
  await until(`${count} more requests of ${prefix}`, () => done() >= enough, 60_000);
}

/**
 * Ends the apps of a Deployment that have sidecars, and compares what the three parties wrote down, of all of its pods that
 * ever were: nothing failed, no POST arrived twice, and the ledgers agree.
 */
export async function closeBooks(test: Test, site: Site, app: string): Promise<Ledgers> {
  await scale(site, app, 0);
  await site.node.untilPods(site.namespace, `app=${app}`, 0);
  const records = appRecords(site, `${app}-`);
  const counted = named(site, `${app}-`, '.metrics');
  test.same(
    records.filter(({ times }) => !times.has('ended')).map(({ pod }) => pod),
    [],
    'each app has ended by itself',
  );
  test.same(counted, records.map(({ pod }) => pod).toSorted(), 'each app has had a sidecar that answered to its end');
  const books = {
    client: records.flatMap(({ entries }) => entries),
    carpool: new Metrics(counted.map((pod) => readFileSync(`${site.ledgers}/${pod}.metrics`, 'utf8')).join('\n')),
    origins: named(site, 'web-', '.origin').flatMap((pod) => readOriginLedger(pod, `${site.ledgers}/${pod}.origin`)),
  };
  const posts = books.client.filter(({ method }) => method === 'POST').length;
  test.comment(
    `${records.length} pods: ${books.client.length} requests, ${posts} POSTs, ${failures(books.client).length} failed; ${latencies(books.client)}`,
  );
  test.same(failures(books.client), [], 'no request failed');
  test.same(repeatedPosts(books.origins), [], 'no POST arrived twice');
  const own = new Set(books.client.map(({ id }) => id));
  const theirs = books.origins.filter(({ id }) => own.has(id));
  test.same(disagreements({ ...books, origins: theirs }), [], 'the three ledgers agree');
  return books;
}

/** Names of pods that have written such a file. */
function named(site: Site, prefix: string, ending: string): readonly string[] {
  return readdirSync(site.ledgers)
    .filter((file) => file.startsWith(prefix) && file.endsWith(ending))
    .map((file) => file.slice(0, -ending.length))
    .toSorted();
}

/** Whole lines only: the last one may be under way. */
function lines(path: string): readonly string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}
