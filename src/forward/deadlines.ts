import type { TimeoutPolicy } from '../config/types.ts';
import { equalsIgnoringCase } from '../protocol/bytes.ts';
import type { Head } from '../protocol/head.ts';

/** Whether silences are normal for this content type, so that `timeouts.streamIdle` takes the place of the shorter limits. */
export function isStreaming(head: Head): boolean {
  const { buffer } = head;
  const start = head.valueStarts[head.contentTypeField] ?? 0;
  const end = head.valueEnds[head.contentTypeField] ?? 0;
  return (
    equalsIgnoringCase(buffer, start, Math.min(end, start + 17), 'text/event-stream') ||
    equalsIgnoringCase(buffer, start, Math.min(end, start + 16), 'application/grpc')
  );
}

/**
 * The deadline that a request sets itself with `X-Request-Timeout`: seconds (`15`, `0.5`) or with a unit (`1500ms`, `15s`,
 * `2m`), in milliseconds; 0 where it cannot be read.
 */
export function requestTimeoutMs(value: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m)?$/.exec(value.trim());
  if (match === null) return 0;
  const factor = match[2] === 'ms' ? 1 : match[2] === 'm' ? 60_000 : 1000;
  return Number(match[1]) * factor;
}

const GRPC_UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };

/** The deadline of a gRPC call: `grpc-timeout`, up to eight digits and a unit; in milliseconds, 0 where it cannot be read. */
export function grpcTimeoutMs(value: string): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(value);
  if (match === null) return 0;
  // Zero means that no time is left, which is another thing than no deadline.
  return Math.max(1, Number(match[1]) * (GRPC_UNITS[match[2] ?? ''] ?? 0));
}

/** The deadline that a request sets itself, in milliseconds; 0: none. */
export function ownDeadlineMs(head: Head): number {
  const asked = head.requestTimeoutField < 0 ? 0 : requestTimeoutMs(head.valueText(head.requestTimeoutField));
  const called = head.grpcTimeoutField < 0 ? 0 : grpcTimeoutMs(head.valueText(head.grpcTimeoutField));
  if (asked === 0 || called === 0) return asked + called;
  return Math.min(asked, called);
}

/** How long a whole exchange may take, in milliseconds: `timeouts.total`, or less where the request says so; 0: no limit. */
export function totalMs(head: Head, timeouts: TimeoutPolicy): number {
  const asked = ownDeadlineMs(head);
  return asked > 0 && (timeouts.totalMs === 0 || asked < timeouts.totalMs) ? asked : timeouts.totalMs;
}
