export type ReadRequest = { readonly method: string; readonly path: string };

/**
 * Reads requests with a Content-Length or chunked body from a connection, one after another. For scripted endpoints,
 * which must know the moment at which a request has arrived whole; what a node:http server does with a connection
 * (its own idle time-outs, its own closing) would blur that.
 */
export class RequestReader {
  #pending = '';
  #head: ReadRequest | null = null;
  #left = 0;
  #chunked = false;

  /** Takes bytes; the requests that are complete with them. */
  take(bytes: Buffer): readonly ReadRequest[] {
    this.#pending += bytes.toString('latin1');
    const complete: ReadRequest[] = [];
    for (;;) {
      if (this.#head === null && !this.#readHead()) return complete;
      if (this.#head === null || !this.#readBody()) return complete;
      complete.push(this.#head);
      this.#head = null;
    }
  }

  #readHead(): boolean {
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const head = this.#pending.slice(0, end);
    this.#pending = this.#pending.slice(end + 4);
    const [method = '', target = ''] = head.split(' ', 2);
    this.#head = { method, path: target.replace(/^https?:\/\/[^/]*/, '') };
    this.#chunked = /\r\ntransfer-encoding:[^\r]*chunked/i.test(head);
    this.#left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    return true;
  }

  #readBody(): boolean {
    if (this.#chunked) {
      const end = this.#pending.indexOf('0\r\n\r\n');
      if (end < 0) return false;
      this.#pending = this.#pending.slice(end + 5);
      return true;
    }
    const used = Math.min(this.#left, this.#pending.length);
    this.#left -= used;
    this.#pending = this.#pending.slice(used);
    return this.#left === 0;
  }
}
