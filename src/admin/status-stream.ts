import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Timer } from '../clock.ts';
import { StatusChanges } from '../status/status-changes.ts';
import type { StatusModel } from '../status/status-model.ts';

/** Readers at a time. */
export const MAX_READERS = 10;
/** Between two updates, where making them is cheap; and at most, so that none misses a point of the history. */
const INTERVAL_MS = 1000;
const LONGEST_MS = 4000;
/** Updates may take half a percent of the time. */
const REST_PER_WORK = 200;
/** A reader that has not taken what it was sent after so long is cut. */
const STALL_MS = 15_000;
/** How soon a browser comes back. */
const RETRY_MS = 2000;

type Reader = {
  readonly response: ServerResponse;
  readonly destination: string | null;
  /** Of the detail, as it was sent last. */
  detail: string;
  /** Since when it does not take what it was sent (monotonic ms), or null: it does. */
  behindSince: number | null;
  /** It missed an update, and needs a snapshot. */
  missed: boolean;
};

/**
 * `/status/stream`: server-sent events of what changes, about each second, to all readers by one timer that runs only
 * while there are readers. One that is slow misses updates and gets a snapshot when it has caught up; nothing piles up.
 */
export class StatusStream {
  readonly #clock: Clock;
  readonly #model: StatusModel;
  readonly #readers = new Set<Reader>();
  /** While there are readers. */
  #changes: StatusChanges | null = null;
  #timer: Timer | null = null;
  /** How long an update takes, of late, in milliseconds. */
  #costMs = 0;

  constructor(clock: Clock, model: StatusModel) {
    this.#clock = clock;
    this.#model = model;
  }

  get full(): boolean {
    return this.#readers.size >= MAX_READERS;
  }

  /** Answers with a stream, and writes the first snapshot. @param destination whose detail is wanted, or null */
  open(request: IncomingMessage, response: ServerResponse, destination: string | null): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      // The connection carries nothing else, and ends with the stream.
      connection: 'close',
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    // It is quiet for as long as nothing happens; who does not read is found by STALL_MS.
    request.socket.setTimeout(0);
    const reader: Reader = { response, destination, detail: '', behindSince: null, missed: true };
    response.on('drain', () => this.#drained(reader));
    response.on('close', () => this.#leave(reader));
    response.write(`retry: ${RETRY_MS}\n\n`);
    // What has changed until now goes to those who are here, so that all go on from the same moment.
    this.#changes ??= new StatusChanges(this.#model);
    const first = this.#readers.size === 0;
    this.#readers.add(reader);
    this.#update();
    if (first) this.#wait();
  }

  /** Ends all streams. */
  close(): void {
    this.#timer?.cancel();
    for (const { response } of [...this.#readers]) response.end();
  }

  #wait(): void {
    const delay = Math.min(LONGEST_MS, Math.max(INTERVAL_MS, this.#costMs * REST_PER_WORK));
    this.#timer = this.#clock.setTimer(() => {
      this.#update();
      if (this.#readers.size > 0) this.#wait();
    }, delay);
  }

  #update(): void {
    const changes = this.#changes;
    if (changes === null) return;
    const begun = this.#clock.now();
    const shared = changes.look();
    for (const reader of [...this.#readers]) this.#tell(reader, changes, shared);
    this.#costMs = this.#costMs * 0.8 + (this.#clock.now() - begun) * 0.2;
  }

  #tell(reader: Reader, changes: StatusChanges, shared: string | null): void {
    if (reader.behindSince !== null) {
      reader.missed = true;
      if (this.#clock.now() - reader.behindSince >= STALL_MS) reader.response.destroy();
      return;
    }
    const { destination } = reader;
    if (reader.missed || shared === null) {
      reader.missed = false;
      reader.detail = destination === null ? '' : changes.detail(destination);
      this.#write(reader, 'snapshot', JSON.stringify(changes.snapshot(destination)));
      return;
    }
    let data = `${shared}}`;
    if (destination !== null) {
      const detail = changes.detail(destination);
      if (detail !== reader.detail) data = `${shared},"detail":${detail}}`;
      reader.detail = detail;
    }
    this.#write(reader, 'update', data);
  }

  #write(reader: Reader, event: 'snapshot' | 'update', data: string): void {
    if (reader.response.write(`event: ${event}\ndata: ${data}\n\n`)) return;
    reader.behindSince = this.#clock.now();
  }

  #drained(reader: Reader): void {
    reader.behindSince = null;
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#changes = null;
  }
}
