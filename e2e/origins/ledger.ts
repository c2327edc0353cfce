import { readFileSync } from 'node:fs';

/** One line of an origin's ledger. */
export type OriginEntry = {
  readonly origin: string;
  readonly at: number;
  readonly what: 'received' | 'answered';
  readonly method: string;
  readonly id: string;
  readonly clientPort: number;
};

/** All that an origin has written down; a last line that is not complete is left out. */
export function readOriginLedger(origin: string, path: string): readonly OriginEntry[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [at, what, method = '', id = '', port] = line.split(' ');
    return {
      origin,
      at: Number(at),
      what: what === 'answered' ? 'answered' : 'received',
      method,
      id,
      clientPort: Number(port),
    };
  });
}
