import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { jsonSchema } from './json-schema.ts';
import { referencePage } from './reference-page.ts';

/**
 * Writes docs/configuration.md and docs/configuration.schema.json from the schema; with --check it only says whether
 * they are up to date (exit code 1 when not).
 */

/** What is made, by path from the root of the repository. */
export function generatedDocs(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/configuration.md', referencePage()],
    ['docs/configuration.schema.json', jsonSchema()],
  ]);
}

const ROOT = join(import.meta.dirname, '..', '..');

/** The files that are not as they would be made. */
export function staleDocs(): string[] {
  return [...generatedDocs()].flatMap(([path, text]) => {
    try {
      return readFileSync(join(ROOT, path), 'utf8') === text ? [] : [path];
    } catch {
      return [path];
    }
  });
}

if (import.meta.main) {
  const stale = staleDocs();
  if (process.argv.includes('--check')) {
    for (const path of stale) process.stderr.write(`${path} is stale: run node src/config/generate-docs.ts\n`);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    for (const [path, text] of generatedDocs()) writeFileSync(join(ROOT, path), text);
  }
}
