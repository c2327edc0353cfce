import type { Controller } from './admin/inspector.ts';
import type { ConfigWatcher } from './config/reload.ts';
import type { EndpointSources } from './endpoint-sources.ts';
import type { EventSink } from './observer.ts';
import type { Router } from './routing/router.ts';
import type { SidecarLog } from './telemetry/log.ts';

export type SteeringContext = {
  readonly router: Router;
  readonly watcher: ConfigWatcher;
  readonly sources: EndpointSources;
  readonly log: SidecarLog;
  readonly events: EventSink;
};

/** What the control socket may do with the running sidecar. */
export class Steering implements Controller {
  readonly #context: SteeringContext;

  constructor(context: SteeringContext) {
    this.#context = context;
  }

  async reload(): Promise<{ applied: boolean; lines: readonly string[] }> {
    this.#context.sources.askAgain();
    const outcome = this.#context.watcher.reload();
    return { applied: outcome.outcome !== 'refused', lines: outcome.lines };
  }

  setLogLevel(level: string): boolean {
    return this.#context.log.setLevel(level);
  }

  evict(selection: { destination: string | null; idleOnly: boolean }): number | null {
    const { destination, idleOnly } = selection;
    const found = destination === null ? this.#context.router.destinations : this.#context.router.named(destination);
    if (destination !== null && found.length === 0) return null;
    return found.reduce((sum, { pool }) => sum + pool.evict('admin', idleOnly), 0);
  }

  pause(destination: string): boolean | null {
    const { router } = this.#context;
    const found = router.named(destination, true);
    if (found.length === 0) return null;
    return found.map((each) => router.pause(each)).includes(true);
  }

  pauseTimeoutMs(destination: string): number {
    return Math.min(...this.#context.router.named(destination).map(({ policy }) => policy.pool.pauseTimeoutMs));
  }

  resume(destination: string): boolean | null {
    const { router } = this.#context;
    const found = router.named(destination, true);
    if (found.length === 0) return null;
    return found.map((each) => router.resume(each)).includes(true);
  }

  reconnect(destination: string): number | null {
    const found = this.#context.router.named(destination);
    if (found.length === 0) return null;
    return found.reduce((sum, each) => sum + each.reconnect(), 0);
  }
}
