import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '../clock.ts';
import type { CertificateReports, CertificateSource } from './certificate-source.ts';
import { readServingPair } from './serving-pair.ts';

/** How often the files are looked at, in milliseconds; the kubelet takes a minute to bring a change to them. */
const LOOK_MS = 5_000;

/** A certificate that others make and renew: the files of a mounted Secret, as cert-manager keeps it. */
export class CertificateDirectory implements CertificateSource {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #reports: CertificateReports;
  #timer: Timer | null = null;
  #served = '';

  constructor(directory: string, clock: Clock, reports: CertificateReports) {
    this.#directory = directory;
    this.#clock = clock;
    this.#reports = reports;
  }

  start(): void {
    this.look();
  }

  look(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(() => this.look(), LOOK_MS);
    const read = readServingPair(this.#text('tls.crt'), this.#text('tls.key'), [], this.#clock.wall());
    if ('problem' in read) {
      this.#reports.failed(
        `${this.#directory}: ${read.problem}`,
        'Look at the Secret that is mounted there, and at the Certificate of cert-manager that it belongs to.',
      );
      return;
    }
    this.#reports.fine();
    if (read.fingerprint === this.#served) return;
    this.#served = read.fingerprint;
    this.#reports.serve(read, 'adopted');
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** A file that is missing counts as empty. */
  #text(name: string): string {
    try {
      return readFileSync(join(this.#directory, name), 'utf8');
    } catch {
      return '';
    }
  }
}
