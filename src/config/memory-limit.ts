import { totalmem } from 'node:os';
import process from 'node:process';

const LEAST = 32 * 1024 * 1024;

/** Where nothing limits this process it behaves as in a container of this size: a sidecar is a guest. */
const ASSUMED_LIMIT = 256 * 1024 * 1024;

/**
 * Bytes that this process may use: the cgroup's limit (memory.max of v2, limit_in_bytes of v1), or 256 MiB where there is
 * none. Without a limit the kernel says a number beyond any machine.
 */
export function memoryLimit(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < totalmem() ? constrained : ASSUMED_LIMIT;
}

/** `limits.bufferBytes: auto`: a quarter of the memory limit, at least 32 MiB. */
export function automaticBufferBytes(limit: number): number {
  return Math.max(LEAST, Math.floor(limit / 4));
}
