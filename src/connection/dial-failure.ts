import type { ProxyRefusal } from './proxy-refusal.ts';
import type { TlsFailure } from './tls-failure.ts';

/** Why a connect came to nothing. */
export type DialFailure = {
  /** An errno name (`ECONNREFUSED`), `ETIMEDOUT` where the deadline passed, or the code of a TLS failure. */
  readonly errno: string;
  readonly message: string;
  readonly timedOut: boolean;
  /** TCP stood, or was not even tried, and TLS failed; else null. */
  readonly tls: TlsFailure | null;
  /** The parent proxy has answered, and not as it was asked; absent: it is something else. */
  readonly refusal?: ProxyRefusal;
};
