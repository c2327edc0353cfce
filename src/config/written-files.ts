import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';

/** Files that are made from the sources and kept beside them: their texts, by path from the root of the repository. */
export type WrittenFiles = ReadonlyMap<string, string>;

const ROOT = join(import.meta.dirname, '..', '..');

/** Those that are not as they would be made. */
export function staleAmong(files: WrittenFiles): string[] {
  return [...files].flatMap(([path, text]) => {
    try {
      return readFileSync(join(ROOT, path), 'utf8') === text ? [] : [path];
    } catch {
      return [path];
    }
  });
}

/**
 * What a generator does as a program: writes its files; with --check it only says which are stale (exit code 1 when any is).
 * @param program its own path, for the words
 */
export function writeOrCheck(program: string, files: WrittenFiles): void {
  if (process.argv.includes('--check')) {
    const stale = staleAmong(files);
    for (const path of stale) process.stderr.write(`${path} is stale: run node ${program}\n`);
    process.exitCode = stale.length > 0 ? 1 : 0;
    return;
  }
  for (const [path, text] of files) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), text);
  }
}
