import process from 'node:process';
import { addAbortSignal } from 'node:stream';
import { CliError } from './deps.ts';

/** Far more than the variables of a process. */
const MOST_BYTES = 4_194_304;

/**
 * All of standard input.
 * @param stopped ends it before its end, for an open terminal would keep the process alive
 * @throws CliError where it is more than anybody means to give
 */
export async function readStandardInput(stopped: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of addAbortSignal(stopped, process.stdin)) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MOST_BYTES) throw new CliError(`standard input has over ${MOST_BYTES} bytes`);
  }
  return Buffer.concat(chunks).toString();
}
