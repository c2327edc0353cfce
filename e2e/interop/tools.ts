import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type ProgramResult, runToEnd } from './run-to-end.ts';

/** Programs that speak HTTP/2 and gRPC, and are nobody's here. */
export type GoTool = 'h2spec' | 'grpc-client' | 'grpc-server';
export type DebianTool = 'curl' | 'nghttp' | 'h2load';

const bin = join(
  process.env.CARPOOL_TOOLS ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'carpool-tools'),
  'bin',
);
const ON_PATH = ['/usr/local/bin', '/usr/bin', '/bin', ...(process.env.PATH ?? '').split(':')];

/** Where one is that `build.sh` builds. */
export function goTool(name: GoTool): string {
  return join(bin, name);
}

/** For tap: why a test cannot run, for what it needs is missing; false: nothing is. */
export function missing(...names: readonly (GoTool | DebianTool)[]): string | false {
  for (const name of names) {
    if (name === 'curl' || name === 'nghttp' || name === 'h2load') {
      if (!ON_PATH.some((folder) => existsSync(join(folder, name))))
        return `${name} is missing: packages curl and nghttp2-client`;
    } else if (!existsSync(goTool(name))) return `${name} is missing: e2e/interop/build.sh builds it`;
  }
  return false;
}

/** Runs one of Debian's. */
export function debianTool(name: DebianTool, args: readonly string[]): Promise<ProgramResult> {
  return runToEnd([name, ...args]);
}
