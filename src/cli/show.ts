import { showDuration } from '../config/duration.ts';
import { type CliDeps, CliError } from './deps.ts';
import { call, showTarget, type Target } from './http-call.ts';
import { type JsonObject, listAt, numberAt, objectAt, parseObject, textAt } from './json-reader.ts';
import { type Column, table } from './table.ts';

const TIMEOUT_MS = 10_000;
/** Problems of Kubernetes discovery that are written out; the log has them all. */
const MOST_PROBLEMS = 5;

export type Format = 'table' | 'json';

const left = (title: string): Column => ({ title, align: 'left' });
const right = (title: string): Column => ({ title, align: 'right' });

/** Fetches /stats, of one destination or of all. */
async function fetchStats(target: Target, destination: string | null, deps: CliDeps): Promise<JsonObject> {
  const path = destination === null ? '/stats' : `/stats?destination=${encodeURIComponent(destination)}`;
  const { status, body } = await call(target, { method: 'GET', path, timeoutMs: TIMEOUT_MS }, deps.clock);
  const reply = parseObject(body, showTarget(target));
  if (status === 200) return reply;
  throw new CliError(`${textAt(reply, 'message') || `status ${status}`}\n${textAt(reply, 'hint')}`.trim());
}

/** `carpool stats`: the sidecar and its totals. */
export async function showStats(target: Target, format: Format, deps: CliDeps): Promise<void> {
  const stats = await fetchStats(target, null, deps);
  if (format === 'json') return printJson(Object.fromEntries(stats), deps);
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
  deps.out(lines.map(([name, words]) => `${name.padEnd(14)}${words}\n`).join(''));
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

/** `carpool pools`: a row for each destination. */
export async function showPools(
  target: Target,
  format: Format,
  destination: string | null,
  deps: CliDeps,
): Promise<void> {
  const pools = listAt(await fetchStats(target, destination, deps), 'destinations');
  if (format === 'json') return printJson(pools.map(Object.fromEntries), deps);
  const columns = [
    left('DESTINATION'),
    right('ACTIVE'),
    right('IDLE'),
    right('CONNECTING'),
    right('DRAINING'),
    right('PENDING'),
    right('MAX'),
    right('ENDPOINTS'),
    left('DISCOVERY'),
  ];
  const notes = pools.map(poolNotes);
  if (notes.some((words) => words !== '')) columns.push(left('NOTES'));
  const rows = pools.map((pool, index) => {
    const endpoints = listAt(pool, 'endpoints');
    const ready = endpoints.filter((endpoint) => textAt(endpoint, 'state') === 'ready').length;
    const discovery = objectAt(pool, 'discovery');
    const counts = ['active', 'idle', 'connecting', 'draining', 'pending', 'maxConnections'];
    return [
      textAt(pool, 'name'),
      ...counts.map((key) => String(numberAt(pool, key))),
      `${ready}/${endpoints.length}`,
      [textAt(discovery, 'source'), textAt(discovery, 'state')].join(' '),
      notes[index] ?? '',
    ];
  });
  printTable(columns, rows, 'no destination yet: one appears with its first request', deps);
}

/** What is out of the ordinary about a pool, in a few words each. */
function poolNotes(pool: JsonObject): string {
  const words: string[] = [];
  if (pool.get('paused') === true) words.push('paused');
  const breaker = objectAt(pool, 'breaker');
  const state = textAt(breaker, 'state');
  if (state === 'open') words.push(`breaker open, tries again in ${age(numberAt(breaker, 'triedAgainInMs'))}`);
  if (state === 'half_open') words.push('breaker half open');
  const limit = objectAt(pool, 'limit');
  const max = numberAt(pool, 'maxConnections');
  const configured = numberAt(limit, 'configured');
  const [share, scaled, budget] = ['share', 'scaled', 'budget'].map((key) => limit.get(key));
  if (typeof share === 'number' && share < (typeof scaled === 'number' ? scaled : configured))
    words.push(`fleet share ${share}${typeof budget === 'number' ? ` of ${budget}` : ''}`);
  else if (typeof scaled === 'number') words.push(`limit ${max}, scaled from ${configured}`);
  const standing = noneFit(listAt(pool, 'endpoints'));
  if (standing !== null) words.push(standing);
  const problem = textAt(objectAt(pool, 'discovery'), 'error');
  if (problem !== '') words.push(`discovery: ${problem}`);
  const signals = pool.get('signals');
  if (Array.isArray(signals) && signals.length > 0) words.push(`strained: ${signals.join(', ')}`);
  return words.join('; ');
}

/** Where all endpoints are out after failures or by their health checks, how many by which, or null. */
function noneFit(endpoints: readonly JsonObject[]): string | null {
  const failing = endpoints.filter((endpoint) => textAt(endpoint, 'state') === 'failing').length;
  const ejected = endpoints.filter((endpoint) => textAt(endpoint, 'state') === 'ejected').length;
  const rest = endpoints.filter(
    (endpoint) => endpoint.get('inRotation') === true && !/^(failing|ejected)$/.test(textAt(endpoint, 'state')),
  );
  if (failing + ejected === 0 || rest.length > 0) return null;
  const counts = [
    ...(failing > 0 ? [`${failing} by health checks`] : []),
    ...(ejected > 0 ? [`${ejected} ejected`] : []),
  ];
  const serves = endpoints.some((endpoint) => endpoint.get('inRotation') === true);
  return `no fit endpoint (${counts.join(', ')})${serves ? ': they serve on' : ''}`;
}

/** `carpool connections`: a row for each upstream connection. */
export async function showConnections(
  target: Target,
  format: Format,
  destination: string | null,
  deps: CliDeps,
): Promise<void> {
  const rows: string[][] = [];
  const items: Record<string, unknown>[] = [];
  for (const pool of listAt(await fetchStats(target, destination, deps), 'destinations'))
    for (const endpoint of listAt(pool, 'endpoints'))
      for (const connection of listAt(endpoint, 'connections')) {
        const place = { destination: textAt(pool, 'name'), endpoint: textAt(endpoint, 'id') };
        items.push({ ...place, ...Object.fromEntries(connection) });
        const idle = connection.get('idleMs');
        rows.push([
          textAt(connection, 'id'),
          place.destination,
          place.endpoint,
          textAt(connection, 'protocol'),
          textAt(connection, 'state'),
          age(numberAt(connection, 'ageMs')),
          typeof idle === 'number' ? age(idle) : '-',
          String(numberAt(connection, 'requests')),
          String(numberAt(connection, 'streams')),
          textAt(connection, 'reason') || '-',
        ]);
      }
  if (format === 'json') return printJson(items, deps);
  const columns = [
    right('ID'),
    left('DESTINATION'),
    left('ENDPOINT'),
    left('PROTOCOL'),
    left('STATE'),
    right('AGE'),
    right('IDLE'),
    right('REQUESTS'),
    right('STREAMS'),
    left('REASON'),
  ];
  printTable(columns, rows, 'no upstream connection is open', deps);
}

function printTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  empty: string,
  deps: CliDeps,
): void {
  if (rows.length === 0) deps.err(`${empty}\n`);
  else deps.out(table(columns, rows, deps.columns));
}

function printJson(value: unknown, deps: CliDeps): void {
  deps.out(`${JSON.stringify(value, null, 2)}\n`);
}

/** A duration to a person's precision: whole seconds, below one second whole milliseconds. */
function age(ms: number): string {
  return showDuration(ms >= 1000 ? Math.round(ms / 1000) * 1000 : Math.round(ms));
}

function mebibytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}
