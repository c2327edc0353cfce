import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bringUp, CLUSTER_VARIABLE, tearDown } from './cluster/cluster.ts';

/**
 * Runs scenarios against a control plane that lives as long as the run.
 *
 *   node e2e/run.ts [FILE...]     all of e2e/*.test.ts unless files are given
 *
 * Where there can be no control plane (no root, no network namespaces) every scenario is skipped, with the reason.
 */
function whyNot(): string | null {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (spawnSync('unshare', ['--net', 'true']).status !== 0) return 'no network namespace can be made here';
  return null;
}

const tap = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url));
const files = process.argv.slice(2);
const reason = whyNot();
let tests: ReturnType<typeof spawn> | null = null;
// The tests are told, and this process clears up behind them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => tests?.kill('SIGTERM'));
if (reason !== null) process.stderr.write(`e2e: all is skipped: ${reason}\n`);
const state = reason === null ? await bringUp() : null;
try {
  tests = spawn(tap, ['--jobs=1', '--timeout=300', ...(files.length > 0 ? files : ['e2e/*.test.ts'])], {
    stdio: 'inherit',
    env: { ...process.env, [CLUSTER_VARIABLE]: state ?? `skip: ${reason}` },
  });
  const [code] = await once(tests, 'exit');
  process.exitCode = typeof code === 'number' ? code : 1;
} finally {
  if (state !== null) await tearDown(state);
}
