import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LOG_LEVELS } from '../config/choices.ts';
import { parseDuration } from '../config/duration.ts';
import type { LogLevel } from '../config/types.ts';

/** Where the certificate comes from: files that others renew, or a Secret of our own. */
export type CertificateOptions =
  | { readonly kind: 'directory'; readonly directory: string }
  | {
      readonly kind: 'self';
      readonly secret: string;
      readonly configuration: string;
      readonly service: string;
      readonly namespace: string;
      readonly lifetimeMs: number;
    };

export type WebhookOptions = {
  readonly settingsFile: string;
  /** Null: every address, of IPv4 alone where the node has no IPv6. */
  readonly host: string | null;
  readonly port: number;
  readonly operatorPort: number;
  readonly certificates: CertificateOptions;
  /** Where the token, ca.crt and namespace of the service account are. */
  readonly tokenDir: string;
  readonly logLevel: LogLevel;
};

/** What the command line says is wrong, in words. */
export class UsageError extends Error {}

export const USAGE = `usage: webhook.js --settings FILE
  [--host ADDRESS] [--port 8443] [--operator-port 8081] [--log-level info]
  --certificate-dir DIR
  | --certificate-secret NAME --webhook-configuration NAME --service NAME [--certificate-lifetime 90d]
    [--token-dir /var/run/secrets/kubernetes.io/serviceaccount]
`;

const TEXT = { type: 'string' } as const;
const FLAGS = {
  settings: TEXT,
  host: TEXT,
  port: TEXT,
  'operator-port': TEXT,
  'log-level': TEXT,
  'certificate-dir': TEXT,
  'certificate-secret': TEXT,
  'webhook-configuration': TEXT,
  service: TEXT,
  'certificate-lifetime': TEXT,
  'token-dir': TEXT,
} as const;

const DAY_MS = 86_400_000;
/** Renewed at two thirds, a shorter one would be made anew more often than replicas look. */
const MIN_LIFETIME_MS = 600_000;
const MAX_LIFETIME_MS = 3650 * DAY_MS;

/** Reads the command line. @throws UsageError */
export function readOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): WebhookOptions {
  const given = parse(args);
  const tokenDir = given['token-dir'] ?? '/var/run/secrets/kubernetes.io/serviceaccount';
  const level = given['log-level'] ?? 'info';
  const logLevel = LOG_LEVELS.find((known) => known === level);
  if (logLevel === undefined) throw new UsageError(`--log-level ${level}: one of ${LOG_LEVELS.join(', ')}`);
  if (given.settings === undefined) throw new UsageError('--settings is missing');
  return {
    settingsFile: given.settings,
    host: given.host ?? null,
    port: portOf('--port', given.port ?? '8443'),
    operatorPort: portOf('--operator-port', given['operator-port'] ?? '8081'),
    certificates: certificateOptions(given, env, tokenDir),
    tokenDir,
    logLevel,
  };
}

type Given = { readonly [Name in keyof typeof FLAGS]?: string | undefined };

function parse(args: readonly string[]): Given {
  try {
    return parseArgs({ args: [...args], options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function certificateOptions(
  given: Given,
  env: Readonly<Record<string, string | undefined>>,
  tokenDir: string,
): CertificateOptions {
  const { 'certificate-dir': directory, 'certificate-secret': secret } = given;
  if ((directory === undefined) === (secret === undefined))
    throw new UsageError('one of --certificate-dir and --certificate-secret is needed');
  if (directory !== undefined) return { kind: 'directory', directory };
  const { 'webhook-configuration': configuration, service } = given;
  if (secret === undefined || configuration === undefined || service === undefined)
    throw new UsageError('--certificate-secret needs --webhook-configuration and --service');
  const namespace = env.POD_NAMESPACE || mountedNamespace(tokenDir);
  if (namespace === null) throw new UsageError(`POD_NAMESPACE is not set, and there is no ${tokenDir}/namespace`);
  return { kind: 'self', secret, configuration, service, namespace, lifetimeMs: lifetimeOf(given) };
}

function lifetimeOf({ 'certificate-lifetime': text = '90d' }: Given): number {
  const days = /^([0-9]{1,4})d$/.exec(text)?.[1];
  const ms = days === undefined ? parseDuration(text) : Number(days) * DAY_MS;
  if (ms === null || ms < MIN_LIFETIME_MS || ms > MAX_LIFETIME_MS)
    throw new UsageError(`--certificate-lifetime ${text}: a time such as 90d or 12h, from 10m to 3650d`);
  return ms;
}

function portOf(flag: string, text: string): number {
  const port = Number(text);
  if (!/^[0-9]{1,5}$/.test(text) || port > 65_535) throw new UsageError(`${flag} ${text}: a port`);
  return port;
}

function mountedNamespace(tokenDir: string): string | null {
  try {
    return readFileSync(join(tokenDir, 'namespace'), 'utf8').trim() || null;
  } catch {
    return null;
  }
}
