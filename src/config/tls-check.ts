import { readTlsContext, TlsFileError } from '../transport/tls-files.ts';
import type { Origin } from './layers.ts';
import type { Config, TlsPolicy } from './types.ts';

/**
 * Reads the TLS files that a configuration names, each set of them once: what is of no use is told before anything waits
 * for it.
 * @param places index of each destination in the file's list
 * @param refuse takes the path of a setting, and what is wrong with its file
 */
export function checkTlsFiles(
  config: Config,
  places: readonly number[],
  provenance: ReadonlyMap<string, Origin>,
  refuse: (path: string, message: string) => void,
): void {
  const seen = new Set<string>();
  const check = (tls: TlsPolicy, at: string): void => {
    const files = JSON.stringify([tls.ca, tls.cert, tls.key]);
    if (seen.has(files) || (tls.ca === null && tls.cert === null)) return;
    seen.add(files);
    try {
      readTlsContext(tls);
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      const own = `${at}.tls.${error.setting}`;
      // Where a destination has it from `defaults`, that is where it is to be changed.
      refuse(provenance.has(own) ? own : `defaults.tls.${error.setting}`, `is of no use: ${error.message}`);
    }
  };
  check(config.defaults.tls, 'defaults');
  for (const [index, { policy }] of config.destinations.entries()) check(policy.tls, `destinations[${places[index]}]`);
}
