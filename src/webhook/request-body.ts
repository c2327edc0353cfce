import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Clock } from '../clock.ts';

/** A request as either protocol brings it. */
export type Incoming = IncomingMessage | Http2ServerRequest;

/** What an API server sends at most: an object of etcd's 1.5 MiB, before and after, with room. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** All bodies that are being read, together: with what is made of them it fits into the chart's memory limit. */
const MAX_BODIES_BYTES = 24 * 1024 * 1024;
/** The API server gives a webhook 30 s at most, and by default 10. */
const BODY_TIMEOUT_MS = 10_000;

/** Why a body was not read. `gone`: there is nobody to answer. */
export type NoBody = 'too_large' | 'busy' | 'timeout' | 'gone';

/** Reads the bodies of requests, each within its size and time, and all of them within one budget of memory. */
export class BodyReader {
  readonly #clock: Clock;
  #held = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes of bodies that are being read. */
  get heldBytes(): number {
    return this.#held;
  }

  read(request: Incoming): Promise<string | { readonly none: NoBody }> {
    return new Promise((resolve) => {
      let chunks: Buffer[] = [];
      let bytes = 0;
      let refused: NoBody | null = null;
      const timer = this.#clock.setTimer(() => end({ none: 'timeout' }), BODY_TIMEOUT_MS);
      const release = (): void => {
        this.#held -= bytes;
        bytes = 0;
        chunks = [];
      };
      const end = (result: string | { readonly none: NoBody }): void => {
        timer.cancel();
        request.off('data', take);
        request.off('end', whole);
        request.off('close', gone);
        release();
        request.resume();
        resolve(result);
      };
      const refuse = (why: NoBody): void => {
        refused = why;
        release();
      };
      const take = (chunk: Buffer): void => {
        // The rest is read all the same: an answer in the middle of a body is lost with the connection that it ends.
        if (refused !== null) return;
        if (bytes + chunk.length > MAX_BODY_BYTES) refuse('too_large');
        else if (this.#held + chunk.length > MAX_BODIES_BYTES) refuse('busy');
        else {
          bytes += chunk.length;
          this.#held += chunk.length;
          chunks.push(chunk);
        }
      };
      const whole = (): void => end(refused === null ? Buffer.concat(chunks).toString('utf8') : { none: refused });
      const gone = (): void => end({ none: 'gone' });
      request.on('data', take);
      request.on('end', whole);
      request.on('close', gone);
      request.on('error', () => {});
    });
  }
}
