import { CarpoolError } from '../../errors.ts';
import { deniedKind } from '../address-rules.ts';
import type { EndpointSink, EndpointSpec } from '../discovery.ts';
import { parseIp } from '../ip-address.ts';

/** Loopback, and the unspecified addresses, which the kernel dials as loopback; what cannot be read counts as such. */
function isLoopback(address: string): boolean {
  const ip = parseIp(address);
  const kind = ip === null ? 'loopback' : deniedKind(ip);
  return kind === 'loopback' || kind === 'unspecified';
}

/**
 * Stands between DNS and a destination whose endpoints may come from Kubernetes later: it knows what DNS told, so that
 * all of it can be taken back when the name moves over.
 */
export class DnsRelay implements EndpointSink {
  readonly #sink: EndpointSink;
  /** The ExternalName that is being resolved, which must not lead to the pod itself; or null. */
  readonly #externalName: string | null;
  readonly #onSettled: (error: CarpoolError | null) => void;
  readonly #told = new Set<string>();
  /** What DNS told of the name that was in force before, and not of this one. */
  readonly #before: Set<string>;
  #dropped = 0;

  /** @param before in whose place it comes, or null; what that one told goes with `retractBefore` */
  constructor(
    sink: EndpointSink,
    externalName: string | null,
    before: DnsRelay | null,
    onSettled: (error: CarpoolError | null) => void,
  ) {
    this.#sink = sink;
    this.#externalName = externalName;
    this.#before = new Set(before === null ? [] : [...before.#told, ...before.#before]);
    this.#onSettled = onSettled;
  }

  /** Whether the sink has the endpoint from here. */
  has(id: string): boolean {
    return this.#told.has(id);
  }

  add(endpoint: EndpointSpec): void {
    if (this.#externalName !== null && endpoint.proxied === undefined && isLoopback(endpoint.address)) {
      this.#dropped++;
      return;
    }
    this.#told.add(endpoint.id);
    this.#before.delete(endpoint.id);
    this.#sink.add(endpoint);
  }

  suspend(id: string): void {
    if (this.#told.has(id)) this.#sink.suspend(id);
  }

  unready(id: string): void {
    if (this.#told.has(id)) this.#sink.unready(id);
  }

  terminating(id: string, serving: boolean): void {
    if (this.#told.has(id)) this.#sink.terminating(id, serving);
  }

  remove(id: string): void {
    if (this.#told.delete(id)) this.#sink.remove(id);
  }

  affinity(): void {}

  settled(error: CarpoolError | null): void {
    this.#onSettled(this.#inWordsOfTheService(error));
  }

  /** The app named the Service and may not know of its ExternalName. */
  #inWordsOfTheService(error: CarpoolError | null): CarpoolError | null {
    const name = this.#externalName;
    if (name === null) return error;
    const hint = `Look at spec.externalName of the Service: it is ${name}.`;
    if (error !== null)
      return new CarpoolError(error.code, `the ExternalName of the Service: ${error.message}`, { hint, cause: error });
    if (this.#told.size > 0 || this.#dropped === 0) return null;
    const message = `the ExternalName ${name} leads to a loopback address, which is never dialled for a Service`;
    return new CarpoolError('DESTINATION_DENIED', message, { hint });
  }

  /** Takes back what DNS told, but for the endpoints that others tell under the same id. */
  retract(keep: (id: string) => boolean): void {
    for (const id of [...this.#told, ...this.#before]) if (!keep(id)) this.#sink.remove(id);
    this.#told.clear();
    this.#before.clear();
  }

  /** Takes back what was told of the name before, now that there is an answer to this one. */
  retractBefore(): void {
    for (const id of this.#before) this.#sink.remove(id);
    this.#before.clear();
  }
}
