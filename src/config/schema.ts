import { MODES, ORIGIN_FORMS, PROFILES, VIA_MODES } from './choices.ts';
import { DISCOVERY_SCHEMA } from './discovery-schema.ts';
import { EGRESS_SCHEMA, FLEET_SCHEMA } from './fleet-schema.ts';
import { DESTINATION_SCHEMA, POLICY_SCHEMA } from './policy-schema.ts';
import { flatten, isSpec, type Setting, type SettingGroup, type SettingSpec } from './setting.ts';
import { TELEMETRY_SCHEMA } from './telemetry-schema.ts';

/**
 * The one schema: validation, the environment variables, the reference page, the JSON schema for editors and the
 * classes of a reload all come from here. Its leaves are convict's, with some attributes of our own.
 */
const TREE = {
  profile: {
    doc: '`development` has 20 connections a destination, an access log of errors, log level debug, one try and no health checks; `production` has the defaults, and health checks every 15 s where they are on.',
    format: 'choice',
    choices: PROFILES,
    default: 'production',
    applies: 'at once',
  },
  mode: {
    doc: '`observe` pools nothing, and counts what pooling would have saved: to look before one leaps.',
    format: 'choice',
    choices: MODES,
    default: 'pool',
    applies: 'at once',
  },
  listener: {
    host: {
      doc: 'Address for the app’s calls. Anything but loopback needs listener.allowNonLoopback.',
      format: 'host',
      default: '127.0.0.1',
      applies: 'restart',
    },
    port: { doc: 'Port for the app’s calls (HTTP_PROXY).', format: 'port', default: 14140, applies: 'restart' },
    allowNonLoopback: {
      doc: 'Lets listener.host be reachable from outside the pod: whoever reaches it can send requests from here.',
      format: 'boolean',
      default: false,
      applies: 'restart',
    },
    originForm: {
      doc: 'A request with only a path, as if carpool were the server: `refuse` answers 400 with what to set, `route` goes by its Host.',
      format: 'choice',
      choices: ORIGIN_FORMS,
      default: 'refuse',
      applies: 'at once',
    },
    idleTimeout: {
      doc: 'When an idle connection of the app is closed. Closing it races with the app’s next request, so it is off.',
      format: 'duration',
      min: 1000,
      zero: 'never',
      default: 0,
      applies: 'at once',
    },
    headTimeout: {
      doc: 'A request head must be complete this long after its first byte.',
      format: 'duration',
      min: 100,
      default: '10s',
      applies: 'at once',
    },
    maxHeadBytes: {
      doc: 'The largest head of a request or response.',
      format: 'size',
      min: 1024,
      max: 1024 * 1024,
      default: '64KiB',
      applies: 'restart',
    },
    maxFields: {
      doc: 'The most header fields of a request or response.',
      format: 'count',
      min: 10,
      max: 10_000,
      default: 200,
      applies: 'restart',
    },
    maxTargetBytes: {
      doc: 'The longest request target.',
      format: 'size',
      min: 256,
      max: 1024 * 1024,
      default: '16KiB',
      applies: 'restart',
    },
    maxConnections: {
      doc: 'Connections of the app at a time.',
      format: 'count',
      min: 1,
      max: 1_000_000,
      default: 10_000,
      applies: 'at once',
    },
    upgradeProtocols: {
      doc: 'Protocols that `Upgrade` may ask for; any other is taken off and the request goes on as plain HTTP.',
      format: 'tokens',
      default: ['websocket'],
      applies: 'at once',
    },
  },
  operator: {
    enabled: {
      doc: 'The read-only port with metrics, health and the status page.',
      format: 'boolean',
      default: true,
      applies: 'restart',
    },
    host: {
      doc: 'Its address; 0.0.0.0 takes the place of `::` where there is no IPv6.',
      format: 'host',
      default: '::',
      applies: 'restart',
    },
    port: { doc: 'Its port.', format: 'port', default: 14191, applies: 'restart' },
  },
  control: {
    socket: {
      doc: 'The Unix socket for commands. When its directory cannot be made that is a warning, and carpool runs without it.',
      format: 'path',
      // sun_path of Linux holds 108 bytes with the zero at the end.
      max: 107,
      default: '/run/carpool/control.sock',
      nullable: true,
      absent: 'none',
      applies: 'restart',
    },
    port: {
      doc: 'A loopback port for commands, beside the socket; needs control.tokenFile.',
      format: 'port',
      default: null,
      nullable: true,
      absent: 'none',
      applies: 'restart',
    },
    tokenFile: {
      doc: 'The file with the token that commands on control.port must carry.',
      format: 'path',
      default: null,
      nullable: true,
      absent: 'none',
      // Whoever writes the token itself here by mistake must not find it in a log.
      sensitive: true,
      applies: 'restart',
    },
  },
  security: {
    allowAddresses: {
      doc: 'Addresses that may be dialled although they are refused otherwise (loopback, link-local, metadata services).',
      format: 'addressRanges',
      default: [],
      applies: 'new connections',
    },
    allowLoopback: {
      doc: 'Calls that the app itself names `127.0.0.1`, `::1` or `localhost` go through: for a client that ignores NO_PROXY (BusyBox’s wget in a probe). Injection sets it. What a name of DNS leads to is refused all the same.',
      format: 'boolean',
      default: false,
      applies: 'new connections',
    },
    connectPorts: {
      doc: 'Ports that CONNECT may name.',
      format: 'ports',
      default: [443, 80, 8080, '1024-65535'],
      applies: 'at once',
    },
  },
  connect: {
    tlsPorts: {
      doc: 'Ports at which TLS is what a CONNECT is for: the upstream is dialled first, and the answer is 200 or the error. At any other port the answer is 200 at once, and what the app sends decides.',
      format: 'ports',
      default: [443, 6443, 8443, 9443, 10250],
      applies: 'at once',
    },
    sniffTimeout: {
      doc: 'How long the app may be silent inside a CONNECT before the upstream is dialled, in case that it is the server that speaks first.',
      format: 'duration',
      max: 10_000,
      zero: 'dialled at once',
      default: '50ms',
      applies: 'at once',
    },
  },
  http2: {
    maxStreams: {
      doc: 'Requests at a time on one HTTP/2 connection of the app.',
      format: 'count',
      min: 1,
      max: 100_000,
      default: 256,
      applies: 'new connections',
    },
    pingAfter: {
      doc: 'An HTTP/2 connection with open streams and this long without a frame is asked whether it is still there (PING).',
      format: 'duration',
      min: 1000,
      zero: 'never',
      default: '30s',
      applies: 'at once',
    },
    webSocket: {
      doc: 'Lets the app open WebSockets over HTTP/2 (extended CONNECT, RFC 8441).',
      format: 'boolean',
      default: false,
      applies: 'new connections',
    },
  },
  discovery: DISCOVERY_SCHEMA,
  limits: {
    maxConnections: {
      doc: 'Upstream connections, all destinations together. The file-descriptor limit may lower it.',
      format: 'count',
      min: 1,
      max: 1_000_000,
      default: 10_000,
      applies: 'at once',
    },
    tunnels: {
      doc: 'Tunnels (CONNECT, upgrades) at a time.',
      format: 'count',
      max: 1_000_000,
      zero: 'none',
      default: 1024,
      applies: 'at once',
    },
    bufferBytes: {
      doc: 'Budget over all buffers. `auto` is 25 % of the memory limit, at least 32 MiB; 64 MiB where there is no limit.',
      format: 'size',
      word: 'auto',
      min: 1024 * 1024,
      default: 'auto',
      applies: 'restart',
    },
    destinations: {
      doc: 'The most destinations that are kept at a time, configured or named by the app.',
      format: 'count',
      min: 1,
      max: 1_000_000,
      default: 10_000,
      applies: 'at once',
    },
  },
  via: {
    mode: {
      doc: 'Where a Via field is added. On requests it makes some servers stop compressing. `via: both` is short for `via: { mode: both }`.',
      format: 'choice',
      choices: VIA_MODES,
      default: 'off',
      applies: 'at once',
    },
    maxSelf: {
      doc: 'With Via on requests: how often a request may come by here before it is refused as a loop (508).',
      format: 'count',
      min: 1,
      max: 100,
      default: 3,
      applies: 'at once',
    },
  },
  fleet: FLEET_SCHEMA,
  egress: EGRESS_SCHEMA,
  defaults: POLICY_SCHEMA,
  destinations: {
    doc: 'Destinations with settings of their own.',
    format: 'destinations',
    default: [],
    applies: 'at once',
  },
  telemetry: TELEMETRY_SCHEMA,
  shutdown: {
    grace: {
      doc: 'How long a stop may take at most. The pod’s terminationGracePeriodSeconds must be longer.',
      format: 'duration',
      zero: 'stops at once',
      max: 3_600_000,
      default: '30s',
      applies: 'at once',
    },
    quiet: {
      doc: 'A stop ends when no connection of the app is left and none came for so long. Short where the app has ended before carpool is told to, as with a native sidecar.',
      format: 'duration',
      zero: 'ends as soon as no connection is left',
      max: 60_000,
      default: '2s',
      applies: 'at once',
    },
  },
} as const satisfies SettingGroup;

