/** What one run of one peer in one round found. `failed` says why there is no result. */
type Common = {
  readonly scenario: string;
  readonly peer: string;
  readonly round: number;
  readonly failed: string | null;
};

/** Figures of a load; latencies in microseconds, CPU in microseconds of the proxy's process tree per request. */
export type LoadRow = Common & {
  readonly kind: 'load';
  readonly cpuUs: number | null;
  readonly rps: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly rssMiB: number | null;
  readonly pssMiB: number | null;
  readonly requests: number;
  readonly errors: number;
  /** CPU that programs outside the benchmark used meanwhile, in cores. */
  readonly foreign: number | null;
  /** The part of its core that the proxy used: near 1 means that it was the bottleneck. */
  readonly proxyCores: number | null;
  /** How late the open-loop generator itself was (p99), or null for a closed loop. */
  readonly generatorLateUs: number | null;
};

export type IdleRow = Common & {
  readonly kind: 'idle';
  readonly freshRssMiB: number | null;
  readonly freshPssMiB: number | null;
  readonly idleRssMiB: number | null;
  readonly idlePssMiB: number | null;
  readonly loadedRssMiB: number | null;
  readonly loadedPssMiB: number | null;
  readonly downstream: number;
  readonly upstream: number;
};

export type StartRow = Common & {
  readonly kind: 'start';
  readonly acceptingMs: number | null;
  readonly firstAnswerMs: number | null;
};

/** Memory of a proxy, the most that was seen, while 10,000 streams stand still. */
export type StalledRow = Common & {
  readonly kind: 'stalled';
  readonly freshRssMiB: number | null;
  /** Large answers that the app gives no window for. */
  readonly answersRssMiB: number | null;
  /** Large request bodies that the origin gives no window for. */
  readonly bodiesRssMiB: number | null;
  /** Streams that were open. */
  readonly streams: number;
  /** Of these, the ones whose answer's head reached the app: less when one stalled stream holds up others. */
  readonly answersBegun: number;
};

export type Row = LoadRow | IdleRow | StartRow | StalledRow;
