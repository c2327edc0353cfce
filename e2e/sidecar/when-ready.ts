import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { at, listAt, textAt } from '../cluster/json.ts';

/** What a sidecar says of itself when it is ready. */
export type Started = {
  readonly proxy: number;
  readonly operator: number;
  /** By destination. */
  readonly localPorts: ReadonlyMap<string, number>;
  readonly readyMs: number;
};

/**
 * Waits for the line of its log that says that it is ready, and on which ports.
 * @param log the file that what it prints is put into
 * @throws when it ends before
 */
export function whenReady(child: ChildProcess, log: string): Promise<Started> {
  const begun = performance.now();
  writeFileSync(log, '');
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (bytes: Buffer) => {
      writeFileSync(log, bytes, { flag: 'a' });
      if (!bytes.includes('"ready"')) return;
      const readyMs = performance.now() - begun;
      for (const line of readFileSync(log, 'utf8').split('\n')) {
        if (!line.includes('"ready"')) continue;
        const entry: unknown = JSON.parse(line);
        resolve({
          proxy: Number(at(entry, 'listener', 'port')),
          operator: Number(at(entry, 'operator', 'port')),
          localPorts: new Map(
            listAt(entry, 'localPorts').map((local) => [textAt(local, 'destination'), Number(at(local, 'port'))]),
          ),
          readyMs,
        });
      }
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`carpool ended with ${code}; its words are beside ${log}`)));
  });
}
