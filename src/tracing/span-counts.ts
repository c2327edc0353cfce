/** What became of spans, for `carpool_trace_spans_total`. It lives as long as the sidecar, whatever reloads change. */
export type SpanCounts = {
  /** The collector took them. */
  exported: number;
  /** It did not: down, slow, or it said no. */
  failed: number;
  /** They had no place in the queue. */
  dropped: number;
};
