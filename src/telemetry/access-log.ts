import type { AccessLogMode } from '../config/types.ts';
import type { AccessRecord } from '../observer.ts';
import type { LineWriter } from './line-writer.ts';

export type AccessLogSettings = {
  readonly accessLog: AccessLogMode;
  /** Share of requests that `sampled` writes, 0–1. */
  readonly accessLogSample: number;
  /** Whether the path is written; without its query in any case. */
  readonly accessLogPath: boolean;
};

/**
 * The access log: one JSON line for each exchange that the mode wants, on the log's own writer, so that it never blocks
 * and what the reader does not take is dropped and counted. It is written whatever the log level is. Header fields,
 * queries and credentials never appear in it.
 */
export class AccessLog {
  readonly #writer: LineWriter;
  readonly #random: () => number;
  #settings: AccessLogSettings;

  /** @param random in [0, 1); decides which requests are in the sample */
  constructor(settings: AccessLogSettings, writer: LineWriter, random: () => number = Math.random) {
    this.#settings = settings;
    this.#writer = writer;
    this.#random = random;
  }

  /** After a reload. */
  configure(settings: AccessLogSettings): void {
    this.#settings = settings;
  }

  /**
   * Asked first, so that a record is only built where it is wanted. Ask once per exchange: `sampled` decides here.
   * @param status 0 where nobody was answered
   * @param failed carpool made the answer itself because of an error
   */
  wants(status: number, failed = false): boolean {
    switch (this.#settings.accessLog) {
      case 'off':
        return false;
      case 'all':
        return true;
      case 'errors':
        return failed || status >= 500 || status === 0;
      case 'sampled':
        return this.#random() < this.#settings.accessLogSample;
    }
  }

  write(record: AccessRecord): void {
    const { path } = record;
    const line = {
      level: 'info',
      time: new Date(record.time).toISOString(),
      msg: 'access',
      method: record.method,
      host: withoutCredentials(record.host),
      ...(this.#settings.accessLogPath && path !== null ? { path: withoutQuery(path) } : {}),
      status: record.status,
      durationMs: Math.round(record.durationMs * 1000) / 1000,
      bytesUp: record.bytesUp,
      bytesDown: record.bytesDown,
      endpoint: record.endpoint,
      reused: record.reused,
      attempts: record.attempts,
      error: record.error,
      ...(record.reason === undefined ? {} : { reason: record.reason }),
    };
    this.#writer.write(`${JSON.stringify(line)}\n`);
  }
}

function withoutQuery(path: string): string {
  const end = path.search(/[?#]/);
  return end < 0 ? path : path.slice(0, end);
}

/** User information is refused in requests; should one come this far, it stops here. */
function withoutCredentials(host: string): string {
  return host.slice(host.lastIndexOf('@') + 1);
}
