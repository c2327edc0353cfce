import { counted, figure, ms } from '../number-words.ts';
import {
  HEADROOM,
  LARGEST_POOL,
  LARGEST_STEP,
  type LimitBy,
  limitStep,
  poolSize,
  SMALLEST_POOL,
} from '../pool-size.ts';
import type { Finding } from '../types.ts';
import { carpool, type DestinationRule, lastMinute, type Rule, settingOf } from './rule.ts';
import type { DestinationSight, Sight } from './sight.ts';

/** What keeps requests from a connection. */

/** Of `limits.bufferBytes`: from half of it no copies for retries are kept. */
const BUFFERS_FULL = 0.5;
const BUFFERS_REFUSE = 0.95;
/** A pool of which no more is in use, and for which nothing waits, has room. The monitor takes ten seconds to say so. */
const ROOMY = 0.5;

type Wanted = {
  readonly over: boolean;
  readonly seen: string;
  readonly detail: string;
  readonly to: number;
  readonly slow: string;
};

/** What is asked of a pool, and the limit that this makes. */
function wantedOf({ row, policy, serviceMs, places, http2 }: DestinationSight, refused: number): Wanted {
  const limit = row.maxConnections;
  const strained = row.signals.includes('utilization');
  // Refused for want of a connection, and now there are some: then all were in use.
  const over =
    row.pending === 0 && (places.taken <= limit * ROOMY || (refused > 0 && !strained)) && places.taken < limit;
  const seen = [
    over
      ? `${refused > 0 ? 'all' : 'nearly all'} of its ${limit} connections were in use`
      : `${Math.min(places.taken, limit)} of ${limit} connections in use`,
  ];
  if (row.pending > 0) seen.push(`${counted(row.pending, 'request')} waiting`);
  if (refused > 0) seen.push(`${counted(refused, 'request')} refused in the last minute`);
  const each = serviceMs ?? 0;
  const streams = http2 ? Math.max(1, policy.pool.maxStreams) : 1;
  const needed = Math.ceil(poolSize(row.requestsPerSecond, each).wanted / streams);
  const atATime = Math.ceil((places.taken * streams + row.pending) / streams);
  const { to, by } = limitStep(needed, limit, atATime);
  const perStream = streams > 1 ? ` ÷ ${streams} streams` : '';
  const ofStreams = streams > 1 ? `, of ${streams} streams each` : '';
  const queue = `What is in use and what waits now need ${counted(atATime, 'connection')} together${ofStreams}`;
  const reasons: Readonly<Record<LimitBy, string>> = {
    load: `By Little’s law the load needs ${figure(row.requestsPerSecond)} requests/s × ${ms(each)} ÷ 1000 × ${HEADROOM}${perStream} = ${counted(needed, 'connection')}.`,
    queue: atATime === to ? `${queue}.` : `${queue}; one step goes to ${LARGEST_STEP} times the limit of ${limit}.`,
    step: `Half as much again as ${limit} is ${to}: a full pool does not show all that it needs, so one step goes so far at least.`,
    smallest:
      atATime > SMALLEST_POOL
        ? `${queue}; one step goes to ${LARGEST_STEP} times the limit of ${limit}, and to ${SMALLEST_POOL} at least.`
        : `What is seen needs at most ${SMALLEST_POOL} connections, and a pool of fewer has no room for a burst.`,
    largest: `A pool of more than ${LARGEST_POOL} hides an upstream that is too slow.`,
  };
  const silent =
    serviceMs === null && !over
      ? 'No request that was sent has ended in the last minute: what holds the connections does not answer. '
      : '';
  return {
    over,
    seen: seen.join(', '),
    detail: `${silent}${reasons[by]}`,
    to,
    slow:
      serviceMs === null
        ? 'Look for slow responses that hold connections.'
        : `Or look for slow responses that hold connections: each request holds one for ${ms(each)} on average.`,
  };
}

