import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';

/** A real pipe whose reader reads when the test says so. */
export type Pipe = { readonly writeFd: number; read(): string; closeReader(): void };

/** Makes a named pipe; what is written to `writeFd` waits in the kernel until `read`. */
export function makePipe(t: Test): Pipe {
  const path = join(t.testdir(), 'pipe');
  execFileSync('mkfifo', [path]);
  const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeFd = openSync(path, constants.O_WRONLY);
  let open = true;
  const closeReader = () => {
    if (open) closeSync(readFd);
    open = false;
  };
  t.teardown(() => {
    closeReader();
    closeSync(writeFd);
  });
  const buffer = Buffer.alloc(1_048_576);
  return {
    writeFd,
    closeReader,
    read: () => {
      let text = '';
      for (;;) {
        try {
          const length = readSync(readFd, buffer);
          if (length === 0) return text;
          text += buffer.toString('utf8', 0, length);
        } catch {
          return text;
        }
      }
    },
  };
}

/** The JSON lines in `text`. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** Until the event loop has turned once more: what `setImmediate` had waiting has run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
