import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type WrittenFiles, writeOrCheck } from '../config/written-files.ts';
import { chartReadme } from './chart-readme.ts';
import { chartSchemaText } from './chart-schema.ts';

/**
 * Writes what charts/ has from the sources; with --check it only says whether that is up to date (exit code 1 when
 * not).
 */

/** What is made, by path from the root of the repository. */
export function generatedFiles(): WrittenFiles {
  return new Map([
    ['charts/carpool/values.schema.json', chartSchemaText()],
    ['charts/carpool/README.md', chartReadme(readFileSync(join(ROOT, 'charts/carpool/values.yaml'), 'utf8'))],
  ]);
}

const ROOT = join(import.meta.dirname, '..', '..');

if (import.meta.main) writeOrCheck('src/packaging/generate.ts', generatedFiles());
