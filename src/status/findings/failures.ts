import type { ErrorSeen } from '../error-book.ts';
import { counted, lately, ms, percent, sentence } from '../number-words.ts';
import {
  carpool,
  clusterServiceOf,
  type DestinationRule,
  errorOf,
  hostOf,
  isFailure,
  kubectl,
  lastMinute,
  type Rule,
  recentErrors,
  settingOf,
} from './rule.ts';
import type { DestinationSight, Sight, Unreached } from './sight.ts';

/** What failures of requests say. */

/** Fewer in a minute may be chance. */
const SOME = 3;
const MANY_FAILED = 0.1;
/** Requests in a minute before a share of them means something. */
const ENOUGH = 20;
const CODES_NAMED = 3;

const breakerOpen: DestinationRule = (destination, sight) => {
  const { row } = destination;
  if (row.breaker !== 'open' && row.breaker !== 'half_open') return null;
  const error = errorOf(sight, destination, 'CIRCUIT_OPEN');
  return {
    code: 'breaker_open',
    severity: 'error',
    destination: row.name,
    title: `The circuit breaker is ${row.breaker === 'open' ? 'open' : 'half open'}: ${counted(error?.lastMinute ?? 0, 'request')} answered 503 in the last minute`,
    detail: `${sentence(error?.lastMessage ?? 'Its endpoints kept failing')} It tries again by itself.`,
    remedies: [
      'Mend the upstream: the errors before the breaker opened say what failed.',
      `If it opens for single bad moments, raise breaker.destinationFailures (${destination.policy.breaker.destinationFailures ?? 'off'}).`,
    ],
    lines: [carpool('errors', row.name), carpool('events', row.name)],
  };
};

const paused: DestinationRule = ({ row, policy }) =>
  row.paused
    ? {
        code: 'paused',
        severity: 'warning',
        destination: row.name,
        title: `${row.name} is paused by an operator: ${counted(row.pending, 'request')} waiting`,
        detail: `A request waits for up to ${ms(policy.pool.pauseTimeoutMs)} (pool.pauseTimeout), then it gets 503.`,
        remedies: ['Resume it when the work there is done.'],
        lines: [carpool('resume', row.name)],
      }
    : null;

const rateLimited: DestinationRule = (destination, sight) => {
  const { row, policy } = destination;
  const refused = lastMinute(sight, destination, 'RATE_LIMITED');
  const limit = policy.rateLimit.requestsPerMinute;
  if (refused === 0 || limit === 0) return null;
  const asked = Math.round(row.requestsPerSecond * 60);
  const to = Math.ceil(Math.max(asked, limit) * 1.2);
  const queues = policy.rateLimit.exceeded === 'queue';
  return {
    code: 'rate_limited',
    severity: 'warning',
    destination: row.name,
    title: `${counted(refused, 'request')} over the rate limit of ${limit} a minute in the last minute`,
    detail: `The app calls ${asked} times a minute, and rateLimit.requestsPerMinute is ${limit}. They were answered 429.`,
    remedies: [
      queues
        ? 'Let them wait longer for their turn: raise rateLimit.maxWait.'
        : 'Where the app may wait, let requests wait for their turn: rateLimit.exceeded: queue.',
      `Raise the limit to ${to}, if the upstream allows it.`,
    ],
    lines: [
      settingOf(
        destination,
        sight,
        queues ? `rateLimit: { requestsPerMinute: ${to} }` : 'rateLimit: { exceeded: queue }',
      ),
    ],
  };
};

/** The last connect to each of them failed, and none has worked since. */
function deadTitle(unreached: readonly Unreached[]): string {
  const [first] = unreached;
  const connects = first?.connects ?? 0;
  return unreached.length === 1
    ? `Endpoint ${first?.id} takes no connections: ${connects === 1 ? 'the last connect' : `the last ${connects} connects`} failed`
    : `${unreached.length} endpoints take no connections: ${unreached.map(({ id }) => id).join(', ')}`;
}

function deadDetail({ id, cause, agoMs }: Unreached): string {
  return `The last connect to ${id}, ${lately(agoMs)}: ${sentence(cause)} None has worked since.`;
}

/** No connection to an endpoint. */
const connectsFailing: DestinationRule = (destination, sight) => {
  const { row, policy } = destination;
  const refused = errorOf(sight, destination, 'CONNECT_FAILED');
  const late = errorOf(sight, destination, 'CONNECT_TIMEOUT');
  const count = (refused?.lastMinute ?? 0) + (late?.lastMinute ?? 0);
  const { unreached } = destination;
  const [dead] = unreached;
  const many = count >= SOME;
  if (!many && dead === undefined) return null;
  const timeouts = many ? (late?.lastMinute ?? 0) > (refused?.lastMinute ?? 0) : dead?.timedOut === true;
  const service = clusterServiceOf(destination, sight);
  return {
    code: 'connects_failing',
    severity: many ? 'error' : 'warning',
    destination: row.name,
    title: many
      ? `${counted(count, 'request')} got no connection to ${row.name} in the last minute`
      : deadTitle(unreached),
    detail:
      `${many ? `${sentence((timeouts ? late : refused)?.lastMessage ?? '')} ` : ''}${dead === undefined ? '' : deadDetail(dead)}`.trim(),
    remedies: timeouts
      ? [
          'Look at network policies: packets that are dropped look like this.',
          'Look at whether the endpoints are overloaded or gone.',
          `If the network is that slow, raise timeouts.connect (${ms(policy.timeouts.connectMs)}).`,
        ]
      : [
          'Look at whether the process there is up and listens on this port (targetPort of the Service).',
          'Look at network policies that reject.',
        ],
    lines: [
      carpool('doctor', row.name),
      ...(service === null
        ? []
        : [
            kubectl(service.namespace, `describe service ${service.service}`),
            kubectl(service.namespace, 'get networkpolicies'),
          ]),
    ],
  };
};

