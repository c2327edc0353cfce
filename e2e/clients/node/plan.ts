import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

export const DEADLINE_MS = 30_000;
const PAUSE_MS = 50;
const MOST = 5000;
const ENOUGH = '/tmp/enough';

/** What came back. */
export type Answer = { readonly status: number; readonly text: string };

/** A client of Node's, as its documentation opens it: nothing is said about a proxy but by the environment. */
export type Client = {
  get(url: string): Promise<Answer>;
  post(url: string, body: string): Promise<Answer>;
  /** Asks for `release` once the first bytes are there. */
  stream(url: string, release: string): Promise<Answer>;
};

/**
 * Runs the operations of a command line, one after another, and prints a line of JSON for each request. What the
 * operations are is written in ../README.md.
 * @param plan OP URL COUNT, any number of times
 */
export async function runPlan(client: Client, plan: readonly string[]): Promise<void> {
  for (let index = 0; index + 2 < plan.length; index += 3) {
    const [op = '', url = '', count = ''] = plan.slice(index, index + 3);
    for (let done = 0; more(op, done, Number(count)); done++) {
      const outcome = await ask(client, op, url, Number(count)).catch((error: unknown) => ({ error: words(error) }));
      process.stdout.write(`${JSON.stringify({ op, ...outcome })}\n`);
      if (op === 'paced') await wait(PAUSE_MS);
    }
  }
}

/** Whether another request is due after so many. */
function more(op: string, done: number, count: number): boolean {
  if (op === 'paced') return done < count || (done < MOST && !existsSync(ENOUGH));
  return done < (op === 'get' ? count : 1);
}

async function ask(client: Client, op: string, url: string, count: number): Promise<Answer> {
  if (op === 'post') return await client.post(url, 'x'.repeat(count));
  if (op === 'stream') return await client.stream(url, url.replace('/stream/', '/release/'));
  return await client.get(url);
}

/** fetch hides what happened in the cause. */
function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? String(error) : `${String(error)}: ${String(error.cause)}`;
}
