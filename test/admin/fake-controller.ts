import type { Controller } from '../../src/admin/inspector.ts';

/** Records what it is told to do. */
export class FakeController implements Controller {
  readonly calls: unknown[] = [];
  reloadResult: { applied: boolean; lines: readonly string[] } = { applied: true, lines: ['pool.maxIdle: 1 → 2'] };
  reload() {
    this.calls.push('reload');
    return Promise.resolve(this.reloadResult);
  }
  setLogLevel(level: string): boolean {
    this.calls.push(['level', level]);
    return level !== 'loud';
  }
  evict(selection: { destination: string | null; idleOnly: boolean }): number | null {
    this.calls.push(selection);
    return selection.destination === 'unknown:80' ? null : 3;
  }
  pause(destination: string): boolean | null {
    this.calls.push(['pause', destination]);
    return destination === 'unknown:80' ? null : destination !== 'paused:80';
  }
  pauseTimeoutMs(destination: string): number {
    return destination === 'impatient:80' ? 0 : 30_000;
  }
  resume(destination: string): boolean | null {
    this.calls.push(['resume', destination]);
    return destination === 'unknown:80' ? null : destination === 'paused:80';
  }
  reconnect(destination: string): number | null {
    this.calls.push(['reconnect', destination]);
    return destination === 'unknown:80' ? null : 2;
  }
}
