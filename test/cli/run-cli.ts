import { main } from '../../src/cli/cli.ts';
import type { CliDeps } from '../../src/cli/deps.ts';
import { TestClock } from '../test-clock.ts';

export type CliRun = { code: number; out: string; err: string; clock: TestClock };

/** Runs one command line inside this process. */
export async function runCli(argv: readonly string[], changes: Partial<CliDeps> = {}): Promise<CliRun> {
  const clock = new TestClock();
  let out = '';
  let err = '';
  const code = await main(argv, {
    version: '1.2.3',
    clock,
    env: {},
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    input: () => Promise.resolve(''),
    columns: null,
    rows: null,
    interrupted: () => () => {},
    run: () => Promise.resolve(0),
    demo: () => Promise.resolve(0),
    ...changes,
  });
  return { code, out, err, clock };
}
