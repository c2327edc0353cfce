import { availableParallelism, cpus, release } from 'node:os';

/** What the figures were made on: they compare inside one run, never between machines. */
export function machine(): { cpu: string; cores: number; kernel: string; node: string } {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    kernel: release(),
    node: process.version,
  };
}
