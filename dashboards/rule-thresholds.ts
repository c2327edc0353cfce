/**
 * The thresholds of the alert rules, as the chart's `prometheusRule.thresholds` has them by default.
 */
export const RULE_THRESHOLDS = {
  /** Requests that wait for a connection, of one sidecar and destination. */
  pending: 50,
  /** Failed attempts for each connection opened. */
  connectErrors: 0.05,
  /** Connections in use, as a share of the limit. */
  utilization: 0.9,
  /** Requests on a connection that had served one before, as a share. */
  reuse: 0.9,
  /** Requests a second of a sidecar below which a low reuse means nothing: connections are idle for too long in between. */
  reuseMinimumRate: 1,
  /** The share of requests that may fail in 30 days. */
  errorBudget: 0.02,
  /** Requests a second of a workload below which a share of failures means nothing. */
  minimumRate: 0.1,
  /** How late the event loop may be, in seconds. */
  eventLoopLag: 0.1,
  /** Days that the webhook's certificate must be valid for. */
  certificateDays: 7,
} as const;
