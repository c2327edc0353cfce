import type { HealthCheckPolicy } from '../../config/types.ts';
import type { Flapping, WentBy } from '../flap-watch.ts';
import { counted, ms, sentence } from '../number-words.ts';

import { carpool, clusterServiceOf, type DestinationRule, errorOf, kubectl, serviceOf, settingOf } from './rule.ts';
import type { DestinationSight, Sight } from './sight.ts';

/** What is the matter with endpoints. */

/** Flapping endpoints of one destination that are named. */
const NAMED = 3;

const WENT: Readonly<Record<WentBy, string>> = {
  unready: 'Kubernetes said each time that it was not ready.',
  ejected: 'It was taken out each time after failures.',
  failing: 'It failed its health checks each time.',
  removed: 'It left the list of endpoints each time.',
};

function addressOf(endpoint: string): string {
  return endpoint.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

/** What to do about an endpoint that goes and comes back, by what makes it go. */
function remediesOf(flapping: Flapping, destination: DestinationSight, sight: Sight): readonly string[] {
  const { policy } = destination;
  const pod =
    clusterServiceOf(destination, sight) === null
      ? 'Look at its process: whether it restarts, runs out of memory or gets no processor.'
      : 'Look at its pod for restarts (kubectl get pods), at its memory limit and at CPU throttling.';
  switch (flapping.by) {
    case 'unready':
      return [
        'Its readiness probe fails now and then: look at the pod’s events for "Readiness probe failed", and why.',
        'If the probe is too strict for a busy process, raise its timeoutSeconds (1 s by default) or its failureThreshold.',
        pod,
      ];
    case 'removed':
      return [
        'Its readiness probe fails now and then: cluster DNS names only pods that are ready. Look at the pod’s events for "Readiness probe failed".',
        pod,
      ];
    case 'failing':
      return [
        'Look at why it fails carpool’s health checks now and then (the event log has each one), and whether its readiness probe sees the same.',
        strictRemedy(flapping, policy.healthCheck),
        pod,
      ];
    case 'ejected':
      return [
        'Look at its log at those times: it answers with errors, resets connections or does not take them, and comes back.',
        'Give it a readiness probe that notices this, or look at why the one that it has does not: then Kubernetes takes it out for everybody.',
        pod,
      ];
  }
}

/** Where checks run into their time-out, and the interval has room for a longer one: twice as long, or as the interval. Else null. */
function longerTimeout({ why }: Flapping, { timeoutMs, intervalMs }: HealthCheckPolicy): number | null {
  if (why === null || !/^timed out /.test(why) || timeoutMs >= intervalMs) return null;
  return Math.min(timeoutMs * 2, intervalMs);
}

function strictRemedy(flapping: Flapping, policy: HealthCheckPolicy): string {
  const threshold = `raise healthCheck.threshold (${policy.threshold}), so that more have to fail in a row`;
  return longerTimeout(flapping, policy) === null
    ? `If a moment like this is none for your app, ${threshold}.`
    : `If a busy endpoint may take longer, raise healthCheck.timeout (${ms(policy.timeoutMs)}), up to healthCheck.interval (${ms(policy.intervalMs)}); or ${threshold}.`;
}

function flappingLines(destination: DestinationSight, sight: Sight, flapping: Flapping): readonly string[] {
  const { row } = destination;
  const service = clusterServiceOf(destination, sight);
  const lines = [carpool('events', row.name)];
  if (service !== null) {
    const { namespace } = service;
    lines.push(
      kubectl(namespace, `get pods -o wide --field-selector status.podIP=${addressOf(flapping.endpoint)}`),
      kubectl(namespace, 'get events --field-selector reason=Unhealthy'),
    );
  }
  if (flapping.by === 'failing') {
    const timeoutMs = longerTimeout(flapping, destination.policy.healthCheck);
    const timeout = timeoutMs === null ? '' : `timeout: ${timeoutMs}ms, `;
    const threshold = destination.policy.healthCheck.threshold + 2;
    lines.push(settingOf(destination, sight, `healthCheck: { ${timeout}threshold: ${threshold} }`));
  }
  return lines;
}

/** Endpoints that keep going and coming back. */
const endpointFlapping: DestinationRule = (destination, sight) => {
  const { row } = destination;
  const own = sight.flapping.filter((each) => each.destination === row.name && countsAsFlap(each));
  const [worst] = own;
  if (worst === undefined) return null;
  const named = own.slice(0, NAMED).map(({ endpoint, times }) => `${endpoint} (${counted(times, 'time')})`);
  const more = own.length > NAMED ? ` and ${own.length - NAMED} more` : '';
  const why = worst.why === null ? '' : ` The last time: ${sentence(worst.why)}`;
  return {
    code: 'endpoint_flapping',
    severity: 'warning',
    destination: row.name,
    title:
      own.length === 1
        ? `Endpoint ${worst.endpoint} is flapping: it went and came back ${counted(worst.times, 'time')} in 10 minutes`
        : `${own.length} endpoints are flapping: ${named.join(', ')}${more} went and came back in 10 minutes`,
    detail: `${WENT[worst.by]} Each time its connections and the requests on them move to the others.${why}`,
    remedies: remediesOf(worst, destination, sight),
    lines: flappingLines(destination, sight, worst),
  };
};

/** An address that leaves DNS and comes back is a pod in the cluster, and a habit of names outside. */
function countsAsFlap({ by, destination }: Flapping): boolean {
  return by !== 'removed' || serviceOf(destination) !== null;
}

/** Endpoints that are out now. */
const endpointsUnfit: DestinationRule = (destination, sight) => {
  const { row, unfit } = destination;
  if (row.endpointsUnfit === 0) return null;
  const all = row.endpointsUnfit >= row.endpointsTotal;
  // Told already, with more words.
  const flaps = new Set(sight.flapping.filter((each) => each.destination === row.name).map(({ endpoint }) => endpoint));
  if (!all && unfit.every(({ id }) => flaps.has(id))) return null;
  const byChecks = unfit.some(({ state }) => state === 'failing');
  const more = row.endpointsUnfit > unfit.length ? ` and ${row.endpointsUnfit - unfit.length} more` : '';
  const names = `${unfit.map(({ id }) => id).join(', ')}${more}`;
  const service = clusterServiceOf(destination, sight);
  return {
    code: 'endpoints_unfit',
    severity: all ? 'error' : 'warning',
    destination: row.name,
    title: `${all ? 'All' : `${row.endpointsUnfit} of`} ${row.endpointsTotal} endpoints ${all ? 'are' : row.endpointsUnfit === 1 ? 'is' : 'are'} unfit: ${names}`,
    detail: all
      ? 'None is better than the others, so they go on getting requests.'
      : `They get no requests while others are fit: ${byChecks ? 'they fail their health checks' : 'requests or connects to them failed'}.`,
    remedies: [
      byChecks
        ? 'Look at what they answer to their health checks: the event log has it (check_failed).'
        : 'Look at the event log for why (endpoint_ejected), and at their logs.',
      'Look at whether their pods are ready and their port is the right one.',
    ],
    lines: [
      carpool('endpoints', row.name),
      carpool('doctor', row.name),
      ...(service === null ? [] : [kubectl(service.namespace, 'get pods -o wide')]),
    ],
  };
};

/** Nobody serves the destination. */
const noEndpoints: DestinationRule = (destination, sight) => {
  const { row } = destination;
  const error = errorOf(sight, destination, 'NO_ENDPOINTS');
  if (error === null || error.lastMinute === 0) return null;
  const service = clusterServiceOf(destination, sight);
  return {
    code: 'no_endpoints',
    severity: 'error',
    destination: row.name,
    title: `No endpoint serves ${row.name}: ${counted(error.lastMinute, 'request')} failed in the last minute`,
    detail: error.lastMessage,
    remedies: [
      row.endpointsTotal > 0
        ? `Look at why none of its ${row.endpointsTotal} endpoints is ready: their readiness probes, their restarts.`
        : 'Look at whether its Deployment has pods, and whether the selector of the Service fits their labels.',
      error.hint,
    ],
    lines:
      service === null
        ? [carpool('doctor', row.name)]
        : [
            kubectl(service.namespace, `describe service ${service.service}`),
            kubectl(service.namespace, 'get pods -o wide'),
            carpool('doctor', row.name),
          ],
  };
};

/** What discovery of endpoints says of one destination. */
const discoveryFailing: DestinationRule = ({ row }, sight) => {
  if (row.discovery.error === null || row.discovery.state !== 'failing' || row.requestsPerSecond === 0) return null;
  if (sight.sidecar.kubernetes?.connected === false) return null;
  // A name that nobody knows is told as such.
  if (
    sight.errors.some(
      ({ destination, code, lastTenMinutes }) =>
        destination === row.label &&
        lastTenMinutes > 0 &&
        /^(NO_ROUTE|NO_ENDPOINTS|DESTINATION_DENIED|LOOP)$/.test(code),
    )
  )
    return null;
  return {
    code: 'discovery_failing',
    severity: 'warning',
    destination: row.name,
    title: `No fresh answer about the endpoints of ${row.name}`,
    detail: `${row.discovery.source}: ${sentence(row.discovery.error)} The endpoints known before are used on.`,
    remedies: ['Look at cluster DNS, and at network policies for port 53.'],
    lines: [carpool('doctor', row.name)],
  };
};

export const ENDPOINT_RULES = { endpointFlapping, endpointsUnfit, noEndpoints, discoveryFailing };
