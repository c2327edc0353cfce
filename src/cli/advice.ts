import { stringify } from 'yaml';
import { figure, ms, percent } from '../status/number-words.ts';
import { FAILURE_RULES } from './advice-failures.ts';
import { POOL_RULES } from './advice-pool.ts';
import type { Finding } from './advice-rule.ts';
import { meanMs, quantileMs, sum } from './counters-reading.ts';
import { type LoadWindow, rateOf, requestsIn } from './load-window.ts';

export type Advice = {
  /** The numbers behind it, whatever is found. */
  readonly evidence: readonly string[];
  /** No request ended: where there are no findings, that says nothing. */
  readonly idle: boolean;
  readonly findings: readonly Finding[];
};

/** What the load of a destination says about its settings; empty findings: nothing to change, unless it was `idle`. */
export function adviseOn(window: LoadWindow): Advice {
  const findings: Finding[] = [];
  for (const rule of [...FAILURE_RULES, ...POOL_RULES]) {
    const finding = rule(window);
    if (finding !== null) findings.push(finding);
  }
  return { evidence: evidenceOf(window), idle: requestsIn(window) === 0, findings };
}

function evidenceOf(window: LoadWindow): string[] {
  const { counted, pool, peakInUse, peakPending } = window;
  const requests = requestsIn(window);
  if (requests === 0) return ['no request ended'];
  const served = counted.reused + counted.fresh;
  const reuse = served === 0 ? '' : `; ${percent(counted.reused / served)} on a connection that had served before`;
  const lines = [
    `${requests} requests (${figure(rateOf(window))}/s), ${ms(meanMs(counted.duration))} on average, 99 % within about ${ms(quantileMs(counted.duration, 0.99))}${reuse}`,
    `at most ${peakInUse} of ${pool.maxConnections} connections in use, ${peakPending} requests waiting${
      counted.acquire.count === 0 ? '' : `; 95 % had a connection within about ${ms(quantileMs(counted.acquire, 0.95))}`
    }`,
  ];
  const own = sum(counted.errors);
  const failed = counted.codes.get('5xx') ?? 0;
  lines.push(`${own} errors of carpool's own, ${failed} answers of 500 and above`);
  return lines;
}

/** The settings of all findings as an entry of `destinations`; empty where there are none. Of two findings about one setting the first counts. */
export function asYaml(match: string, findings: readonly Finding[]): string {
  const entry: Record<string, unknown> = { match };
  const groups = new Map<string, Record<string, unknown>>();
  for (const { settings } of findings)
    for (const [path, value] of Object.entries(settings)) {
      const [group = '', name] = path.split('.');
      if (name === undefined) {
        entry[group] ??= value;
        continue;
      }
      const values = groups.get(group) ?? {};
      values[name] ??= value;
      groups.set(group, values);
      entry[group] = values;
    }
  if (Object.keys(entry).length === 1) return '';
  return stringify({ destinations: [entry] }, { collectionStyle: 'any', lineWidth: 0 });
}
