import { EXIT } from './deps.ts';

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

let guarded = false;

/** Writes to standard output. Where nobody reads it any more (`| head`), the process ends without a word. */
export function writeOut(text: string): void {
  if (!guarded) {
    guarded = true;
    process.stdout.on('error', (error) => {
      process.exit('code' in error && error.code === 'EPIPE' ? EXIT.ok : EXIT.failure);
    });
  }
  process.stdout.write(text);
}

/** Columns and lines of the terminal that standard output is now, or null. */
export function terminalColumns(): number | null {
  return process.stdout.isTTY ? process.stdout.columns : null;
}

export function terminalRows(): number | null {
  return process.stdout.isTTY ? process.stdout.rows : null;
}

/** Calls `stop` instead of letting a signal end the process, until what is returned is called. */
export function onInterrupt(stop: () => void): () => void {
  for (const signal of ENDING) process.on(signal, stop);
  return () => {
    for (const signal of ENDING) process.off(signal, stop);
  };
}
