import { openSync, writeSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:http';
import { at } from '../cluster/json.ts';

export type RequestsOptions = {
  /** Where requests go, in absolute form; null: to their hosts themselves. */
  readonly proxy: { readonly host: string; readonly port: number } | null;
  readonly ledger: string;
  /** Share of POSTs, 0–1. */
  readonly postShare: number;
  /** Begins the id of each request. */
  readonly prefix: string;
  /** Added to each path. */
  readonly query: string;
  readonly hosts: readonly string[];
};

const payload = Buffer.alloc(200, 'x');

/**
 * The requests of an app, over keep-alive connections; none is ever repeated.
 *
 * A line of the ledger for each: when it was sent and answered (milliseconds), method, id, status (0: no answer),
 * the error's code or `-`, the origin or `-`, the host.
 */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #ledger: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 128, maxFreeSockets: 128, scheduling: 'fifo' });
  readonly #onEnd: () => void;
  sent = 0;
  ended = 0;

  /** @param onEnd called after each that has ended */
  constructor(options: RequestsOptions, onEnd: () => void) {
    this.#options = options;
    this.#ledger = openSync(options.ledger, 'a');
    this.#onEnd = onEnd;
  }

  get open(): number {
    return this.sent - this.ended;
  }

  send(): void {
    const { postShare, hosts, prefix } = this.#options;
    const index = this.sent++;
    // A share of 0.2 makes each fifth a POST.
    const method = Math.floor((index + 1) * postShare) > Math.floor(index * postShare) ? 'POST' : 'GET';
    const host = hosts[index % hosts.length] ?? '';
    const id = `${prefix}-${index}`;
    const sentAt = Date.now();
    let over = false;
    const end = (status: number, code: string, origin: string): void => {
      if (over) return;
      over = true;
      writeSync(this.#ledger, `${sentAt} ${Date.now()} ${method} ${id} ${status} ${code} ${origin} ${host}\n`);
      this.ended++;
      this.#onEnd();
    };
    const call = request({
      ...this.#target(host, id),
      agent: this.#agent,
      method,
      headers: { host, ...(method === 'POST' && { 'content-length': payload.length }) },
    });
    call.once('error', (error) => end(0, error.message.replace(/\s+/g, '_'), '-'));
    call.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.once('error', (error) => end(0, `body:${error.message.replace(/\s+/g, '_')}`, '-'));
      response.once('end', () => {
        const status = response.statusCode ?? 0;
        end(status, status < 400 ? '-' : codeOf(body), String(response.headers['x-origin'] ?? '-'));
      });
    });
    call.end(method === 'POST' ? payload : undefined);
  }

  #target(host: string, id: string): RequestOptions {
    const { proxy, query } = this.#options;
    const path = `/orders/${id}${query}`;
    return proxy === null ? { host, port: 80, path } : { ...proxy, path: `http://${host}${path}` };
  }
}

function codeOf(body: string): string {
  try {
    const code = at(JSON.parse(body), 'code');
    return typeof code === 'string' ? code : 'UNREADABLE';
  } catch {
    return 'UNREADABLE';
  }
}
