import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { chartReadme } from './chart-readme.ts';
import { chartSchemaText } from './chart-schema.ts';

/**
 * Writes what charts/ has from the sources; with --check it only says whether that is up to date (exit code 1 when
 * not).
 */

/** What is made, by path from the root of the repository. */
function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['charts/carpool/values.schema.json', chartSchemaText()],
    ['charts/carpool/README.md', chartReadme(readFileSync(join(ROOT, 'charts/carpool/values.yaml'), 'utf8'))],
  ]);
}

const ROOT = join(import.meta.dirname, '..', '..');

/** The files that are not as they would be made. */
export function staleFiles(): string[] {
  return [...generatedFiles()].flatMap(([path, text]) => {
    try {
      return readFileSync(join(ROOT, path), 'utf8') === text ? [] : [path];
    } catch {
      return [path];
    }
  });
}

if (import.meta.main) {
  const stale = staleFiles();
  if (process.argv.includes('--check')) {
    for (const path of stale) process.stderr.write(`${path} is stale: run node src/packaging/generate.ts\n`);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    for (const [path, text] of generatedFiles()) writeFileSync(join(ROOT, path), text);
  }
}
