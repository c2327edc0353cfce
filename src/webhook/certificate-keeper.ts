import { backOffMs } from '../back-off.ts';
import type { Clock, Timer } from '../clock.ts';
import { ApiError } from '../discovery/kubernetes/kube-api.ts';
import { mendedBundle } from './ca-bundle.ts';
import type { CertificateReports, CertificateSource } from './certificate-source.ts';
import type { CertificateStore, HeldCertificates } from './certificate-store.ts';
import { BACKDATE_MS } from './lifetime.ts';
import { isValidAt, readCertificates, readServingPair, type ServingPair } from './serving-pair.ts';

/** How often each replica looks at the Secret and the bundles, give or take a tenth. */
const LOOK_MS = 60_000;
/** After a look that failed: this, doubling up to `LOOK_MS`. */
const RETRY_MS = 2_000;
/** From a CA in the bundle to its certificate on the wire: all API servers have heard of it by then. */
const SETTLE_MS = 10_000;
/** Of its lifetime, after which a certificate is renewed; replicas spread over as much again as `JITTER`. */
const RENEW_AT = 2 / 3;
const JITTER = 0.03;
/** Others write, too: so often in a row they may be faster. */
const TRIES = 4;

export type KeeperOptions = {
  readonly store: CertificateStore;
  /** What certificates have to be for, the most exact name first. */
  readonly names: readonly string[];
  readonly lifetimeMs: number;
  readonly clock: Clock;
  readonly reports: CertificateReports;
  /** From 0 to 1. */
  readonly random: () => number;
};

/** A pair with the CA that API servers have to trust for it. */
type Trusted = { readonly pair: ServingPair; readonly ca: string };

type State =
  | { readonly kind: 'waiting'; readonly timer: Timer }
  /** `again`: somebody asked meanwhile. */
  | { readonly kind: 'looking'; readonly again: boolean }
  | { readonly kind: 'stopped' };

/**
 * Makes the certificate, renews it, and sees to it that API servers trust it. All replicas do the same with the same two
 * objects, without a leader: the Secret is written for the version that was read, and who comes second takes the other's.
 *
 * The order is Secret, bundle, server. What a replica serves is thereby always something that API servers trust already, and
 * old CAs stay in the bundle for those who serve their certificates still.
 */
