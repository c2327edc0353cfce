import { TLS_VERSIONS } from './choices.ts';
import type { SettingGroup } from './setting.ts';

/** TLS to an upstream: the settings below `tls` of `defaults` and of each destination. */
export const TLS_SCHEMA = {
  originate: {
    doc: 'Opens TLS to the destination for requests that come in clear: by localPort, or to `http://`. A request to `https://` goes by TLS in any case; the settings beside this one are for both.',
    format: 'boolean',
    default: false,
    applies: 'new connections',
  },
  ca: {
    doc: 'PEM file with the CA certificates that are trusted, in place of those that Node brings. Read again when it changes.',
    format: 'path',
    default: null,
    nullable: true,
    absent: 'the CAs that Node brings, and NODE_EXTRA_CA_CERTS',
    applies: 'new connections',
  },
  cert: {
    doc: 'PEM file with the certificate (and its chain) that carpool shows to the server; needs tls.key. Read again when it changes.',
    format: 'path',
    default: null,
    nullable: true,
    absent: 'none',
    applies: 'new connections',
  },
  key: {
    doc: 'PEM file with the private key of tls.cert. Read again when it changes.',
    format: 'path',
    default: null,
    nullable: true,
    absent: 'none',
    // Whoever writes the key itself here by mistake must not find it in a log.
    sensitive: true,
    applies: 'new connections',
  },
  serverName: {
    doc: 'The name that is asked for (SNI) and that the server’s certificate must have.',
    format: 'serverName',
    default: null,
    nullable: true,
    absent: 'the destination’s host',
    applies: 'new connections',
  },
  minVersion: {
    doc: 'The least version of TLS.',
    format: 'choice',
    choices: TLS_VERSIONS,
    default: 'TLSv1.2',
    applies: 'new connections',
  },
} as const satisfies SettingGroup;
