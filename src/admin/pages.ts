/** What the operator port serves beside the status page, in the order of its links. */
export const PAGES: readonly { readonly path: string; readonly words: string }[] = [
  { path: '/metrics', words: 'Prometheus and OpenMetrics' },
  { path: '/status', words: 'what the status page shows, as JSON; ?destination=host:port adds its connections' },
  { path: '/stats', words: 'all pools as JSON; ?destination=host:port for one' },
  { path: '/health', words: 'pools, discovery, memory, event loop' },
  { path: '/health/connections', words: 'connections by destination and state' },
  { path: '/health/destinations', words: 'where endpoints come from and how each stands' },
  {
    path: '/health/circuit-breakers',
    words: 'breakers of destinations, and endpoints that are ejected after failures',
  },
  { path: '/livez', words: '200 while the process answers' },
  { path: '/readyz', words: '200 while requests are taken, 503 while starting or stopping' },
  { path: '/debug/latency', words: 'connect and response time by endpoint' },
  { path: '/debug/memory', words: 'heap, buffers, limits' },
  { path: '/debug/config', words: 'the configuration in force, secrets masked' },
];
