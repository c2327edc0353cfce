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
