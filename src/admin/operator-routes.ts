import { getHeapStatistics } from 'node:v8';
import type { DestinationStats } from '../pool/stats.ts';
import type { StatusModel } from '../status/status-model.ts';
import type { EventLoopMonitor } from '../telemetry/event-loop.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type Answer, json, jsonList, text } from './answer.ts';
import { configSources } from './config-sources.ts';
import { checkHealth } from './health-checks.ts';
import { breakerView, connectionsView, discoveryView, latencyView } from './health-views.ts';
import type { Inspector } from './inspector.ts';
import { maskSecrets } from './mask-secrets.ts';
import { PAGES } from './pages.ts';
import { statusAnswer, statusEndpoints } from './status-answers.ts';
import { unknownDestination } from './unknown-destination.ts';

export type RouteContext = {
  readonly inspector: Inspector;
  readonly status: StatusModel;
  readonly metrics: Metrics;
  readonly eventLoop: EventLoopMonitor;
};

export type RouteRequest = { readonly query: URLSearchParams; readonly accept: string | undefined };
type Route = (context: RouteContext, request: RouteRequest) => Answer | Promise<Answer>;

/** Names that pool guides and other sidecars use for the same thing. */
const REDIRECTS: Readonly<Record<string, string>> = {
  '/api/http-client/pool/stats': '/stats',
  '/api/http-client/stats': '/stats',
  '/api/http-client/pool/connections': '/health/connections',
  '/api/http-client/pool/health': '/health',
  '/api/http-client/health': '/health',
  '/api/http-client/metrics': '/metrics',
  '/metrics/prometheus': '/metrics',
  '/health/providers': '/health/destinations',
  '/health/pools': '/health/connections',
  '/health/live': '/livez',
  '/health/ready': '/readyz',
  '/healthz': '/livez',
  '/live': '/livez',
  '/ready': '/readyz',
  '/debug/connections': '/health/connections',
};

const ROUTES: Readonly<Record<string, Route>> = {
  '/': async () => (await import('./page-files.ts')).indexPage(),
  '/page.js': async () => (await import('./page-files.ts')).pageFile('/page.js'),
  '/page.css': async () => (await import('./page-files.ts')).pageFile('/page.css'),
  '/icon.svg': async () => (await import('./page-files.ts')).pageFile('/icon.svg'),
  '/metrics': async ({ metrics }, { accept }) => {
    const { contentType, body } = await metrics.scrape(accept);
    return { status: 200, contentType, headers: { vary: 'accept' }, body };
  },
  '/livez': () => text(200, 'ok'),
  '/readyz': ({ inspector }) => {
    const { state } = inspector.process();
    return text(state === 'ready' ? 200 : 503, state);
  },
  '/stats': statsAnswer,
  '/status': statusAnswer,
  '/status/endpoints': statusEndpoints,
  '/health': ({ inspector, eventLoop }) => {
    const health = checkHealth(each(inspector), inspector.process(), eventLoop.read());
    return json(health.status === 'fail' ? 503 : 200, health);
  },
  '/health/connections': listOf(connectionsView),
  '/health/destinations': listOf(discoveryView),
  '/health/circuit-breakers': listOf(breakerView),
  '/debug/latency': listOf(latencyView),
  '/debug/config': ({ inspector }, { query }) =>
    json(200, query.has('sources') ? configSources(inspector.loadedConfig()) : maskSecrets(inspector.config())),
  '/debug/memory': ({ inspector }) => {
    const { bufferedBytes, limits, downstreamConnections, upstreamConnections, exchanges } = inspector.process();
    return json(200, {
      process: process.memoryUsage(),
      heap: getHeapStatistics(),
      buffers: { bufferedBytes, limitBytes: limits.bufferBytes },
      connections: { downstream: downstreamConnections, upstream: upstreamConnections, exchanges },
    });
  },
};

/** Pods are probed by these also while big answers keep all places taken. */
export const PROBE_PATHS: ReadonlySet<string> = new Set(['/livez', '/readyz']);

/** Finds the answer for a path; a redirect keeps the query. */
export function answerFor(target: URL, accept: string | undefined, context: RouteContext): Answer | Promise<Answer> {
  const path = target.pathname.length > 1 ? target.pathname.replace(/\/+$/, '') || '/' : target.pathname;
  const route = ROUTES[path];
  if (route) return route(context, { query: target.searchParams, accept });
  const moved = REDIRECTS[path];
  if (moved !== undefined) {
    const location = `${moved}${target.search}`;
    return { ...text(308, `moved to ${location}`), headers: { location } };
  }
  return json(404, {
    code: 'NOT_FOUND',
    message: `nothing is served at ${path}`,
    paths: ['/', ...PAGES.map((page) => page.path)],
  });
}

/** All destinations, one at a time where the sidecar can. */
export function each(inspector: Inspector): Iterable<DestinationStats> {
  return inspector.eachDestination?.() ?? inspector.destinations();
}

/** /stats, shared with the control socket. */
export function statsAnswer({ inspector }: Pick<RouteContext, 'inspector'>, { query }: RouteRequest): Answer {
  const wanted = query.get('destination');
  if (wanted === null) return jsonList({ process: inspector.process() }, 'destinations', each(inspector));
  const found = [...matching(inspector, wanted)];
  if (found.length > 0) return jsonList({ process: inspector.process() }, 'destinations', found);
  return unknownDestination(wanted, inspector);
}

function listOf(view: (stats: DestinationStats) => unknown): Route {
  return ({ inspector }, { query }) => {
    const wanted = query.get('destination');
    return jsonList({}, 'destinations', views(wanted === null ? each(inspector) : matching(inspector, wanted), view));
  };
}

function* views(list: Iterable<DestinationStats>, view: (stats: DestinationStats) => unknown): Generator<unknown> {
  for (const stats of list) yield view(stats);
}

/** By name or by metric label. */
function* matching(inspector: Inspector, wanted: string): Generator<DestinationStats> {
  for (const stats of each(inspector)) if (stats.name === wanted || stats.label === wanted) yield stats;
}
