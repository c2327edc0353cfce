import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import t from 'tap';
import { pagesOf } from '../../e2e/documents/pages.ts';
import { Reader, type Substitution } from '../../e2e/documents/reader.ts';
import { BUNDLE, cleanEnvironment, freePort, ROOT } from './child.ts';

/** What has to be there for all of the pages. */
const missing = ['bash', 'curl', 'openssl'].find((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0);
const skip = missing === undefined ? false : `no ${missing} here`;
const bundle = process.env.CARPOOL_E2E_BUNDLE ?? BUNDLE;
const PORTS = ['14140', '14191', '14151', '9000', '9001', '9002'];

/**
 * What a page says, and what it is here. The ports are free ones, for a sidecar may run on this machine, and `make run` is
 * what it does once all is built.
 */
async function substitutions(): Promise<readonly Substitution[]> {
  const ports = new Map<string, string>();
  for (const port of PORTS) ports.set(port, await unusedPort([...ports.values()]));
  return [...ports, [/^make run$/gm, 'node dist/carpool.js demo']];
}

/** Nothing listens there yet, so it may be found twice. */
async function unusedPort(others: readonly string[]): Promise<string> {
  for (;;) {
    const port = String(await freePort());
    if (!others.includes(port)) return port;
  }
}

// A machine that does other things, too, takes its time.
t.setTimeout(240_000);

/** A test that does what a page says its reader to do on his own machine. Each page has a file of its own, for they take their time. */
export function followPage(name: string): void {
  t.test(`whoever follows ${name} sees what it says`, { skip }, async (t) => {
    const page = pagesOf('laptop').find((each) => each.name === name);
    if (page === undefined) throw new Error(`${name} has nothing to do on one's own machine`);
    const here = await substitutions();
    const port = (of: string): string => here.find(([from]) => from === of)?.[1] ?? '';
    const clean = cleanEnvironment();
    const env = {
      ...clean,
      PATH: `${dirname(process.execPath)}${delimiter}${clean.PATH}`,
      CARPOOL_LISTENER_PORT: port('14140'),
      CARPOOL_OPERATOR_PORT: port('14191'),
    };
    const reader = new Reader(t, { env, substitutions: here, blockMs: 40_000 });
    // As in the project's folder, which no page may change.
    symlinkSync(dirname(bundle), join(reader.folder, 'dist'));
    symlinkSync(join(ROOT, 'node_modules'), join(reader.folder, 'node_modules'));
    for (const step of page.steps) t.strictSame(await reader.follow(step), [], `${name}:${step.line}`);
  });
}
