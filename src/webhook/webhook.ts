import type { Clock } from '../clock.ts';
import type { Logger } from '../telemetry/log.ts';
import { fitWarnings, type Review } from './admission-review.ts';
import { AdmissionServer } from './admission-server.ts';
import type { CertificateReports, CertificateSource } from './certificate-source.ts';
import type { ServingPair } from './serving-pair.ts';
import { SettingsFile } from './settings-file.ts';
import { StatusServer } from './status-server.ts';
import { decide, type Inject, type Verdict } from './verdict.ts';
import { WebhookMetrics } from './webhook-metrics.ts';

/** After SIGTERM, until all API servers have heard that this replica is leaving its Service. */
const LEAVE_MS = 3_000;
/** For what runs then. */
const FINISH_MS = 5_000;
/** Whoever does not trust the certificate makes us look again, so often at most. */
const LOOK_AGAIN_MS = 5_000;
/** Codes of the alert by which a client refuses a certificate. */
const REFUSED_CERTIFICATE = /ALERT_(BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_)/;

export type WebhookParts = {
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settingsFile: string;
  /** Null: every address of either family. */
  readonly host: string | null;
  /** 0: any free port. */
  readonly port: number;
  readonly operatorPort: number;
  readonly inject: Inject;
  readonly certificates: (reports: CertificateReports) => CertificateSource;
};

/** The program: the server of admission questions, what it needs to answer, and how it comes and goes. */
export class Webhook {
  readonly metrics: WebhookMetrics;
  readonly #parts: WebhookParts;
  readonly #server: AdmissionServer;
  readonly #status: StatusServer;
  readonly #settings: SettingsFile;
  readonly #certificates: CertificateSource;
  #pair: ServingPair | null = null;
  #problem = '';
  #lookedAgainAt = Number.NEGATIVE_INFINITY;
  #stopping: Promise<void> | null = null;

  constructor(parts: WebhookParts) {
    const { clock, logger, host, port, operatorPort } = parts;
    this.#parts = parts;
    this.metrics = new WebhookMetrics(parts.version);
    this.#settings = new SettingsFile(parts.settingsFile, clock, {
      applied: () => {
        this.metrics.settings('applied');
        logger.info({ file: parts.settingsFile }, 'settings of injection read');
      },
      refused: (problems) => {
        this.metrics.settings('refused');
        logger.error({ problems }, 'the settings of injection were refused, the last good ones stay');
      },
    });
    this.#certificates = parts.certificates({
      serve: (pair, from) => this.#serve(pair, from),
      failed: (message, hint) => this.#failed(message, hint),
      fine: () => this.#failed('', ''),
    });
    this.#server = new AdmissionServer({
      host,
      port,
      clock,
      decide: (review) => decide(review, this.#settings.current, parts.inject),
      answered: (...answer) => this.#answered(...answer),
      refused: (status, words) => {
        this.metrics.refused();
        logger.warn({ status }, `a request was refused: ${words}`);
      },
      broken: (code) => this.#broken(code),
    });
    this.#status = new StatusServer({
      host,
      port: operatorPort,
      clock,
      notReady: () => this.#missing(),
      metrics: () => this.metrics.render(this.#pair?.notAfter ?? null),
    });
  }

  /** Listens, and looks for settings and a certificate. Rejects with the error of a port that cannot be had. */
  async start(): Promise<{ readonly port: number; readonly operatorPort: number }> {
    const operatorPort = await this.#status.start();
    const port = await this.#server.start();
    this.#settings.start();
    this.#certificates.start();
    return { port, operatorPort };
  }

  /** Reads settings and certificates at once. */
  look(): void {
    this.#settings.look();
    this.#certificates.look();
  }

  /** Goes: not ready at once, the port open for a while, then what runs is finished. */
  stop(): Promise<void> {
    this.#stopping ??= this.#leave();
    return this.#stopping;
  }

  async #leave(): Promise<void> {
    const { clock } = this.#parts;
    this.#server.leave();
    await new Promise<void>((resolve) => clock.setTimer(resolve, LEAVE_MS));
    await this.#server.stop(FINISH_MS);
    this.#settings.stop();
    this.#certificates.stop();
    await this.#status.stop();
  }

  #missing(): string | null {
    if (this.#stopping !== null) return 'it is stopping';
    if (this.#settings.current === null) return 'there are no settings';
    if (this.#pair === null) return 'there is no certificate';
    return this.#parts.clock.wall() > this.#pair.notAfter ? 'the certificate has expired' : null;
  }

  #serve(pair: ServingPair, from: 'made' | 'adopted'): void {
    const { logger } = this.#parts;
    const { fingerprint } = pair;
    const notAfter = new Date(pair.notAfter).toISOString();
    try {
      this.#server.useCertificate(pair.cert, pair.key);
    } catch (error) {
      this.metrics.certificate('failed');
      logger.error({ err: error, fingerprint }, 'TLS does not take the certificate');
      return;
    }
    this.#pair = pair;
    this.metrics.certificate(from);
    logger.info({ from, fingerprint, notAfter }, 'certificate served');
  }

  /** A problem that lasts is logged once. @param message empty: there is none */
  #failed(message: string, hint: string): void {
    const { logger } = this.#parts;
    if (message !== '') this.metrics.certificate('failed');
    if (message === this.#problem) return;
    if (message === '') logger.info('what was wrong with the certificate is mended');
    else logger.error({ hint }, message);
    this.#problem = message;
  }

  #answered(review: Review, verdict: Verdict, seconds: number, httpVersion: string): void {
    const { outcome, reason, error } = verdict;
    this.metrics.answered(outcome, reason, seconds);
    const { logger } = this.#parts;
    const { namespace, name, owner } = review;
    const fields = {
      outcome,
      ...(reason === null ? {} : { reason }),
      namespace,
      ...(owner === '' ? {} : { owner }),
      name,
      httpVersion,
    };
    if (outcome === 'failed') logger.error({ ...fields, err: error }, 'a pod starts without a sidecar');
    // The warnings of the answer go to a controller, which shows them to nobody: this is where its user finds them.
    else if (outcome === 'skipped' && reason !== 'opted_out')
      logger.warn(
        { ...fields, warnings: fitWarnings(verdict.answer.warnings) },
        'a pod starts without a sidecar, for it is skipped',
      );
    else logger.debug(fields, 'answered');
  }

  /** An API server that refuses the certificate has another CA: most likely somebody has emptied `caBundle`. */
  #broken(code: string): void {
    const { clock, logger } = this.#parts;
    this.metrics.connectionBroken();
    logger.debug({ code }, 'a connection broke');
    if (!REFUSED_CERTIFICATE.test(code) || clock.now() - this.#lookedAgainAt < LOOK_AGAIN_MS) return;
    this.#lookedAgainAt = clock.now();
    logger.warn({ code }, 'a client does not trust the certificate that is served');
    this.#certificates.look();
  }
}
