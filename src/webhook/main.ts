import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { EXIT } from '../cli/deps.ts';
import { systemClock } from '../clock.ts';
import { openCredentials } from '../discovery/kubernetes/credentials.ts';
import { injectPod } from '../injection/inject.ts';
import { openLog } from '../telemetry/log.ts';
import { ApiCalls } from './api-calls.ts';
import { CertificateDirectory } from './certificate-directory.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import type { CertificateReports, CertificateSource } from './certificate-source.ts';
import { CertificateStore } from './certificate-store.ts';
import { readOptions, USAGE, UsageError, type WebhookOptions } from './options.ts';
import { Webhook } from './webhook.ts';

// As in the sidecar: a small heap rather than one that is fast to grow.
setFlagsFromString('--optimize-for-size');
setFlagsFromString('--max-semi-space-size=1');

/** The version of package.json; esbuild writes it into the bundle. */
declare const CARPOOL_VERSION: string | undefined;

function version(): string {
  if (typeof CARPOOL_VERSION === 'string') return CARPOOL_VERSION;
  const parsed: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown';
}

function certificatesOf({ certificates, tokenDir }: WebhookOptions, reports: CertificateReports): CertificateSource {
  if (certificates.kind === 'directory') return new CertificateDirectory(certificates.directory, systemClock, reports);
  const { service, namespace, lifetimeMs } = certificates;
  const where = { env: process.env, kubeconfig: null, apiServer: null, tokenDir };
  const credentials = openCredentials({ ...where, clock: systemClock });
  const calls = new ApiCalls(credentials, systemClock, `carpool-webhook/${version()}`);
  const host = `${service}.${namespace}`;
  return new CertificateKeeper({
    store: new CertificateStore(calls, certificates),
    names: [`${host}.svc`, `${host}.svc.cluster.local`, host],
    lifetimeMs,
    clock: systemClock,
    reports,
    random: Math.random,
  });
}

/** Runs until a signal ends it. @returns the exit code */
async function run(options: WebhookOptions): Promise<number> {
  const log = openLog({ level: options.logLevel, clock: systemClock });
  const { logger } = log;
  const end = (error: unknown, what: string): void => {
    log.fatal(error, what);
    process.exit(EXIT.failure);
  };
  process.on('uncaughtException', (error) => end(error, 'a fault that nobody caught; the process ends'));
  process.on('unhandledRejection', (error) => end(error, 'a rejection that nobody handled; the process ends'));
  const ownVersion = version();
  const webhook = new Webhook({
    ...options,
    version: ownVersion,
    clock: systemClock,
    logger,
    inject: (pod, settings) => injectPod(pod, settings, { version: ownVersion, existing: 'keep' }),
    certificates: (reports) => certificatesOf(options, reports),
  });
  try {
    const ports = await webhook.start();
    logger.info({ version: ownVersion, node: process.version, ...ports }, 'listening');
  } catch (error) {
    log.fatal(error, 'a port cannot be listened on');
    return EXIT.failure;
  }
  process.on('SIGHUP', () => webhook.look());
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void webhook.stop().then(resolve));
  });
  logger.info('stopped');
  log.close();
  return EXIT.ok;
}

async function main(): Promise<number> {
  if (process.argv.includes('--help')) {
    process.stdout.write(USAGE);
    return EXIT.ok;
  }
  try {
    return await run(readOptions(process.argv.slice(2), process.env));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`webhook: ${error.message}\n${USAGE}`);
    return EXIT.usage;
  }
}

// Timers of the clock keep no process alive, nor does a connection that is being closed.
const awake = setInterval(() => {}, 2 ** 30);
main().then(
  (code) => {
    clearInterval(awake);
    process.exit(code);
  },
  (error: unknown) => {
    process.stderr.write(`webhook: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(EXIT.failure);
  },
);
