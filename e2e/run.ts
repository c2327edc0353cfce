import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bringUp, CLUSTER_VARIABLE, tearDown } from './cluster/cluster.ts';

/**
 * Runs scenarios against a control plane that lives as long as the run, and those of interop/ and fleet/, which need none.
 *
 *   node e2e/run.ts [FILE...]     all of e2e/*.test.ts, e2e/interop/*.test.ts and e2e/fleet/*.test.ts unless files are given
 *
 * Where there can be no control plane (no root, no network namespaces) every scenario that needs it is skipped, with the
 * reason; so is each test of interop/ and fleet/ whose program cannot be had.
 */
function whyNot(): string | null {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (spawnSync('unshare', ['--net', 'true']).status !== 0) return 'no network namespace can be made here';
  return null;
}

/** Builds what interop/ runs that no package has. */
function buildTools(): void {
  const { status } = spawnSync(fileURLToPath(new URL('interop/build.sh', import.meta.url)), {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0)
    process.stderr.write('e2e: h2spec and the clients of gRPC could not be built: their tests are skipped\n');
}

const INTEROP = 'e2e/interop/';
const FLEET = 'e2e/fleet/';
const tap = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url));
const given = process.argv.slice(2);
const files = given.length > 0 ? given : ['e2e/*.test.ts', `${INTEROP}*.test.ts`, `${FLEET}*.test.ts`];
const interop = files.filter((file) => file.includes(INTEROP));
const alone = interop.length + files.filter((file) => file.includes(FLEET)).length;
const reason = alone === files.length ? 'no control plane is needed' : whyNot();
let tests: ReturnType<typeof spawn> | null = null;
// The tests are told, and this process clears up behind them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => tests?.kill('SIGTERM'));
if (interop.length > 0) buildTools();
if (reason !== null && alone < files.length)
  process.stderr.write(`e2e: what needs a control plane is skipped: ${reason}\n`);
const state = reason === null ? await bringUp() : null;
try {
  tests = spawn(tap, ['--jobs=1', '--timeout=300', ...files], {
    stdio: 'inherit',
    env: { ...process.env, [CLUSTER_VARIABLE]: state ?? `skip: ${reason}` },
  });
  const [code] = await once(tests, 'exit');
  process.exitCode = typeof code === 'number' ? code : 1;
} finally {
  if (state !== null) await tearDown(state);
}
