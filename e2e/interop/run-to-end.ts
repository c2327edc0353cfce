import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start, stop } from '../processes.ts';

export type ProgramResult = {
  /** null: it was ended, for its time was over. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Longer than any of the programs takes; whoever hangs is ended. */
const DEADLINE_MS = 120_000;

/**
 * Runs a program to its end, whatever that is; no proxy variable of this process reaches it.
 * @param env variables for it, beside PATH and HOME
 */
export async function runToEnd(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  deadlineMs = DEADLINE_MS,
): Promise<ProgramResult> {
  const folder = mkdtempSync(join(tmpdir(), 'carpool-interop-'));
  try {
    const log = join(folder, 'stderr');
    const child = start(argv, { log, env });
    child.stdin?.end();
    const pieces: Buffer[] = [];
    child.stdout?.on('data', (bytes: Buffer) => pieces.push(bytes));
    const impatient = setTimeout(() => void stop(child, 'SIGKILL'), deadlineMs);
    const [code] = await once(child, 'close');
    clearTimeout(impatient);
    const stdout = Buffer.concat(pieces).toString();
    return { code: typeof code === 'number' ? code : null, stdout, stderr: readFileSync(log, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
