import { hostname } from 'node:os';
import { withoutGenerated } from '../fleet/workload-name.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const TRACES_PATH = '/v1/traces';
const DEFAULT_COLLECTOR = `http://localhost:4318${TRACES_PATH}`;

/**
 * Where the collector is: the setting, else what the environment says, as OpenTelemetry has it (a path is added to the general variable, the one for
 * traces is taken as it is).
 * @param onFault told of a variable that is no address; the next in line is taken
 */
export function collectorUrl(endpoint: string | null, env: Environment, onFault: (message: string) => void): string {
  if (endpoint !== null) return withPath(new URL(endpoint));
  const address = (name: string): URL | null => {
    const text = env[name] ?? '';
    if (text === '') return null;
    const url = URL.parse(text);
    if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
    onFault(`${name} is no address such as http://otel-collector:4318; it is passed over`);
    return null;
  };
  const exact = address('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
  if (exact !== null) return exact.href;
  const base = address('OTEL_EXPORTER_OTLP_ENDPOINT');
  return base === null ? DEFAULT_COLLECTOR : `${base.href.replace(/\/+$/, '')}${TRACES_PATH}`;
}

/** An address for the log: a variable may hold credentials. */
export function shownUrl(address: string): string {
  const { origin, pathname } = new URL(address);
  return `${origin}${pathname}`;
}

const withPath = (url: URL): string => (url.pathname === '/' ? new URL(TRACES_PATH, url).href : url.href);

/** `key=value,key=value`, percent-encoded (the specification's Baggage form); what is not of that form is left out. */
function listed(text: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    if (equals <= 0) continue;
    try {
      attributes[part.slice(0, equals).trim()] = decodeURIComponent(part.slice(equals + 1).trim());
    } catch {
      // A stray %: as above.
    }
  }
  return attributes;
}

/** Whose spans they are: the app's workload, of which carpool is a part. @param name the setting, or null */
export function resourceAttributes(
  name: string | null,
  version: string,
  env: Environment,
  host: string = hostname(),
): Record<string, string> {
  const given = listed(env.OTEL_RESOURCE_ATTRIBUTES ?? '');
  const pod = env.POD_NAME ?? '';
  const namespace = env.POD_NAMESPACE ?? '';
  const fromVariable = env.OTEL_SERVICE_NAME || given['service.name'];
  return {
    'host.name': host,
    ...(pod === '' ? {} : { 'k8s.pod.name': pod }),
    ...(namespace === '' ? {} : { 'k8s.namespace.name': namespace }),
    ...given,
    'service.name': name ?? fromVariable ?? withoutGenerated(pod || host),
    'telemetry.sdk.name': 'opentelemetry',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.distro.name': 'carpool',
    'telemetry.distro.version': version,
  };
}
