import type { Clock } from '../clock.ts';
import type { AccessRecord } from '../observer.ts';
import type { HeadScanner } from '../protocol/http1/head-scanner.ts';
import type { RequestHeadOptions } from '../protocol/http1/head-writer.ts';
import type { Destination } from '../routing/destination.ts';
import type { BufferBudget } from './buffer-budget.ts';
import type { Tracing } from './request-trace.ts';

/** What all exchanges share. */
export type ForwardContext = {
  readonly clock: Clock;
  readonly budget: BufferBudget;
  /** Scans kept requests again; another than the listener's, whose head may be in use meanwhile. */
  readonly keptScanner: HeadScanner;
  /** From 0 to 1, for waits that are not to end together. */
  readonly random: () => number;
  /** Takes records of ended exchanges, or null while the access log is off. */
  accessLog: AccessSink | null;
  /** Follows requests, or null: none is followed. */
  tracing: Tracing | null;
};

export interface AccessSink {
  wants(status: number, failed: boolean): boolean;
  write(record: AccessRecord): void;
}

/** How the head of this request is to be written; the listener knows (local port, upgrade, Via). */
export type ExchangePlan = {
  readonly destination: Destination;
  readonly options: RequestHeadOptions;
  /** Whether a body follows the head. */
  readonly body: boolean;
};
