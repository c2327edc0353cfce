import { parseArgs } from 'node:util';
import type { FlagOptions } from '../config/flags.ts';

/**
 * Reads the arguments of `carpool run` without commander, which costs 20 ms and 10 MB that a sidecar would keep for its
 * whole life. The flags are those of `CONFIG_FLAGS` (a test compares them).
 * @returns null where anything is unusual (help, a mistake): then commander has the words for it
 */
export function parseRunArguments(args: readonly string[]): FlagOptions | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        config: { type: 'string' },
        set: { type: 'string', multiple: true },
        profile: { type: 'string' },
        port: { type: 'string' },
        'log-level': { type: 'string' },
      },
    });
    const { config, set, profile, port } = values;
    return { config, set, profile, port, logLevel: values['log-level'] };
  } catch {
    return null;
  }
}
