import { once } from 'node:events';
import net from 'node:net';
import { Worker } from 'node:worker_threads';
import type { Test } from 'tap';

/** Listens with room for two connections in its accept queue, and then stands still, so that it accepts none of them. */
const LISTENS_AND_SLEEPS = `
const { parentPort, workerData } = require('node:worker_threads');
const server = require('node:net').createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  Atomics.wait(new Int32Array(workerData), 0, 0);
});
`;

/**
 * A port of loopback that swallows SYNs: the kernel drops them where the accept queue of a listener is full.
 * @returns the port
 */
export async function silentPort(t: Test): Promise<number> {
  const asleep = new SharedArrayBuffer(4);
  const worker = new Worker(LISTENS_AND_SLEEPS, { eval: true, workerData: asleep });
  const [port]: unknown[] = await once(worker, 'message');
  if (typeof port !== 'number') throw new Error('the worker told no port');
  // One more than the backlog fits: tcp(7) compares with "greater than".
  const filling = [net.connect(port, '127.0.0.1'), net.connect(port, '127.0.0.1')];
  for (const socket of filling) await once(socket, 'connect');
  t.teardown(async () => {
    for (const socket of filling) socket.destroy();
    Atomics.store(new Int32Array(asleep), 0, 1);
    Atomics.notify(new Int32Array(asleep), 0);
    await worker.terminate();
  });
  return port;
}
