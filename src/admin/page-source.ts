import { readFileSync } from 'node:fs';

/**
 * A built file of the status page, by name; null where the page is not built. This reads what `make build` has left in
 * dist/page: a sidecar that runs from its sources. In the bundle build.ts puts the files themselves in the place of this module.
 */
export function readPageFile(name: string): string | null {
  try {
    return readFileSync(new URL(`../../dist/page/${name}`, import.meta.url), 'utf8');
  } catch {
    return null;
  }
}
