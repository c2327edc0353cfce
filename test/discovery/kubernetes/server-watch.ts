import type { Answer, ApiRequest } from './api-request.ts';
import type { Selection } from './object-store.ts';

/** One watch that a client has open, as the server holds it; tests make it misbehave in the middle of the stream. */
export class ServerWatch {
  readonly request: ApiRequest;
  readonly selection: Selection;
  readonly #answer: Answer;
  readonly #resetConnection: () => void;
  #silent = false;

  constructor(request: ApiRequest, selection: Selection, answer: Answer, resetConnection: () => void) {
    this.request = request;
    this.selection = selection;
    this.#answer = answer;
    this.#resetConnection = resetConnection;
  }

  get namespace(): string {
    return this.selection.namespace;
  }

  get bookmarks(): boolean {
    return this.request.query.allowWatchBookmarks === 'true';
  }

  /** Sends one event in good order. */
  send(type: string, object: unknown): void {
    this.write(`${JSON.stringify({ type, object })}\n`);
  }

  /** Sends these bytes as they are. */
  write(bytes: string | Buffer): void {
    if (!this.#silent && !this.#answer.writableEnded) this.#answer.write(Buffer.from(bytes));
  }

  /** Sends an event in pieces of `size` bytes, each in a TLS record of its own. */
  async sendInPieces(type: string, object: unknown, size: number): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify({ type, object })}\n`);
    for (let at = 0; at < bytes.length; at += size) {
      this.write(bytes.subarray(at, at + size));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Sends the first half of an event; `end` or a reset may follow. */
  sendHalf(type: string, object: unknown): void {
    const line = JSON.stringify({ type, object });
    this.write(line.slice(0, Math.ceil(line.length / 2)));
  }

  /** Sends nothing any more, and does not end. */
  silence(): void {
    this.#silent = true;
  }

  /** Ends it in good order, as when `timeoutSeconds` are over. */
  end(): void {
    this.#answer.end();
  }

  /** Breaks it off: the HTTP/2 stream alone, or the connection where it speaks HTTP/1.1. */
  resetStream(): void {
    if (this.#answer.stream) this.#answer.stream.close(2);
    else this.#resetConnection();
  }

  /** Tells that the connection takes no new call (HTTP/2). */
  goaway(): void {
    this.#answer.stream?.session?.goaway();
  }

  /** RST of the whole connection. */
  resetConnection(): void {
    this.#resetConnection();
  }
}
