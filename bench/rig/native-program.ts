import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, statSync } from 'node:fs';
import { findProgram } from './children.ts';
import { benchDir, workPath } from './work-dir.ts';

/** The benchmark's programs in C, by their source below bench/. */
const SOURCES = {
  'post-origin': 'origins/post-origin.c',
  'h2-origin': 'origins/h2-origin.c',
  'h2-load': 'load/h2-load.c',
  'tunnel-load': 'load/tunnel-load.c',
} as const;
const HEADERS: readonly string[] = ['native/h2-wire.h', 'native/hpack-encode.h'];

export type NativeProgram = keyof typeof SOURCES;

/**
 * A program, compiled if its source is newer than it. Its path, or null where there is no compiler and no earlier build.
 * @throws with the compiler's words when it does not compile
 */
export function nativeProgram(name: NativeProgram): string | null {
  const binary = workPath('bin', name);
  const compiler = findProgram('gcc') ?? findProgram('cc');
  if (compiler !== null && isStale(binary, [SOURCES[name], ...HEADERS])) {
    // Another run may be about to start it: a program is there whole, or not at all.
    const fresh = `${binary}.${process.pid}`;
    const built = spawnSync(compiler, ['-O2', '-o', fresh, `${benchDir}${SOURCES[name]}`], { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`${SOURCES[name]} does not compile: ${built.stderr}`);
    renameSync(fresh, binary);
  }
  return existsSync(binary) ? binary : null;
}

function isStale(binary: string, sources: readonly string[]): boolean {
  const built = statSync(binary, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return sources.some((source) => statSync(`${benchDir}${source}`).mtimeMs >= built);
}

/** As `nativeProgram`, for where the scenario has been left out without it. @throws when it is not there */
export function neededProgram(name: NativeProgram): string {
  const binary = nativeProgram(name);
  if (binary === null) throw new Error(`${name} needs a C compiler: run bench/setup.sh`);
  return binary;
}
