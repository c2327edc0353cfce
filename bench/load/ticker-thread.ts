import { parentPort, workerData } from 'node:worker_threads';
import { monotonicMs } from './ticker.ts';

/** The thread of `ThreadTicker`: tells its parent of each multiple of the interval, without drift, when it was due. */
const intervalMs = typeof workerData === 'number' ? workerData : 1;
const never = new Int32Array(new SharedArrayBuffer(4));

for (let due = monotonicMs() + intervalMs; ; due += intervalMs) {
  const wait = due - monotonicMs();
  if (wait > 0) Atomics.wait(never, 0, 0, wait);
  parentPort?.postMessage(due);
}
