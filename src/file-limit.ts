import { readFileSync } from 'node:fs';
import type { Config } from './config/types.ts';

/** File descriptors that are kept for what is not traffic: DNS, the operator port, the control socket, logs, files. */
export const RESERVE = 128;
const UNKNOWN_LIMIT = 1_048_576;

/** The soft limit of open files of this process (Node raises it to the hard one when it starts). */
export function fileDescriptorLimit(): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return match?.[1] === undefined ? UNKNOWN_LIMIT : Number(match[1]);
  } catch {
    return UNKNOWN_LIMIT;
  }
}

/** How many connections of each kind fit under the file limit with a reserve, so that accepting never starves dialling. */
export function connectionLimits(config: Config, files: number): { downstream: number; upstream: number } {
  const usable = Math.max(2, files - Math.min(RESERVE, Math.floor(files / 4)));
  const downstream = Math.min(config.listener.maxConnections, Math.floor(usable / 2));
  return { downstream, upstream: Math.min(config.limits.maxConnections, usable - downstream) };
}
