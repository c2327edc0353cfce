import { readFileSync } from 'node:fs';
import type { Cluster } from './cluster.ts';
import { at, textAt } from './json.ts';

/** One request as the API server saw it. */
export type ApiRequest = {
  readonly verb: string;
  readonly resource: string;
  readonly namespace: string;
  readonly uri: string;
  readonly status: number;
  readonly beganAt: number;
  /** null: it has not ended yet. */
  readonly endedAt: number | null;
};

/** What service accounts of a namespace have asked of the API server, the oldest first; watches that run included. */
export function apiRequests(cluster: Cluster, namespace: string): readonly ApiRequest[] {
  const requests = new Map<string, ApiRequest>();
  for (const line of readFileSync(cluster.file('logs/audit.log'), 'utf8').split('\n').slice(0, -1)) {
    if (!line.includes(`system:serviceaccount:${namespace}:`)) continue;
    const event: unknown = JSON.parse(line);
    requests.set(textAt(event, 'auditID'), {
      verb: textAt(event, 'verb'),
      resource: textAt(event, 'objectRef', 'resource'),
      namespace: textAt(event, 'objectRef', 'namespace'),
      uri: textAt(event, 'requestURI'),
      status: Number(at(event, 'responseStatus', 'code') ?? 0),
      beganAt: Date.parse(textAt(event, 'requestReceivedTimestamp')),
      endedAt: textAt(event, 'stage') === 'ResponseComplete' ? Date.parse(textAt(event, 'stageTimestamp')) : null,
    });
  }
  return [...requests.values()];
}

/** How many watches of EndpointSlices ran at the same time, at most. */
export function mostWatches(requests: readonly ApiRequest[]): number {
  const watches = requests.filter((request) => request.verb === 'watch' && request.resource === 'endpointslices');
  const changes = watches.flatMap(({ beganAt, endedAt }) => [
    { at: beganAt, by: 1 },
    { at: endedAt ?? Number.POSITIVE_INFINITY, by: -1 },
  ]);
  let running = 0;
  let most = 0;
  for (const change of changes.toSorted((a, b) => a.at - b.at || a.by - b.by)) {
    running += change.by;
    most = Math.max(most, running);
  }
  return most;
}
