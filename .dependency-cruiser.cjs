/**
 * The arrows between the rooms of src/, as docs/architecture.md draws them:
 *
 *   app → listener → forward → routing → pool → connection → transport, protocol
 *   discovery → (nothing above it; routing and pool listen through its interface)
 *
 * Everything may use clock, errors, observer and the types of config. protocol imports nothing of ours.
 */
const room = (name) => `^src/${name}/`;
const rooms = (...names) => `^src/(${names.join('|')})/`;

/** What each room may import, itself aside. */
const MAY = {
  protocol: [],
  transport: [],
  connection: ['protocol', 'transport', 'discovery/discovery.ts'],
  pool: ['connection', 'protocol', 'transport', 'discovery/discovery.ts'],
  egress: ['discovery', 'connection', 'protocol', 'transport'],
  routing: ['egress/header-source.ts', 'pool', 'connection', 'protocol', 'transport', 'discovery'],
  forward: ['routing', 'pool', 'connection', 'protocol', 'transport'],
  listener: ['forward', 'routing', 'pool', 'connection', 'protocol', 'transport', 'config/addresses.ts'],
  discovery: ['transport/proxy-hop.ts'],
  fleet: [
    'pool/connection-limit.ts',
    'pool/demand.ts',
    'discovery/kubernetes/objects.ts',
    'discovery/kubernetes/kubernetes-discovery.ts',
    'admin/inspector.ts',
  ],
  health: ['routing', 'pool', 'connection', 'transport', 'discovery/lookup-queue.ts'],
  config: ['discovery/address-range.ts', 'transport/tls-files.ts'],
  telemetry: ['admin/inspector.ts', 'pool/stats.ts', 'config/choices.ts'],
  injection: ['config', 'discovery/kubernetes/json-value.ts'],
  webhook: [
    'injection',
    'discovery/kubernetes/api-access.ts',
    'discovery/kubernetes/api-failure.ts',
    'discovery/kubernetes/credentials.ts',
    'discovery/kubernetes/json-value.ts',
    'discovery/kubernetes/kube-api.ts',
    'discovery/watched-file.ts',
    'admin/answer.ts',
    'admin/listening.ts',
    'config/choices.ts',
    'config/duration.ts',
    'telemetry/log.ts',
    'cli/deps.ts',
  ],
  tracing: ['forward', 'routing', 'pool', 'connection', 'protocol', 'transport/tls-files.ts', 'fleet/workload-name.ts'],
  page: ['status/types.ts'],
  console: [
    'cli/deps.ts',
    'cli/finding-words.ts',
    'cli/http-call.ts',
    'cli/json-reader.ts',
    'cli/paper.ts',
    'cli/table.ts',
    'cli/text-width.ts',
    'cli/times.ts',
    'status/types.ts',
  ],
  status: [
    'telemetry',
    'pool',
    'connection/upstream.ts',
    'admin/inspector.ts',
    'config',
    'injection/no-proxy-names.ts',
  ],
  admin: ['telemetry', 'status', 'pool/stats.ts', 'config'],
};
const COMMON = '^src/(back-off|clock|command-agent|errors|observer)\\.ts$|^src/config/types\\.ts$';

module.exports = {
  forbidden: [
    {
      name: 'no-cycle',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...Object.entries(MAY).map(([name, others]) => ({
      name: `arrows-of-${name}`,
      comment: `src/${name} may import ${others.join(', ') || 'nothing of ours'} and the common files`,
      severity: 'error',
      from: { path: room(name) },
      to: {
        path: '^src/',
        pathNot: [
          room(name),
          ...(name === 'protocol' ? [] : [COMMON]),
          ...others.map((other) => (other.endsWith('.ts') ? `^src/${other}$` : room(other))),
        ],
      },
    })),
    {
      name: 'nothing-imports-the-top',
      comment: 'app, run, main and the command line stand above everything',
      severity: 'error',
      from: {
        path: rooms(
          'protocol',
          'transport',
          'connection',
          'pool',
          'routing',
          'forward',
          'listener',
          'discovery',
          'fleet',
          'health',
          'injection',
          'config',
          'telemetry',
          'admin',
        ),
      },
      to: { path: '^src/(app|run|main)\\.ts$|^src/cli/' },
    },
    {
      name: 'the-page-is-for-a-browser',
      comment: 'the sidecar serves its files, and imports nothing of it',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/page/' },
      to: { path: '^src/page/' },
    },
    {
      name: 'protocol-is-bytes-only',
      severity: 'error',
      from: { path: room('protocol') },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    {
      name: 'no-dev-packages-in-src',
      severity: 'error',
      // The page is built into one file, Preact with it.
      from: { path: '^src', pathNot: '^src/page/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
};
