import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { originCertificate } from '../rig/origins.ts';
import { manyAddresses, ports } from '../rig/ports.ts';
import { workPath } from '../rig/work-dir.ts';
import type { Candidate } from './peer.ts';
import { type Role, type RoleSpec, roles } from './roles.ts';

const HTTP = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const PROTOCOLS = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

/** A part of Envoy's configuration, which is JSON here. */
type Part = Readonly<Record<string, unknown>>;

/** Limits far above what any scenario needs: Envoy's own are 1,024 of each. */
const NO_LIMITS = { max_connections: 20_000, max_pending_requests: 20_000, max_requests: 20_000 };

function address(host: string, port: number): Part {
  return { socket_address: { address: host, port_value: port } };
}

function cluster(name: string, host: string, { upstream, tls, port }: RoleSpec): Part {
  const http2 = { http2_protocol_options: { max_concurrent_streams: 100 } };
  const protocol = upstream === 'http2' ? http2 : { http_protocol_options: {} };
  const secure = {
    '@type': TLS,
    sni: 'localhost',
    common_tls_context: {
      alpn_protocols: upstream === 'http2' ? ['h2'] : [],
      validation_context: { trusted_ca: { filename: originCertificate() } },
    },
  };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: { thresholds: [NO_LIMITS] },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': PROTOCOLS,
        explicit_http_config: protocol,
      },
    },
    ...(tls ? { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: secure } } : {}),
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(host, port) } }] }],
    },
  };
}

function virtualHost(domain: string, to: string, app: RoleSpec['app']): Part {
  const tunnel = {
    match: { connect_matcher: {} },
    route: { cluster: to, timeout: '0s', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
  };
  const plain = { match: { prefix: '/' }, route: { cluster: to, timeout: '60s' } };
  return { name: to, domains: [domain], routes: [app === 'connect' ? tunnel : plain] };
}

function configuration(role: Role): Part {
  const spec = roles[role];
  const targets =
    role === 'many'
      ? manyAddresses.map((host, i) => ({ host, domain: `${host}:${spec.port}`, name: `many${i}` }))
      : [{ host: '127.0.0.1', domain: '*', name: 'origin' }];
  const manager = {
    '@type': HTTP,
    stat_prefix: 'app',
    codec_type: 'AUTO',
    generate_request_id: false,
    ...(spec.app === 'connect' ? { upgrade_configs: [{ upgrade_type: 'CONNECT' }] } : {}),
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }],
    route_config: { virtual_hosts: targets.map(({ domain, name }) => virtualHost(domain, name, spec.app)) },
  };
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
  const listener = { name: 'app', address: address('127.0.0.1', ports.envoy), filter_chains: [{ filters: [filter] }] };
  return {
    static_resources: {
      listeners: [listener],
      clusters: targets.map(({ host, name }) => cluster(name, host, spec)),
    },
  };
}

/** Envoy as bench/setup.sh brings it, with static clusters, one worker, statistics on and nothing logged. */
export function envoy(): Candidate {
  const program = workPath('bin', 'envoy');
  if (!existsSync(program)) return { name: 'envoy', missing: 'not installed: bench/setup.sh' };
  return {
    name: 'envoy',
    warmSeconds: 1,
    version: spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.trim(),
    lacks: () => null,
    port: () => ports.envoy,
    command(role) {
      const file = workPath('conf', `envoy-${role}.json`);
      writeFileSync(file, JSON.stringify(configuration(role), null, 1));
      return { argv: [program, '-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'off'] };
    },
  };
}
