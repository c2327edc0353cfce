import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import type { Test } from 'tap';
import type { StatusSnapshot, StatusUpdate } from '../../src/status/types.ts';

/** One server-sent event, its data parsed. */
export type ServerEvent =
  | { readonly event: 'snapshot'; readonly data: StatusSnapshot }
  | { readonly event: 'update'; readonly data: StatusUpdate };

/** A reader of `/status/stream`. */
export class EventStream {
  readonly response: IncomingMessage;
  /** Whatever came so far. */
  text = '';
  ended = false;
  readonly #request: ClientRequest;
  #taken = 0;
  #wake: (() => void) | null = null;

  constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      this.text += chunk;
      this.#wake?.();
    });
    const end = () => {
      this.ended = true;
      this.#wake?.();
    };
    response.on('end', end).on('close', end).on('error', end);
  }

  /** The next event that has not been taken yet. */
  async next(): Promise<ServerEvent> {
    for (;;) {
      const event = this.#take();
      if (event !== null) return event;
      if (this.ended) throw new Error('the stream has ended');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next event, which must be an update. */
  async update(): Promise<StatusUpdate> {
    const { event, data } = await this.next();
    if (event !== 'update') throw new Error(`a ${event} came`);
    return data;
  }

  /** The next event, which must be a snapshot. */
  async snapshot(): Promise<StatusSnapshot> {
    const { event, data } = await this.next();
    if (event !== 'snapshot') throw new Error(`an ${event} came`);
    return data;
  }

  /** Resolves when the server has ended it. */
  async end(): Promise<void> {
    while (!this.ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  leave(): void {
    this.#request.destroy();
  }

  #take(): ServerEvent | null {
    for (;;) {
      const end = this.text.indexOf('\n\n', this.#taken);
      if (end < 0) return null;
      const lines = this.text.slice(this.#taken, end).split('\n');
      this.#taken = end + 2;
      const value = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
      const event = value('event');
      if (event === 'snapshot' || event === 'update') return { event, data: JSON.parse(value('data') ?? '') };
    }
  }
}

/** Opens `/status/stream`; left when the test ends. */
export function openStream(t: Test, port: number, query = ''): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path: `/status/stream${query}`, agent: false }, (response) =>
      resolve(new EventStream(request, response)),
    );
    request.on('error', reject);
    t.teardown(() => request.destroy());
  });
}