/** `defaults.pool.maxIdle` → `CARPOOL_POOL_MAX_IDLE`. */
export function envName(path: string): string {
  const snake = path
    .replace(/^defaults\./, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_');
  return `CARPOOL_${snake.toUpperCase()}`;
}

function withEnv(group: SettingGroup, prefix: string): SettingGroup {
  const named = Object.entries(group).map(([name, node]): [string, SettingSpec | SettingGroup] => {
    const path = prefix + name;
    if (!isSpec(node)) return [name, withEnv(node, `${path}.`)];
    // A list of destinations does not fit in a variable.
    return [name, path === 'destinations' ? node : { ...node, env: envName(path) }];
  });
  return Object.fromEntries(named);
}

/** The whole schema, each leaf with its environment variable. */
export const SCHEMA: SettingGroup = withEnv(TREE, '');

/** What may stand in an entry of `destinations`: its own settings and every setting of `defaults`. */
export const DESTINATION: SettingGroup = { ...DESTINATION_SCHEMA, ...POLICY_SCHEMA };

/** Every setting with its path. */
export const SETTINGS: readonly Setting[] = flatten(SCHEMA);

/** Every setting of an entry of `destinations`, with paths relative to it. */
export const DESTINATION_SETTINGS: readonly Setting[] = flatten(DESTINATION);

/** The settings that `defaults` and `destinations[]` share, with paths relative to them. */
export const POLICY_SETTINGS: readonly Setting[] = flatten(POLICY_SCHEMA);

/** Every setting by its path. */
export const SETTING_BY_PATH: ReadonlyMap<string, SettingSpec> = new Map(
  SETTINGS.map(({ path, spec }) => [path, spec]),
);
