/** Where Kubernetes discovery says what it finds; the process log, in a sidecar. */
export interface DiscoveryLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Something that keeps Kubernetes discovery from its best: what, and what to do about it. */
export type Problem = { readonly message: string; readonly hint: string };

/**
 * What is wrong at the moment, by what it concerns. Each problem is a line in the log when it appears and one when it is
 * over, not one for each retry.
 */
export class ProblemLog {
  readonly #log: DiscoveryLog;
  readonly #problems = new Map<string, Problem>();

  constructor(log: DiscoveryLog) {
    this.#log = log;
  }

  /** @param subject what it concerns, such as `watch shop` or `service shop/orders` */
  set(subject: string, problem: Problem): void {
    const before = this.#problems.get(subject);
    this.#problems.set(subject, problem);
    if (before?.message === problem.message) return;
    this.#log.warn(`Kubernetes discovery: ${problem.message}. ${problem.hint}`, { subject });
  }

  /** Code that was told of a change in a namespace threw. The first time is told: where it came from differs each time. */
  fault(namespace: string, cause: unknown): void {
    const subject = `fault ${namespace}`;
    if (this.#problems.has(subject)) return;
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    this.set(subject, {
      message: `a change in ${namespace} was not taken in: ${text}`,
      hint: 'This is a fault of carpool; please report it.',
    });
  }

  clear(subject: string): void {
    const before = this.#problems.get(subject);
    if (before === undefined) return;
    this.#problems.delete(subject);
    this.#log.info(`Kubernetes discovery: over: ${before.message}`, { subject });
  }

  /** Forgets a subject that is of no interest any more, without a word. */
  forget(subject: string): void {
    this.#problems.delete(subject);
  }

  get(subject: string): Problem | null {
    return this.#problems.get(subject) ?? null;
  }

  /** All of them, the oldest first. */
  get all(): readonly Problem[] {
    return [...this.#problems.values()];
  }
}
