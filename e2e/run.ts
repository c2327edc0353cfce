import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bringUp, bringUpNode, CLUSTER_VARIABLE, NODE_VARIABLE, tearDown } from './cluster/cluster.ts';
import { ALL_FILES, type Group, groupOf, needs } from './groups.ts';

/**
 * Runs scenarios, each group against a cluster that lives as long as the group's run: a control plane, or a whole node;
 * those of interop/, fleet/ and some of packaging/ need none.
 *
 *   node e2e/run.ts [FILE...]     all of them unless files are given
 *
 * Where there can be no cluster (no root, no network namespaces, no containerd) every scenario that needs it is skipped,
 * with the reason; so is each test of interop/ and fleet/ whose program cannot be had.
 */

/** Why there can be no cluster of that kind here, or null. */
function whyNot(group: Group): string | null {
  if (group === 'alone') return 'no cluster is needed';
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (spawnSync('unshare', ['--net', 'true']).status !== 0) return 'no network namespace can be made here';
  if (group === 'control-plane') return null;
  const check = spawnSync(here('control-plane/node-check.sh'), { encoding: 'utf8' });
  return check.status === 0 ? null : check.stdout.trim() || 'no node can run here';
}

function here(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/**
 * Runs what builds something that tests need.
 * @returns its last line, or null when it fails: it has said why
 */
function build(...argv: readonly string[]): string | null {
  const [program = '', ...args] = argv;
  const { status, stdout } = spawnSync(program, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  return status === 0 ? (stdout.trim().split('\n').at(-1) ?? '') : null;
}

/** Builds what the files need besides the sidecar; a test whose program or image is missing is skipped, and says so. */
function buildAll(files: readonly string[]): void {
  const { interopTools, helm, image } = needs(files);
  const failed: string[] = [];
  if (interopTools && build(here('interop/build.sh')) === null) failed.push('h2spec and the clients of gRPC');
  if (helm && build(here('control-plane/build.sh'), 'helm') === null) failed.push('helm');
  if (image && !buildImage()) failed.push('the image');
  if (failed.length > 0) process.stderr.write(`e2e: could not be built: ${failed.join(', ')}\n`);
}

/**
 * The images that the node is to have, as archives.
 * @throws when one of them cannot be built: there is a node, so nothing may be skipped, or tested as it was yesterday
 */
function images(files: readonly string[]): readonly string[] {
  if (!buildImage()) throw new Error('there is no image of carpool');
  const own = here('../dist/image.tar');
  if (!needs(files).clients) return [own];
  const clients = build(here('clients/image.sh'));
  if (clients === null) throw new Error('there is no image of the clients');
  return [own, clients];
}

/** Quick where it is built already. */
function buildImage(): boolean {
  return build('make', '--no-print-directory', '-C', here('..'), 'image') !== null;
}

let tests: ChildProcess | null = null;
let interrupted = false;
// The tests are told, and this process clears up behind them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    interrupted = true;
    tests?.kill('SIGTERM');
  });

/** Runs the files of one group. @returns whether all went well */
async function runGroup(group: Group, files: readonly string[]): Promise<boolean> {
  const reason = whyNot(group);
  if (reason !== null && group !== 'alone') process.stderr.write(`e2e: what needs a ${group} is skipped: ${reason}\n`);
  const state = reason !== null ? null : group === 'node' ? await bringUpNode(images(files)) : await bringUp();
  const variable = group === 'node' ? NODE_VARIABLE : CLUSTER_VARIABLE;
  try {
    // A file on a whole node waits for pods to come and go: it may take longer.
    const limit = group === 'node' ? 600 : 300;
    tests = spawn(here('../node_modules/.bin/tap'), ['--jobs=1', `--timeout=${limit}`, ...files], {
      stdio: 'inherit',
      env: { ...process.env, [variable]: state ?? `skip: ${reason}` },
    });
    const [code] = await once(tests, 'exit');
    return code === 0;
  } finally {
    tests = null;
    if (state !== null) await tearDown(state);
  }
}

const given = process.argv.slice(2);
const files = (given.length > 0 ? given : ALL_FILES).flatMap((file) => {
  const found = globSync(file, { cwd: process.cwd() }).toSorted();
  if (found.length === 0 && given.length > 0) throw new Error(`there is no ${file}`);
  return found;
});
buildAll(files);
for (const group of ['alone', 'control-plane', 'node'] as const) {
  const own = files.filter((file) => groupOf(file) === group);
  if (own.length > 0 && !interrupted && !(await runGroup(group, own))) process.exitCode = 1;
}
