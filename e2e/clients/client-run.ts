import { isJson } from '../cluster/json.ts';

/** A request as a client saw it: what came, or why nothing came. */
export type ClientAnswer =
  | { readonly op: string; readonly status: number; readonly text: string }
  | { readonly op: string; readonly error: string };

/** A client has been run to its end. */
export type ClientRun = {
  readonly answers: readonly ClientAnswer[];
  /** What it sent to the proxy's port, a word for each segment that begins something: see pod/pod.py. */
  readonly sent: readonly string[];
};

/** Reads what client.sh prints. What else a runtime says, such as Java of its options, is passed over. */
export function readRun(output: string): ClientRun {
  const lines = output.split('\n');
  return {
    answers: lines.filter((line) => line.startsWith('{')).map((line) => clientAnswer(JSON.parse(line))),
    sent: lines.filter((line) => line.startsWith('proxy: ')).map((line) => line.slice('proxy: '.length)),
  };
}

function clientAnswer(line: unknown): ClientAnswer {
  if (!isJson(line) || typeof line.op !== 'string') throw new Error(`no line of a client: ${JSON.stringify(line)}`);
  const { op, status, text, error } = line;
  if (typeof status === 'number' && typeof text === 'string') return { op, status, text };
  return { op, error: String(error) };
}
