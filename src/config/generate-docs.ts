import { jsonSchema } from './json-schema.ts';
import { referencePage } from './reference-page.ts';
import { type WrittenFiles, writeOrCheck } from './written-files.ts';

/**
 * Writes docs/configuration.md and docs/configuration.schema.json from the schema; with --check it only says whether
 * they are up to date (exit code 1 when not).
 */

/** What is made, by path from the root of the repository. */
export function generatedDocs(): WrittenFiles {
  return new Map([
    ['docs/configuration.md', referencePage()],
    ['docs/configuration.schema.json', jsonSchema()],
  ]);
}

if (import.meta.main) writeOrCheck('src/config/generate-docs.ts', generatedDocs());
