import type { Proxied } from '../discovery/discovery.ts';
import type { ProxiedHead } from '../protocol/http1/head-writer.ts';
import { bracketed, refusedWith } from './proxy-refusal.ts';

/** How requests in clear are written to a parent proxy: whole URLs of the host that they are for, with the proxy's credentials. */
export class AbsoluteForm implements ProxiedHead {
  readonly scheme: Buffer;
  readonly authority: Buffer;
  readonly #proxied: Proxied;

  constructor(proxied: Proxied) {
    const { host, port } = proxied;
    const authority = port === 80 ? bracketed(host) : `${bracketed(host)}:${port}`;
    this.#proxied = proxied;
    this.authority = Buffer.from(authority, 'latin1');
    this.scheme = Buffer.from(`http://${authority}`, 'latin1');
  }

  /** As they are now. */
  get credentials(): Buffer | null {
    return this.#proxied.proxy.credentials();
  }

  /** What is wrong where the proxy asks carpool, and not the app, for credentials (407). */
  refused(): string {
    return refusedWith(407, this.#proxied, 'a request').message;
  }
}
