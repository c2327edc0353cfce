import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Reads in a thread of its own, so that reading costs the sidecar's thread nothing. */
const READER = `
const { get } = require('node:http');
const { parentPort } = require('node:worker_threads');
let request = null;
let bytes = 0;
parentPort.on('message', (message) => {
  if (message === 'bytes') return parentPort.postMessage(bytes);
  if (message === 'leave') {
    request.destroy();
    return parentPort.postMessage(0);
  }
  request = get({ host: '127.0.0.1', port: message.port, path: message.path, agent: false }, (response) => {
    response.on('data', (chunk) => { bytes += chunk.length; });
    response.on('error', () => {});
    parentPort.postMessage(response.statusCode);
  });
  request.on('error', () => {});
});`;

/** A reader of `/status/stream`. */
export class StreamReader {
  readonly #worker = new Worker(READER, { eval: true });

  async #ask(message: unknown): Promise<number> {
    const answered = once(this.#worker, 'message');
    this.#worker.postMessage(message);
    const [value] = await answered;
    return Number(value);
  }

  async open(port: number, query: string): Promise<void> {
    const status = await this.#ask({ port, path: `/status/stream${query}` });
    if (status !== 200) throw new Error(`/status/stream answered ${status}`);
  }

  /** What it has read so far. */
  bytes(): Promise<number> {
    return this.#ask('bytes');
  }

  async leave(): Promise<void> {
    await this.#ask('leave');
  }

  close(): Promise<number> {
    return this.#worker.terminate();
  }
}