export class CertificateKeeper implements CertificateSource {
  readonly #options: KeeperOptions;
  readonly #jitter: number;
  #state: State = { kind: 'stopped' };
  #served: Trusted | null = null;
  #next: { readonly trusted: Trusted; readonly timer: Timer } | null = null;
  #failures = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#jitter = JITTER * options.random();
  }

  start(): void {
    if (this.#state.kind !== 'stopped') return;
    this.#state = { kind: 'looking', again: false };
    void this.#look();
  }

  look(): void {
    if (this.#state.kind === 'stopped') return;
    if (this.#state.kind === 'looking') {
      this.#state = { kind: 'looking', again: true };
      return;
    }
    this.#state.timer.cancel();
    this.#state = { kind: 'looking', again: false };
    void this.#look();
  }

  stop(): void {
    if (this.#state.kind === 'waiting') this.#state.timer.cancel();
    this.#state = { kind: 'stopped' };
    this.#next?.timer.cancel();
    this.#next = null;
  }

  /** One look; the next is set for when it has ended. Never rejects. */
  async #look(): Promise<void> {
    const { reports, random } = this.#options;
    let wait = LOOK_MS * (0.9 + random() / 5);
    try {
      await this.#keep();
      this.#failures = 0;
      if (!this.#isStopped()) reports.fine();
    } catch (error) {
      wait = backOffMs(RETRY_MS, LOOK_MS, this.#failures++, random);
      if (!this.#isStopped()) reports.failed(...inWords(error));
    }
    this.#rest(wait);
  }

  #rest(waitMs: number): void {
    if (this.#state.kind === 'stopped') return;
    const asked = this.#state.kind === 'looking' && this.#state.again;
    this.#state = {
      kind: 'waiting',
      timer: this.#options.clock.setTimer(() => this.look(), asked ? 0 : waitMs),
    };
  }

  async #keep(): Promise<void> {
    const { trusted, from, problem } = await this.#certificate();
    try {
      await this.#trust(trusted.ca);
    } catch (error) {
      // Whatever API servers trust now, it is more than nothing; a certificate that they do trust is not given up for it.
      if (!this.#isUsable(this.#served)) this.#serve(trusted, from);
      throw error;
    }
    this.#offer(trusted, from);
    if (problem !== null) throw problem;
  }

  /**
   * What the Secret holds, made anew where it has to be.
   * @returns problem: it should have been renewed and could not, but holds for a while
   */
  async #certificate(): Promise<{ trusted: Trusted; from: 'made' | 'adopted'; problem: unknown }> {
    const { store, names, lifetimeMs, clock } = this.#options;
    for (let tries = 0; tries < TRIES; tries++) {
      const held = await store.certificates();
      const read = this.#read(held);
      if ('pair' in read && !this.#isDue(read.pair)) return { trusted: read, from: 'adopted', problem: null };
      try {
        // Loaded when it is needed: most starts find a certificate.
        const { makeCertificates } = await import('./make-certificates.ts');
        const after = await store.replace(held.version, await makeCertificates(names, clock.wall(), lifetimeMs));
        if (after === 'conflict') continue;
        const made = this.#read(after);
        if ('pair' in made) return { trusted: made, from: 'made', problem: null };
        throw new Error(`what was written into the Secret is of no use: ${made.problem}`);
      } catch (error) {
        if ('pair' in read) return { trusted: read, from: 'adopted', problem: error };
        throw error;
      }
    }
    throw new Error('others write the Secret all the time');
  }

  /** Sees to it that API servers trust a CA, and the one whose certificate is served. */
  async #trust(ca: string): Promise<void> {
    const { store, clock } = this.#options;
    const ours = this.#served === null ? [ca] : [ca, this.#served.ca];
    for (let tries = 0; tries < TRIES; tries++) {
      const { version, bundles } = await store.bundles();
      if (bundles.length === 0)
        throw new ApiError(
          'not_found',
          `${store.configuration} has no webhook that calls this Service`,
          'Look at --webhook-configuration, --service and the namespace.',
        );
      const mended = bundles
        .map(({ webhook, pem }) => ({ webhook, before: pem, pem: mendedBundle(pem, ours, clock.wall()) }))
        .filter(({ before, pem }) => before !== pem);
      if (mended.length === 0 || (await store.trust(version, mended)) === 'written') return;
    }
    throw new Error(`others write the ${store.configuration} all the time`);
  }

  #read({ cert, key, ca }: HeldCertificates): Trusted | { readonly problem: string } {
    const { names, clock } = this.#options;
    const pair = readServingPair(cert, key, names, clock.wall());
    if ('problem' in pair) return pair;
    const [leaf] = readCertificates(cert) ?? [];
    const [authority] = readCertificates(ca) ?? [];
    if (authority === undefined || leaf === undefined)
      return { problem: 'ca.crt holds no certificate that can be read' };
    if (!leaf.checkIssued(authority) || !leaf.verify(authority.publicKey))
      return { problem: 'tls.crt is not signed by ca.crt' };
    return isValidAt(authority, clock.wall()) ? { pair, ca } : { problem: 'the CA has expired' };
  }

  #isDue({ notBefore, notAfter }: ServingPair): boolean {
    const made = notBefore + BACKDATE_MS;
    return this.#options.clock.wall() >= made + (notAfter - made) * (RENEW_AT + this.#jitter);
  }

  #isUsable(trusted: Trusted | null): boolean {
    return trusted !== null && this.#options.clock.wall() <= trusted.pair.notAfter;
  }

  /** Serves it at once where nothing else can be, else when all API servers have its CA. */
  #offer(trusted: Trusted, from: 'made' | 'adopted'): void {
    const { fingerprint } = trusted.pair;
    if (this.#isStopped() || this.#next?.trusted.pair.fingerprint === fingerprint) return;
    this.#next?.timer.cancel();
    this.#next = null;
    if (this.#served?.pair.fingerprint === fingerprint) return;
    if (!this.#isUsable(this.#served)) {
      this.#serve(trusted, from);
      return;
    }
    const timer = this.#options.clock.setTimer(() => {
      this.#next = null;
      this.#serve(trusted, from);
    }, SETTLE_MS);
    this.#next = { trusted, timer };
  }

  #serve(trusted: Trusted, from: 'made' | 'adopted'): void {
    if (this.#isStopped() || this.#served?.pair.fingerprint === trusted.pair.fingerprint) return;
    this.#served = trusted;
    this.#options.reports.serve(trusted.pair, from);
  }

  #isStopped(): boolean {
    return this.#state.kind === 'stopped';
  }
}

function inWords(error: unknown): [message: string, hint: string] {
  if (error instanceof ApiError && error.kind === 'no_credentials')
    return [
      error.message,
      'The pod of the webhook needs the token of its service account (automountServiceAccountToken).',
    ];
  if (error instanceof ApiError) return [error.message, error.hint];
  return [error instanceof Error ? error.message : String(error), 'It is tried again.'];
}
