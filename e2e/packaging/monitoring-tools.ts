import { existsSync, globSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const ON_PATH = ['/usr/local/bin', '/usr/bin', '/bin', ...(process.env.PATH ?? '').split(':')];
const built = process.env.KUBE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'carpool-kube');

/** Programs that these tests run: Debian's Prometheus, and helm as e2e/control-plane/build.sh builds it. */
export type Program = 'helm' | 'prometheus' | 'promtool';

function find(name: Program): string | undefined {
  const folders = name === 'helm' ? globSync(join(built, '*/bin')).concat(ON_PATH) : ON_PATH;
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Where a program is. @throws where it is not; ask `lacking` first */
export function program(name: Program): string {
  const path = find(name);
  if (path === undefined) throw new Error(`${name} is missing`);
  return path;
}

/** For tap: why a test cannot run, for a program is missing; false: none is. */
export function lacking(...names: readonly Program[]): string | false {
  const missing = names.filter((name) => find(name) === undefined);
  if (missing.length === 0) return false;
  return `${missing.join(', ')} missing: e2e/setup.sh installs Prometheus, e2e/control-plane/build.sh helm builds helm`;
}
