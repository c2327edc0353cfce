import { type JsonObject, listAt, numberAt, objectAt, textAt } from './json-reader.ts';
import { type Shown, tableText } from './show.ts';
import { type Asking, ask, askFindings } from './status-reading.ts';
import { type Cell, left, type Row, right } from './table.ts';
import { age } from './times.ts';

/** `carpool pools`: a row for each destination. Its JSON is that of `/stats`. */
export async function lookAtPools(asking: Asking, destination: string | null): Promise<Shown> {
  const stats = await ask(asking, '/stats', destination);
  const pools = listAt(stats, 'destinations');
  const columns = [
    left('DESTINATION'),
    right('ACTIVE'),
    right('IDLE'),
    right('CONNECTING', 6),
    right('DRAINING', 5),
    right('PENDING'),
    right('MAX'),
    right('ENDPOINTS', 1),
    left('DISCOVERY', 4),
  ];
  const notes = pools.map(poolNotes);
  if (notes.some((words) => words !== '')) columns.push(left('NOTES'));
  return {
    json: pools.map(Object.fromEntries),
    text: tableText(
      columns,
      pools.map((pool, i) => poolRow(pool, notes[i] ?? '')),
    ),
    empty: 'no destination yet: one appears with its first request',
    findings: await askFindings(asking, destination),
  };
}

function poolRow(pool: JsonObject, notes: string): Row {
  const endpoints = listAt(pool, 'endpoints');
  const ready = endpoints.filter((endpoint) => textAt(endpoint, 'state') === 'ready').length;
  const discovery = objectAt(pool, 'discovery');
  const count = (key: string): string => String(numberAt(pool, key));
  const max = numberAt(pool, 'maxConnections');
  const full = max > 0 && numberAt(pool, 'active') + numberAt(pool, 'connecting') >= max;
  const pending: Cell = numberAt(pool, 'pending') > 0 ? { text: count('pending'), style: 'yellow' } : count('pending');
  return [
    textAt(pool, 'name'),
    full ? { text: count('active'), style: 'red' } : count('active'),
    count('idle'),
    count('connecting'),
    count('draining'),
    pending,
    full ? { text: String(max), style: 'red' } : String(max),
    { text: `${ready}/${endpoints.length}`, style: ready < endpoints.length ? 'yellow' : null },
    `${textAt(discovery, 'source')} ${textAt(discovery, 'state')}`.trim(),
    { text: notes, style: 'yellow' },
  ];
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
