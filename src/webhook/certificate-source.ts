import type { ServingPair } from './serving-pair.ts';

/** Where certificates come from. */
export interface CertificateSource {
  /** Begins; what is found is told from now on. */
  start(): void;
  /** Looks at once rather than at its next time. */
  look(): void;
  stop(): void;
}

/** What a source tells. */
export type CertificateReports = {
  /** Serve this from now on. `made` here, or `adopted`: somebody else has made it. */
  readonly serve: (pair: ServingPair, from: 'made' | 'adopted') => void;
  /** A look found something wrong, or could not be done; what is served stays. */
  readonly failed: (message: string, hint: string) => void;
  /** A look found all in order. */
  readonly fine: () => void;
};
