import { Worker } from 'node:worker_threads';

/** What one scrape costs. */
export type ScrapeCost = {
  /** Time of this thread's processor, in milliseconds. */
  readonly totalMs: number;
  /** The longest piece of it without a turn of the event loop. */
  readonly sliceMs: number;
  readonly bytes: number;
  readonly series: number;
};

/** Milliseconds of the processor that this thread has used: what else runs on the machine is not in it. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** A thread that scrapes when it is told to, so that reading the answer costs this one nothing. */
const SCRAPER = `
const { get } = require('node:http');
const { parentPort } = require('node:worker_threads');
parentPort.on('message', ({ port, path, headers }) => {
  get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
    let body = '';
    response.setEncoding('latin1').on('data', (chunk) => { body += chunk; });
    response.on('end', () => parentPort.postMessage(body.length + ' ' + body.split('\\n').filter((line) => line !== '' && line[0] !== '#').length));
  });
});`;

export class Scraper {
  readonly #worker = new Worker(SCRAPER, { eval: true });

  /** Fetches a page and measures what that costs this thread. @param looking counts turns of the event loop meanwhile */
  async fetch(port: number, path: string, headers: Record<string, string>): Promise<ScrapeCost> {
    const whole = await this.#measured(port, path, headers, false);
    const { sliceMs } = await this.#measured(port, path, headers, true);
    return { ...whole, sliceMs };
  }

  async #measured(port: number, path: string, headers: Record<string, string>, looking: boolean): Promise<ScrapeCost> {
    let done = false;
    let sliceMs = 0;
    const begun = threadMs();
    let turn = begun;
    const look = () => {
      const now = threadMs();
      sliceMs = Math.max(sliceMs, now - turn);
      turn = now;
      if (!done) setImmediate(look);
    };
    const answered = new Promise<string>((resolve) => this.#worker.once('message', resolve));
    this.#worker.postMessage({ port, path, headers });
    if (looking) look();
    const [bytes = 0, series = 0] = (await answered).split(' ').map(Number);
    done = true;
    return { totalMs: threadMs() - begun, sliceMs, bytes, series };
  }

  close(): Promise<number> {
    return this.#worker.terminate();
  }
}