const tlsFailing: DestinationRule = (destination, sight) => {
  const { row } = destination;
  const error = errorOf(sight, destination, 'TLS_FAILED');
  if (error === null || error.lastMinute === 0) return null;
  return {
    code: 'tls_failing',
    severity: 'error',
    destination: row.name,
    title: `${counted(error.lastMinute, 'request')} got no TLS connection to ${row.name} in the last minute`,
    detail: error.lastMessage,
    remedies: [error.hint],
    lines: [carpool('doctor', row.name)],
  };
};

/** Codes that other findings speak of, or that are no fault of an upstream. */
const SPOKEN_OF =
  /^(ACQUIRE_TIMEOUT|POOL_PENDING_FULL|CIRCUIT_OPEN|RATE_LIMITED|PAUSED|NO_ROUTE|NO_ENDPOINTS|CONNECT_FAILED|CONNECT_TIMEOUT|TLS_FAILED|DESTINATION_DENIED|LOOP|DOWNSTREAM_ABORTED|BAD_REQUEST|SHUTTING_DOWN)$/;

/** Many requests fail, and no other finding says why. */
const errorsHigh: DestinationRule = (destination, sight) => {
  const { row, ended } = destination;
  const failed = ended * row.failedShare;
  const many = row.failedShare > MANY_FAILED && ended >= ENOUGH;
  if (!many && (!row.signals.includes('errors') || row.failedShare < MANY_FAILED / 2)) return null;
  const own = recentErrors(sight, destination).filter(isFailure);
  const codes = own.filter(({ code }) => !SPOKEN_OF.test(code)).sort((a, b) => b.lastMinute - a.lastMinute);
  const spoken = sumOf(own) - sumOf(codes);
  if (failed - spoken < (ended * MANY_FAILED) / 2) return null;
  // What carpool has no code for, the upstream answered.
  const first = sumOf(codes) < failed - sumOf(own) ? undefined : codes[0];
  return {
    code: 'errors_high',
    severity: 'error',
    destination: row.name,
    title: `${percent(row.failedShare)} of the requests of the last minute failed`,
    detail:
      first === undefined
        ? 'The upstream itself answers 5xx: carpool passes that on.'
        : `carpool answered ${codes.slice(0, CODES_NAMED).map(inWords).join(', ')}. The last: ${first.lastMessage}`,
    remedies:
      first === undefined
        ? [
            'Look at the log of the upstream.',
            'telemetry.accessLog: errors has a line for each, with status and endpoint.',
            'Where the next try may do better, let GETs be sent again: retry.attempts: 3 with statusCodes.',
          ]
        : [first.hint, 'telemetry.accessLog: errors has a line for each, with status and endpoint.'],
    lines: [
      carpool(first === undefined ? 'endpoints' : 'errors', row.name),
      carpool('advise', row.name),
      'telemetry: { accessLog: errors }',
    ],
  };
};

function sumOf(errors: readonly ErrorSeen[]): number {
  return errors.reduce((sum, { lastMinute }) => sum + lastMinute, 0);
}

function inWords({ code, lastMinute: count }: ErrorSeen): string {
  return `${code} (${count})`;
}

/** Names that nobody knows: by label, for such a destination is soon forgotten. */
const noRoute: Rule = (sight) =>
  sight.errors
    .filter(({ code, lastTenMinutes }) => code === 'NO_ROUTE' && lastTenMinutes > 0)
    .map((error) => {
      const { destination: label } = error;
      const host = hostOf(label);
      const single = /^[a-z0-9-]+$/i.test(host) && label !== 'other';
      return {
        code: 'no_route',
        severity: 'error',
        destination: nameOf(sight, label),
        title: `${label === 'other' ? 'Some names are' : `${host} is`} not known to DNS: ${counted(error.lastTenMinutes, 'request')} failed in 10 minutes`,
        detail: error.lastMessage,
        remedies: single
          ? [
              `Check the spelling, and whether the Service ${host} is in the app’s own namespace: a short name finds no other. Write ${host}.NAMESPACE for one elsewhere.`,
              'Check the search domains of /etc/resolv.conf in the sidecar’s container.',
            ]
          : [
              'Check the spelling of the name, and its namespace.',
              'If it is right, look at cluster DNS, and at what it forwards names of the outside to.',
            ],
        lines: [
          ...(single && sight.sidecar.kubernetes !== null
            ? [`kubectl get services --all-namespaces --field-selector metadata.name=${host}`]
            : []),
          ...(label === 'other' ? ['carpool errors'] : [carpool('doctor', label)]),
        ],
      };
    });

/** The one destination of a metric label, or null. */
function nameOf({ destinations }: Sight, label: string): string | null {
  const own: readonly DestinationSight[] = destinations.filter(({ row }) => row.label === label);
  return own.length === 1 ? (own[0]?.row.name ?? null) : null;
}

export const FAILURE_RULES = { breakerOpen, paused, rateLimited, connectsFailing, tlsFailing, errorsHigh, noRoute };
