import type { ProblemLog } from './discovery-log.ts';
import type { ApiError, ApiFailureKind } from './kube-api.ts';

/** What the log says about one namespace's watch: a line for each kind of failure, not one for each failure. */
export class WatchReport {
  readonly #problems: ProblemLog;
  readonly #namespace: string;
  #failure: ApiFailureKind | null = null;

  constructor(problems: ProblemLog, namespace: string) {
    this.#problems = problems;
    this.#namespace = namespace;
  }

  /** @param serving whether endpoints are known that serve on */
  failed(error: ApiError, serving: boolean): void {
    if (this.#failure === error.kind) return;
    this.#failure = error.kind;
    // Without rights discovery is off for as long as nobody grants them, so nobody relies on what it knew.
    const meanwhile =
      serving && error.kind !== 'forbidden'
        ? 'The endpoints known so far serve on.'
        : `Until then names of Services in ${this.#namespace} go by DNS.`;
    const hint = `${error.hint} ${meanwhile}`.trim();
    this.#problems.set(`watch ${this.#namespace}`, { message: error.message, hint });
  }

  healthy(): void {
    this.#failure = null;
    this.#problems.clear(`watch ${this.#namespace}`);
  }

  /** @param first the name of an object that is left out, or null: none is */
  unreadable(first: string | null): void {
    const subject = `slices ${this.#namespace}`;
    if (first === null) this.#problems.clear(subject);
    else
      this.#problems.set(subject, {
        message: `EndpointSlice ${this.#namespace}/${first} is left out: it has host names (FQDN) in place of addresses, or is no EndpointSlice of a Service`,
        hint: 'Mend the object, or whatever writes it.',
      });
  }

  /** Nobody is interested in the namespace any more. */
  forget(): void {
    this.#failure = null;
    this.#problems.forget(`watch ${this.#namespace}`);
    this.#problems.forget(`slices ${this.#namespace}`);
  }
}
