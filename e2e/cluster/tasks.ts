/** What goes on beside a test: a task that fails says so on stderr, unless everything is being ended. */
export class Tasks {
  readonly #name: string;
  readonly #stopped: AbortSignal;
  readonly #running = new Set<Promise<void>>();

  /** @param name of whoever does them, for what is said */
  constructor(name: string, stopped: AbortSignal) {
    this.#name = name;
    this.#stopped = stopped;
  }

  add(task: Promise<void>): void {
    const kept = task
      .catch((error: unknown) => {
        if (!this.#stopped.aborted) process.stderr.write(`${this.#name}: ${String(error)}\n`);
      })
      .finally(() => this.#running.delete(kept));
    this.#running.add(kept);
  }

  /** Resolves when those that run now are over. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }
}
