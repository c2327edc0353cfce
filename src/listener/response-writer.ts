import { sendChunk, sendLastChunk, sendRange, sendTrailers } from '../connection/http1-output.ts';
import type { CarpoolError } from '../errors.ts';
import type { ResponseOutput } from '../forward/downstream.ts';
import { localAnswer } from '../forward/local-answer.ts';
import { type Head, METHOD_HEAD } from '../protocol/head.ts';
import { BODY_CHUNKED, BODY_NONE, BODY_UNTIL_CLOSE } from '../protocol/http1/body-reader.ts';
import { HEAD_ROOM, type ResponseHeadOptions, writeResponseHead } from '../protocol/http1/head-writer.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import { outputSlab } from '../transport/output-slab.ts';
import type { ListenerContext } from './listener-context.ts';
import { ownAnswer } from './own-answer.ts';

/** Writes the answers of one downstream HTTP/1.1 connection, one after the other, in the version that the app speaks. */
export class ResponseWriter implements ResponseOutput {
  /** The connection ends with this answer. */
  close = false;
  /** The head of this answer is out: what goes wrong from here on can only cut it. */
  headSent = false;
  readonly #socket: ByteSocket;
  readonly #context: ListenerContext;
  #minor = 1;
  /** HTTP/1.0 with Connection: keep-alive, which wants to hear the same. */
  #keepAlive10 = false;
  #headRequest = false;
  /** The app waits for 100 Continue before it sends its body. */
  #expects = false;
  #chunked = false;

  readonly #request: { readonly ended: boolean };

  /** @param request tells whether the request under way has been read to its end */
  constructor(socket: ByteSocket, context: ListenerContext, request: { readonly ended: boolean }) {
    this.#socket = socket;
    this.#context = context;
    this.#request = request;
  }

  /** A request has come, whose answer is the next; null where it could not be read. */
  begin(head: Head | null): void {
    this.#minor = head?.minor ?? 1;
    this.#keepAlive10 = head !== null && head.minor === 0 && head.keepAlive && !head.close;
    this.close =
      head === null || head.close || (head.minor === 0 && !head.keepAlive) || this.#context.phase !== 'serving';
    this.#headRequest = head !== null && head.method === METHOD_HEAD;
    this.#expects = head?.expectContinue === true && head.minor === 1;
    this.headSent = false;
    this.#chunked = false;
  }

  /** As `begin` for a request that could be read as far as its method. */
  beginUnreadable(method: number): void {
    this.begin(null);
    this.#headRequest = method === METHOD_HEAD;
  }

  get #connection(): ResponseHeadOptions['connection'] {
    if (this.close) return 'close';
    return this.#keepAlive10 ? 'keep-alive' : 'none';
  }

  interim(head: Head): void {
    // HTTP/1.0 knows no interim responses (RFC 9110 section 15.2).
    if (this.#minor === 0) return;
    if (head.status === 100) this.#expects = false;
    this.#write(head, { chunked: false, dropContentLength: true, connection: 'none', extraLines: null });
  }

  head(head: Head, bodyKind: number): void {
    this.headSent = true;
    if (this.#context.phase !== 'serving') this.close = true;
    let chunked = head.chunked;
    if (bodyKind === BODY_CHUNKED || bodyKind === BODY_UNTIL_CLOSE) {
      // HTTP/1.0 knows no chunks: there the end of the connection is the end of the body.
      chunked = this.#minor === 1;
      if (!chunked) this.close = true;
    }
    this.#chunked = chunked && bodyKind !== BODY_NONE;
    // An app that still waits for 100 Continue may or may not send its body now: only a close leaves no doubt.
    if (this.#expects && !this.#request.ended) this.close = true;
    this.#write(head, {
      // 204 has no body to encode, and says so (RFC 9112 section 6.1).
      chunked: chunked && this.#minor === 1 && head.status !== 204,
      dropContentLength: head.status === 204,
      connection: this.#connection,
      extraLines: this.#viaLine(head),
    });
  }

  /** 101: the last head of this connection. */
  upgrade(head: Head): void {
    this.#write(head, { chunked: false, dropContentLength: true, connection: 'upgrade', extraLines: null });
  }

  #viaLine(head: Head): Buffer | null {
    const { mode } = this.#context.config.via;
    if (mode === 'off' || mode === 'request') return null;
    return Buffer.from(`via: ${head.http2 ? '2' : `1.${head.minor}`} ${this.#context.viaToken}\r\n`, 'latin1');
  }

  #write(head: Head, options: ResponseHeadOptions): void {
    outputSlab.reserve(this.#socket, head.end - head.start + HEAD_ROOM);
    outputSlab.length = writeResponseHead(head, options, outputSlab.buffer, outputSlab.length);
  }

  ready(): boolean {
    return !this.#socket.full;
  }

  data(buffer: Buffer, start: number, end: number, stable: boolean): boolean {
    return this.#chunked
      ? sendChunk(this.#socket, buffer, start, end)
      : sendRange(this.#socket, buffer, start, end, stable);
  }

  trailers(head: Head): void {
    if (this.#chunked) sendTrailers(this.#socket, head);
    this.#chunked = false;
  }

  end(): void {
    if (this.#chunked) sendLastChunk(this.#socket);
    this.#chunked = false;
  }

  /** An answer of our own. What was body must never become a request: with an unread one the connection closes. */
  answer(error: CarpoolError, destination: string | null): void {
    if (!this.#request.ended) this.close = true;
    this.headSent = true;
    const { close } = this;
    const bytes = localAnswer({
      error,
      destination,
      headRequest: this.#headRequest,
      close,
      keepAlive10: this.#keepAlive10,
    });
    this.#socket.write(bytes, 0, bytes.length);
  }

  /** TRACE and OPTIONS that may go no further (RFC 9110 section 7.6.2). */
  answerHere(head: Head): void {
    if (!this.#request.ended) this.close = true;
    const { fields, body } = ownAnswer(head);
    const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const connection = this.#connection === 'none' ? '' : `connection: ${this.#connection}\r\n`;
    const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${lines}${connection}\r\n${body.toString('latin1')}`, 'latin1');
    this.#socket.write(bytes, 0, bytes.length);
  }
}
