import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder `bench/` of the project, and the project. */
export const benchDir: string = fileURLToPath(new URL('..', import.meta.url));
export const projectDir: string = fileURLToPath(new URL('../..', import.meta.url));

/** A path below bench/.work (git-ignored), where everything that a run writes goes; its folders are made. */
export function workPath(...parts: readonly string[]): string {
  const base = `${benchDir}.work`;
  const path = [base, ...parts].join('/');
  mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true });
  return path;
}

/** As `workPath`, and the path itself is made a folder. */
export function workDir(...parts: readonly string[]): string {
  const path = workPath(...parts);
  mkdirSync(path, { recursive: true });
  return path;
}
