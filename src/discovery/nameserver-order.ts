import type { Clock } from '../clock.ts';
import type { ResolvConf } from './resolv-conf.ts';

/** How long a nameserver that did not answer stands behind those that do. */
const SILENT_MS = 30_000;

/**
 * In which order the nameservers are asked: as written (or by turns with `options rotate`), but one that was silent
 * lately comes last, so that a dead first nameserver costs its time-out once and not with every lookup.
 */
export class NameserverOrder {
  readonly #clock: Clock;
  /** Until when a server counts as silent. Bounded by clearing: servers come from a file of at most three. */
  readonly #silentUntil = new Map<string, number>();
  #turn = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The servers of `conf` for one name. */
  next(conf: Pick<ResolvConf, 'nameservers' | 'rotate'>): readonly string[] {
    const { nameservers } = conf;
    const first = conf.rotate ? this.#turn++ % nameservers.length : 0;
    const turned = [...nameservers.slice(first), ...nameservers.slice(0, first)];
    return [...turned.filter((server) => !this.#silent(server)), ...turned.filter((server) => this.#silent(server))];
  }

  answered(server: string): void {
    this.#silentUntil.delete(server);
  }

  silent(server: string): void {
    if (this.#silentUntil.size >= 16) this.#silentUntil.clear();
    this.#silentUntil.set(server, this.#clock.now() + SILENT_MS);
  }

  #silent(server: string): boolean {
    return (this.#silentUntil.get(server) ?? 0) > this.#clock.now();
  }
}