/** Requests wait, or are refused, for want of a connection that a limit keeps them from. */
const poolExhausted: DestinationRule = (destination, sight) => {
  const { row, limit, places, policy } = destination;
  const timeouts = lastMinute(sight, destination, 'ACQUIRE_TIMEOUT');
  const refused = timeouts + lastMinute(sight, destination, 'POOL_PENDING_FULL');
  const strained = row.signals.includes('utilization');
  const queueing = row.signals.includes('pending') || refused > 0;
  // A queue that has gone since was one for connections, for an ACQUIRE_TIMEOUT is of a limit.
  const atLimit = places.counted >= row.maxConnections || timeouts > 0;
  if (row.paused || !(strained || (queueing && atLimit))) return null;
  if (atPlaces(sight) && places.counted < row.maxConnections) return null;
  const { over, seen, detail, to, slow } = wantedOf(destination, refused);
  const finding = (what: string, why: string, remedies: readonly string[], lines: readonly string[]): Finding => ({
    code: 'pool_exhausted',
    severity: queueing && !over ? 'error' : 'warning',
    destination: row.name,
    title: `${what}: ${seen}`,
    detail: why,
    remedies,
    lines,
  });
  const exhausted = over ? 'The pool was exhausted' : 'The pool is exhausted';
  if (limit.share !== null && row.maxConnections < (limit.scaled ?? limit.configured)) {
    const budget = limit.budget ?? 0;
    const larger = row.maxConnections === 0 ? budget * 2 : Math.ceil((budget * to) / row.maxConnections);
    return finding(
      `This sidecar’s share of the fleet’s budget ${over ? 'was' : 'is'} used up`,
      `Its share is ${limit.share} of the ${budget} connections that all sidecars may have. ${detail}`,
      [`Raise fleet.maxConnections to ${larger}, if the upstream can take so many.`, 'Run fewer pods.', slow],
      [settingOf(destination, sight, `fleet: { maxConnections: ${larger} }`)],
    );
  }
  if (limit.scaled !== null && to <= limit.configured)
    return finding(
      exhausted,
      `pool.scaling has the limit at ${row.maxConnections} of ${limit.configured}. ${detail}`,
      [
        'Wait for its next step (scaling.cooldown).',
        'If the load comes in bursts, set pool.scaling: off: the whole limit counts at once.',
        slow,
      ],
      [settingOf(destination, sight, 'pool: { scaling: off }')],
    );
  if (row.maxConnections >= LARGEST_POOL)
    return finding(
      exhausted,
      detail,
      ['A larger pool is no answer: look for why the upstream is that slow, or give the app more pods.', slow],
      [],
    );
  return finding(
    exhausted,
    detail,
    [
      `Set pool.maxConnections to ${to} (it is ${policy.pool.maxConnections}), then look again.`,
      slow,
      'If the upstream must not get more connections, give the app more pods, or let it ask less.',
    ],
    [settingOf(destination, sight, `pool: { maxConnections: ${to} }`)],
  );
};

/** Requests wait although the limit is not reached: for connects. */
const waitingForConnects: DestinationRule = (destination, sight) => {
  const { row, places, policy } = destination;
  if (row.paused || !row.signals.includes('pending') || places.counted >= row.maxConnections || atPlaces(sight))
    return null;
  if (row.endpointsTotal === 0) return null;
  return {
    code: 'waiting_for_connects',
    severity: 'warning',
    destination: row.name,
    title: `${counted(row.pending, 'request')} wait for connects, not for the limit: ${row.connecting} under way, ${places.counted} of ${row.maxConnections} connections open`,
    detail: `The limit is not what they wait for. A connect may take ${ms(policy.timeouts.connectMs)} (timeouts.connect).`,
    remedies: [
      'Look for connects that are slow or fail: the event log has connect_failed, and `carpool doctor` with this destination dials each endpoint.',
      'Where bursts find a cold pool, keep connections ready: pool.minConnections: auto.',
    ],
    lines: [carpool('doctor', row.name), settingOf(destination, sight, 'pool: { minConnections: auto }')],
  };
};

/** Whether the places of the whole sidecar are used up. */
function atPlaces({ sidecar }: Sight): boolean {
  return sidecar.upstreamConnections >= sidecar.maxConnections;
}

/** All pools together have as many connections as the sidecar may. */
const connectionsUsedUp: Rule = (sight) => {
  const { sidecar } = sight;
  const waiting = sight.destinations.filter(({ row }) => row.pending > 0);
  if (!atPlaces(sight) || waiting.length === 0) return [];
  const to = sidecar.maxConnections * 2;
  return [
    {
      code: 'connections_used_up',
      severity: 'error',
      destination: null,
      title: `All ${sidecar.maxConnections} upstream connections of this sidecar are in use, and requests to ${counted(waiting.length, 'destination')} wait`,
      detail:
        'limits.maxConnections (or the limit of open files below it) bounds all pools together. An idle connection of another destination is closed for a request that waits; there is none left.',
      remedies: [
        `Raise limits.maxConnections to ${to}, with the limit of open files.`,
        'Lower pool.maxConnections of the destinations that hold most.',
      ],
      lines: [`limits: { maxConnections: ${to} }`, 'carpool pools'],
    },
  ];
};

const buffersFull: Rule = ({ sidecar }) => {
  const share = sidecar.bufferBytes === 0 ? 0 : sidecar.bufferedBytes / sidecar.bufferBytes;
  if (share < BUFFERS_FULL) return [];
  const refuses = share >= BUFFERS_REFUSE;
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;
  return [
    {
      code: 'buffers_full',
      severity: refuses ? 'error' : 'warning',
      destination: null,
      title: `Buffers are ${refuses ? 'full' : 'filling'}: ${mebibytes(sidecar.bufferedBytes)} of ${mebibytes(sidecar.bufferBytes)}${refuses ? ', new requests are refused (OVERLOADED)' : ''}`,
      detail: 'They hold what one side has sent and the other has not taken yet, and bodies that are kept for a retry.',
      remedies: [
        'Look for readers that do not read: an app that does not take its responses, an upstream that does not take uploads.',
        'Give the sidecar more memory and raise limits.bufferBytes.',
        'Lower retry.replayBytes where large uploads run beside each other.',
      ],
      lines: [`limits: { bufferBytes: ${mebibytes(sidecar.bufferBytes * 2).replace(' ', '')} }`],
    },
  ];
};

export const ROOM_RULES = { poolExhausted, waitingForConnects, connectionsUsedUp, buffersFull };
