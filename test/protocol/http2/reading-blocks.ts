import type { Head } from '../../../src/protocol/head.ts';
import { BLOCK_BROKEN, BLOCK_DONE, BlockReader } from '../../../src/protocol/http2/block-reader.ts';
import { factsOf, type Kind, LIMITS } from '../scanning.ts';
import { block, otherDecode, type Pair } from './other-hpack.ts';

/** What reading a block found, as values that can be compared. */
export type ReadBlock =
  | { readonly result: 'broken' }
  | { readonly result: 'malformed'; readonly code: string; readonly rule: string }
  | {
      readonly result: 'done';
      readonly facts: ReturnType<typeof factsOf>;
      readonly text: string;
      readonly pseudo: readonly Pair[];
      readonly passing: readonly Pair[];
      readonly protocol: string;
    };

/** The fields of the coded form, as somebody else decodes them: pseudo-header fields, and the others. */
export function codedFields(head: Head): { readonly pseudo: Pair[]; readonly passing: Pair[] } {
  const { coded, codedStart, codedFields, codedEnd } = head;
  if (coded === null) throw new Error('there is no coded form');
  return {
    pseudo: otherDecode(coded.subarray(codedStart, codedFields)),
    passing: otherDecode(coded.subarray(codedFields, codedEnd)),
  };
}

const AFTER = Buffer.alloc(16, 0x82);

export function readWith(reader: BlockReader, kind: Kind, bytes: Buffer, endStream = true): ReadBlock {
  // In the middle of a larger buffer: what stands around must not be read.
  const around = Buffer.concat([Buffer.from([0x80, 0xff]), bytes, AFTER]);
  const end = 2 + bytes.length;
  const result =
    kind === 'request'
      ? reader.readRequest(around, 2, end, endStream)
      : kind === 'response'
        ? reader.readResponse(around, 2, end, endStream)
        : reader.readTrailers(around, 2, end);
  if (result === BLOCK_BROKEN) return { result: 'broken' };
  if (result !== BLOCK_DONE) return { result: 'malformed', ...reader.fault };
  const { head } = reader;
  return {
    result: 'done',
    facts: factsOf(head, kind),
    text: head.buffer.toString('latin1', head.start, head.end),
    ...codedFields(head),
    protocol: head.buffer.toString('latin1', head.protocolStart, head.protocolEnd),
  };
}

export const makeReader = (limits = LIMITS): BlockReader => new BlockReader(limits);

/** The only block of a connection. */
export const readBlock = (kind: Kind, bytes: Buffer, endStream = true): ReadBlock =>
  readWith(makeReader(), kind, bytes, endStream);

export const readPairs = (kind: Kind, pairs: readonly Pair[], endStream = true): ReadBlock =>
  readBlock(kind, block(pairs), endStream);

/** The rule that fields break, or what they are instead. */
export function ruleOfPairs(kind: Kind, pairs: readonly Pair[], endStream = true): string {
  const read = readPairs(kind, pairs, endStream);
  return read.result === 'malformed' ? `${read.code}: ${read.rule}` : read.result;
}

export function donePairs(kind: Kind, pairs: readonly Pair[], endStream = true) {
  const read = readPairs(kind, pairs, endStream);
  if (read.result !== 'done') throw new Error(`${JSON.stringify(pairs)}: ${JSON.stringify(read)}`);
  return read;
}

/** Pseudo-header fields of a request, and more fields behind them. */
export const request = (...more: readonly Pair[]): Pair[] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a.example:8080'],
  [':path', '/p?q'],
  ...more,
];

export const response = (...more: readonly Pair[]): Pair[] => [[':status', '200'], ...more];
