import { COORDINATORS } from './choices.ts';
import type { SettingGroup } from './setting.ts';

/** Many sidecars, one upstream: what they share, and by whom (docs/fleet.md). */
export const FLEET_SCHEMA = {
  coordinator: {
    doc: 'Who divides the budget: `kubernetes` gives every pod of the workload the same share, `redis` (or Valkey) lets shares follow demand.',
    format: 'choice',
    choices: COORDINATORS,
    default: null,
    nullable: true,
    absent: 'none',
    applies: 'restart',
  },
  maxConnections: {
    doc: 'Connections to each destination from all sidecars of the workload together; an entry of destinations may have its own.',
    format: 'count',
    min: 1,
    max: 10_000_000,
    default: null,
    nullable: true,
    absent: 'no budget',
    applies: 'at once',
  },
  service: {
    doc: 'The workload’s own Service, `name` or `name.namespace`: its ready endpoints are the peers. With `redis`: how many there are, should Redis not answer at the start.',
    format: 'serverName',
    default: null,
    nullable: true,
    absent: 'needed for `kubernetes`',
    applies: 'restart',
  },
  workload: {
    doc: 'With `redis`: what the sidecars that share a budget have in common.',
    format: 'name',
    default: null,
    nullable: true,
    absent: '`service`, else the namespace and the pod’s name without its generated parts',
    applies: 'restart',
  },
  minShare: {
    doc: 'What every sidecar has whatever the demand of the others, as far as the budget goes.',
    format: 'count',
    min: 1,
    max: 65_535,
    default: 1,
    applies: 'at once',
  },
  failoverTimeout: {
    doc: 'How long Redis may be away until the even share is used instead, and after which a sidecar that says nothing has lost its share.',
    format: 'duration',
    min: 2000,
    max: 300_000,
    default: '10s',
    applies: 'restart',
  },
  redis: {
    url: {
      doc: '`redis://host:port/db`, or `rediss://` for TLS; without a password.',
      format: 'redisUrl',
      default: null,
      nullable: true,
      absent: 'needed for `redis`',
      applies: 'restart',
    },
    username: {
      doc: 'Of an ACL user.',
      format: 'name',
      default: null,
      nullable: true,
      absent: 'none',
      applies: 'restart',
    },
    passwordFile: {
      doc: 'A file with the password.',
      format: 'path',
      default: null,
      nullable: true,
      absent: 'none',
      applies: 'restart',
    },
    ca: {
      doc: 'PEM file with the CAs that are trusted for `rediss://`.',
      format: 'path',
      default: null,
      nullable: true,
      absent: 'those that Node brings',
      applies: 'restart',
    },
    prefix: { doc: 'What its keys begin with.', format: 'name', default: 'carpool', applies: 'restart' },
  },
} as const satisfies SettingGroup;

/** How the outside is reached where a pod may not go there by itself. */
export const EGRESS_SCHEMA = {
  parentProxy: {
    url: {
      doc: 'The proxy that calls to the outside go by: `http://host:port`, or `https://` where it is spoken to by TLS.',
      format: 'proxyUrl',
      default: null,
      nullable: true,
      absent: 'none: destinations are called directly',
      applies: 'restart',
    },
    noProxy: {
      doc: 'What is called directly all the same: names, `.suffixes`, addresses and ranges, each with `:port` if need be. Names without a dot, Services and addresses that are written in `endpoints` always are.',
      format: 'noProxy',
      default: [
        '.svc',
        '.cluster.local',
        '.local',
        '10.0.0.0/8',
        '172.16.0.0/12',
        '192.168.0.0/16',
        'fc00::/7',
        '127.0.0.0/8',
        '::1',
      ],
      applies: 'restart',
    },
    credentialsFile: {
      doc: 'A file with `user:password` for Basic, or a whole value for Proxy-Authorization (`Bearer …`). Followed without a restart.',
      format: 'path',
      default: null,
      nullable: true,
      absent: 'none',
      applies: 'restart',
    },
    ca: {
      doc: 'PEM file with the CAs that are trusted for a proxy at `https://`.',
      format: 'path',
      default: null,
      nullable: true,
      absent: 'those that Node brings',
      applies: 'restart',
    },
  },
} as const satisfies SettingGroup;
