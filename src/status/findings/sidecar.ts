import { counted, sentence } from '../number-words.ts';
import { carpool, type Rule } from './rule.ts';

/** What is the matter with the sidecar's own surroundings. */

const discoveryDisconnected: Rule = ({ sidecar, config }) => {
  const { kubernetes } = sidecar;
  if (kubernetes === null) return [];
  const [problem] = kubernetes.problems;
  if (kubernetes.connected !== false && problem === undefined) return [];
  const { namespace } = config.discovery.kubernetes;
  const where = namespace === null ? '' : ` -n ${namespace}`;
  return [
    {
      code: 'discovery_disconnected',
      severity: 'warning',
      destination: null,
      title:
        kubernetes.connected === false
          ? 'The Kubernetes API server tells no changes of endpoints'
          : `Kubernetes discovery has ${counted(kubernetes.problems.length, 'problem')}`,
      detail: `${problem === undefined ? 'It does not answer.' : sentence(problem.message)} Endpoints that are known are used on, and DNS is asked for others: pods that go are noticed later.`,
      remedies: [
        problem?.hint ?? 'Look at network policies to the API server, and at the rights of the service account.',
      ],
      lines: ['carpool doctor', `kubectl auth can-i watch endpointslices.discovery.k8s.io${where}`],
    },
  ];
};

const reloadRefused: Rule = ({ sidecar }) => {
  const { lastError } = sidecar.reloads;
  if (lastError === null) return [];
  const file = sidecar.configFile;
  return [
    {
      code: 'reload_refused',
      severity: 'error',
      destination: null,
      title: 'The changed configuration was refused: the one before it is in force',
      detail: lastError.replaceAll('\n', '; '),
      remedies: ['Correct it: each line names the path and what is wrong. It is read again when the file changes.'],
      lines: [carpool('check', file ?? 'FILE')],
    },
  ];
};

const fleetFailover: Rule = ({ sidecar }) => {
  const { fleet } = sidecar;
  if (fleet?.state !== 'failover') return [];
  return [
    {
      code: 'fleet_failover',
      severity: 'warning',
      destination: null,
      title: `The fleet’s coordinator (${fleet.coordinator}) does not answer: the even share is used`,
      detail: `${sentence(fleet.problem ?? 'No answer')} ${counted(fleet.peers, 'sidecar')} known.`,
      remedies: [
        fleet.coordinator === 'redis'
          ? 'Look at Redis, at fleet.redis.url and at network policies to it.'
          : 'Look at the Service of fleet.service, and at whether the API server answers.',
      ],
      lines: ['carpool doctor'],
    },
  ];
};

const tracesLost: Rule = ({ spansLost, config }) => {
  const { enabled, endpoint } = config.telemetry.tracing;
  if (!enabled || spansLost === 0) return [];
  return [
    {
      code: 'traces_lost',
      severity: 'warning',
      destination: null,
      title: `${counted(spansLost, 'span')} of traces lost in 10 minutes: the collector did not take them`,
      detail:
        'Requests are not held up by it. The log has the collector’s address and its last error (“the collector did not take”).',
      remedies: [
        `Look at whether the collector is up, and whether ${endpoint === null ? 'telemetry.tracing.endpoint (or OTEL_EXPORTER_OTLP_ENDPOINT) is right' : 'telemetry.tracing.endpoint is right'}: OTLP over HTTP, port 4318.`,
        'Look at network policies from this pod to it.',
        'If it is up and too slow, trace fewer requests: lower telemetry.tracing.sampleRatio.',
      ],
      lines: ['carpool config telemetry.tracing'],
    },
  ];
};

export const SIDECAR_RULES = { discoveryDisconnected, reloadRefused, fleetFailover, tracesLost };
