import type { CarpoolError } from '../errors.ts';
import type { AccessRecord } from '../observer.ts';

/** The access record of a request that went nowhere. `method` and `destination` as far as they could be read. */
export const refusalRecord = (
  error: CarpoolError,
  time: number,
  method: string,
  destination: string | null,
): AccessRecord => ({
  time,
  method,
  host: destination ?? '-',
  path: null,
  status: error.status,
  durationMs: 0,
  bytesUp: 0,
  bytesDown: 0,
  endpoint: null,
  reused: false,
  attempts: 0,
  error: error.code,
  reason: error.message,
});
