/**
 * Reads one HTTP/1.1 response after another from the bytes of a connection: enough to know where each ends and what its
 * status is (RFC 9112 §6.3). It trusts its peer, which is a proxy under test on loopback, and is no model for one.
 */
export class ResponseReader {
  /** Of the response that is being read or was read last; 0 before its head is complete. */
  status = 0;
  /** Whether the connection can carry another request after this response. */
  keepAlive = true;
  /** Whether bytes of a response have come that is not complete. */
  begun = false;

  #pending: Buffer = Buffer.alloc(0);
  #phase: 'head' | 'length' | 'chunk-head' | 'chunk-body' | 'trailers' | 'until-close' = 'head';
  #left = 0;

  /** Takes bytes; true when a response is complete with them. Bytes behind it are dropped: nothing is pipelined here. */
  take(bytes: Buffer): boolean {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    this.begun = true;
    for (;;) {
      const verdict = this.#step();
      if (verdict === 'more') return false;
      if (verdict === 'done') {
        this.#finish();
        return true;
      }
    }
  }

  /** The peer has closed: true when that was the proper end of a response without a length. */
  end(): boolean {
    const complete = this.#phase === 'until-close';
    if (complete) this.#finish();
    return complete;
  }

  #finish(): void {
    this.#pending = Buffer.alloc(0);
    this.#phase = 'head';
    this.begun = false;
  }

  #step(): 'more' | 'again' | 'done' {
    switch (this.#phase) {
      case 'head':
        return this.#head();
      case 'length':
        return this.#skip() ? 'done' : 'more';
      case 'chunk-head': {
        const line = this.#line();
        if (line === null) return 'more';
        this.#left = Number.parseInt(line, 16) + 2;
        this.#phase = this.#left === 2 ? 'trailers' : 'chunk-body';
        return 'again';
      }
      case 'chunk-body':
        if (!this.#skip()) return 'more';
        this.#phase = 'chunk-head';
        return 'again';
      case 'trailers': {
        const line = this.#line();
        if (line === null) return 'more';
        return line === '' ? 'done' : 'again';
      }
      case 'until-close':
        this.#pending = Buffer.alloc(0);
        return 'more';
    }
  }

  #head(): 'more' | 'again' | 'done' {
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end < 0) return 'more';
    const head = this.#pending.toString('latin1', 0, end);
    this.#pending = this.#pending.subarray(end + 4);
    this.status = Number(head.slice(9, 12));
    if (this.status >= 100 && this.status < 200) return 'again';
    this.keepAlive = !/\r\nconnection:[^\r]*close/i.test(head) && !head.startsWith('HTTP/1.0');
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (/\r\ntransfer-encoding:[^\r]*chunked/i.test(head)) this.#phase = 'chunk-head';
    else if (length !== undefined) {
      this.#left = Number(length);
      this.#phase = 'length';
    } else if (this.status === 204 || this.status === 304) return 'done';
    else this.#phase = 'until-close';
    return 'again';
  }

  #skip(): boolean {
    const used = Math.min(this.#left, this.#pending.length);
    this.#left -= used;
    this.#pending = this.#pending.subarray(used);
    return this.#left === 0;
  }

  #line(): string | null {
    const end = this.#pending.indexOf('\r\n');
    if (end < 0) return null;
    const line = this.#pending.toString('latin1', 0, end);
    this.#pending = this.#pending.subarray(end + 2);
    return line;
  }
}
