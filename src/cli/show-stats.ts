import { wrapped } from './finding-lines.ts';
import { type JsonObject, listAt, numberAt, objectAt, textAt } from './json-reader.ts';
import type { Paper } from './paper.ts';
import type { Shown } from './show.ts';
import { type Asking, ask, askFindings } from './status-reading.ts';
import { age } from './times.ts';

/** Problems of Kubernetes discovery that are written out; the log has them all. */
const MOST_PROBLEMS = 5;
const NAME_WIDTH = 14;

/** `carpool stats`: the sidecar and its totals. */
export async function lookAtStats(asking: Asking): Promise<Shown> {
  const stats = await ask(asking, '/stats', null);
  const findings = await askFindings(asking, null);
  return { json: Object.fromEntries(stats), text: (paper) => statsText(stats, paper), empty: '', findings };
}

function statsText(stats: JsonObject, paper: Paper): string {
  const sidecar = objectAt(stats, 'process');
  const limits = objectAt(sidecar, 'limits');
  const reloads = objectAt(sidecar, 'reloads');
  const destinations = listAt(stats, 'destinations');
  const sum = (key: string) => destinations.reduce((total, each) => total + numberAt(each, key), 0);
  const lines: [string, string][] = [
    ['version', textAt(sidecar, 'version')],
    ['state', `${textAt(sidecar, 'state')}, up ${age(numberAt(sidecar, 'uptimeMs'))}`],
    ['exchanges', `${numberAt(sidecar, 'exchanges')} in progress, ${numberAt(sidecar, 'tunnels')} tunnels`],
    ['downstream', `${numberAt(sidecar, 'downstreamConnections')} connections`],
    [
      'upstream',
      `${numberAt(sidecar, 'upstreamConnections')} of ${numberAt(limits, 'maxConnections')} connections: ${sum('active')} active, ${sum('idle')} idle, ${sum('connecting')} connecting, ${sum('draining')} draining`,
    ],
    ['pending', `${sum('pending')} requests`],
    [
      'buffers',
      `${mebibytes(numberAt(sidecar, 'bufferedBytes'))} of ${mebibytes(numberAt(limits, 'bufferBytes'))} MiB`,
    ],
    ['destinations', String(destinations.length)],
    ['reloads', `${numberAt(reloads, 'applied')} applied, ${numberAt(reloads, 'refused')} refused`],
  ];
  lines.push(...kubernetesLines(sidecar));
  if (textAt(reloads, 'lastError') !== '') lines.push(['last refusal', textAt(reloads, 'lastError')]);
  return lines
    .flatMap(([name, words]) =>
      wrapped(words, paper, NAME_WIDTH).map((line, i) => `${(i === 0 ? name : '').padEnd(NAME_WIDTH)}${line}\n`),
    )
    .join('');
}

/** Whether Kubernetes tells of endpoints, and what keeps it from that; nothing where it is not asked. */
function kubernetesLines(sidecar: JsonObject): [string, string][] {
  const kubernetes = objectAt(sidecar, 'kubernetes');
  const problems = listAt(kubernetes, 'problems').slice(0, MOST_PROBLEMS);
  if (problems.length > 0)
    return problems.map((problem) => ['kubernetes', `${textAt(problem, 'message')}. ${textAt(problem, 'hint')}`]);
  if (kubernetes.get('connected') !== true) return [];
  return [['kubernetes', `connected, ${numberAt(kubernetes, 'watches')} namespaces watched`]];
}

function mebibytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}
