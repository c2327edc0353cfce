import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../clock.ts';
import { StatusChanges } from '../status/status-changes.ts';
import type { StatusModel } from '../status/status-model.ts';
import { Pacer } from '../telemetry/pacer.ts';
import { snapshotParts } from './status-answers.ts';

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
  /** `again`: somebody came while an update was being made. */
  #updating: 'no' | 'once' | 'again' = 'no';
  #closed = false;
  readonly #onFault: (error: unknown, path: string) => void;

  constructor(clock: Clock, model: StatusModel, onFault: (error: unknown, path: string) => void) {
    this.#clock = clock;
    this.#model = model;
    this.#onFault = onFault;
  }

  get full(): boolean {
    return this.#readers.size >= MAX_READERS;
  }

  /** Whether a connection carries a stream already. */
  carriedBy(socket: Socket): boolean {
    for (const { response } of this.#readers) if (response.socket === socket) return true;
    return false;
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
    this.#readers.add(reader);
    this.#begin();
  }

  /** Ends all streams. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { response } of [...this.#readers]) response.end();
  }

  /** An update now, and then by the timer; one at a time, for each goes on from the one before. */
  #begin(): void {
    if (this.#updating !== 'no') {
      this.#updating = 'again';
      return;
    }
    this.#timer?.cancel();
    this.#timer = null;
    this.#updateAll().catch((error: unknown) => {
      this.#onFault(error, '/status/stream');
      for (const { response } of [...this.#readers]) response.destroy();
    });
  }

  async #updateAll(): Promise<void> {
    try {
      do {
        this.#updating = 'once';
        await this.#update();
      } while (this.#again());
    } finally {
      this.#updating = 'no';
    }
    if (this.#readers.size === 0 || this.#closed) {
      this.#changes = null;
      return;
    }
    const delay = Math.min(LONGEST_MS, Math.max(INTERVAL_MS, this.#costMs * REST_PER_WORK));
    this.#timer = this.#clock.setTimer(() => this.#begin(), delay);
  }

  #again(): boolean {
    return this.#updating === 'again' && this.#readers.size > 0 && !this.#closed;
  }

  async #update(): Promise<void> {
    const changes = this.#changes;
    if (changes === null) return;
    const begun = this.#clock.now();
    const shared = await changes.look();
    for (const reader of [...this.#readers]) await this.#tell(reader, changes, shared);
    // With what else ran between its slices: a sidecar that is busy is looked at less often.
    this.#costMs = this.#costMs * 0.8 + (this.#clock.now() - begun) * 0.2;
  }

  async #tell(reader: Reader, changes: StatusChanges, shared: string | null): Promise<void> {
    if (reader.behindSince !== null) {
      reader.missed = true;
      if (this.#clock.now() - reader.behindSince >= STALL_MS) reader.response.destroy();
      return;
    }
    const { destination } = reader;
    if (reader.missed || shared === null) {
      reader.missed = false;
      reader.detail = destination === null ? '' : changes.detail(destination);
      const parts = snapshotParts(await changes.snapshot(), reader.detail || 'null');
      this.#write(reader, 'snapshot', await inSlices(parts));
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
    // An update that is under way goes on from there for who comes meanwhile.
    if (this.#updating === 'no') this.#changes = null;
  }
}

/** The pieces as one text, made in slices between which requests go on. */
async function inSlices(parts: Iterable<string>): Promise<string> {
  const pacer = new Pacer();
  const made: string[] = [];
  for (const part of parts) {
    made.push(part);
    if (pacer.due) await pacer.breathe();
  }
  return made.join('');
}
