import type { Fault } from '../field-facts.ts';
import type { Head, HeadLimits } from '../head.ts';
import { NO_FAULT } from './block-faults.ts';
import { ANY_GENERATION, BlockMemo, MEMO_BLOCK_BYTES } from './block-memo.ts';
import { FieldDecoder } from './field-decoder.ts';
import { HeadBuilder, OF_NOTHING, OF_REQUEST, OF_RESPONSE, OF_TRAILERS } from './head-builder.ts';

/** `head` is filled. */
export const BLOCK_DONE = 0;
/** `fault` says which rule of RFC 9113 was broken: an error of the stream. The decoder goes on. */
export const BLOCK_MALFORMED = 1;
/** The block breaks RFC 7541: the connection cannot go on. */
export const BLOCK_BROKEN = 2;

/** What heads are made in; one for all readers of a process, for their limits are the same. */
let shared: HeadBuilder | null = null;

/**
 * Reads the field blocks of one direction of an HTTP/2 connection: requests, responses, trailers (RFC 9113 section 8, RFC 7541). It takes
 * memory for its dynamic table and its memo when they are first of use.
 */
export class BlockReader {
  /** The head that was read last. It is valid until any reader of the process reads the next one; nobody may change it. */
  head: Head;
  fault: Fault = NO_FAULT;
  readonly #limits: HeadLimits;
  readonly #decoder = new FieldDecoder();
  #memo: BlockMemo | null = null;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
    this.head = this.#builder().head;
  }

  /** Reads a request's block; `endStream` tells that no body follows. */
  readRequest(buffer: Buffer, start: number, end: number, endStream: boolean): number {
    return this.#read(buffer, start, end, OF_REQUEST, endStream);
  }

  /** Reads a response's block, interim ones too. */
  readResponse(buffer: Buffer, start: number, end: number, endStream: boolean): number {
    return this.#read(buffer, start, end, OF_RESPONSE, endStream);
  }

  readTrailers(buffer: Buffer, start: number, end: number): number {
    return this.#read(buffer, start, end, OF_TRAILERS, true);
  }

  /** Reads a block that nobody asks for, so that the table stays in step; false where it is broken as `BLOCK_BROKEN` says. */
  skip(buffer: Buffer, start: number, end: number): boolean {
    const builder = this.#builder();
    builder.begin(OF_NOTHING);
    return this.#decoder.decode(buffer, start, end, builder);
  }

  /** Gives up the memory of the memo, say because the connection is idle. */
  forget(): void {
    this.#memo = null;
    this.head = this.#builder().head;
  }

  #builder(): HeadBuilder {
    if (shared === null || !shared.serves(this.#limits)) shared = new HeadBuilder(this.#limits);
    return shared;
  }

  #read(buffer: Buffer, start: number, end: number, of: number, endStream: boolean): number {
    const decoder = this.#decoder;
    const generation = decoder.generation;
    const kind = of * 2 + (endStream ? 1 : 0);
    let memo: BlockMemo | null = null;
    if (end - start <= MEMO_BLOCK_BYTES) {
      this.#memo ??= new BlockMemo();
      memo = this.#memo;
      const known = memo.find(buffer, start, end, kind, generation);
      if (known !== null) {
        this.head = known;
        return BLOCK_DONE;
      }
    }
    const builder = this.#builder();
    builder.begin(of);
    this.head = builder.head;
    if (!decoder.decode(buffer, start, end, builder)) return BLOCK_BROKEN;
    const done =
      of === OF_REQUEST
        ? builder.finishRequest(endStream)
        : of === OF_RESPONSE
          ? builder.finishResponse(endStream)
          : builder.finishTrailers();
    if (!done) {
      this.fault = builder.fault;
      return BLOCK_MALFORMED;
    }
    // A block that changes the table means something else the next time.
    if (memo !== null && decoder.generation === generation && memo.secondSight) {
      memo.admit(buffer, start, end, kind, decoder.usedTable ? generation : ANY_GENERATION, builder.head);
    }
    return BLOCK_DONE;
  }
}
