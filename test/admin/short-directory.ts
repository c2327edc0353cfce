import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** An empty directory with a path short enough for a Unix socket (107 bytes), which tap's own is not. */
export function shortDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'carpool-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
