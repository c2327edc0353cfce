import { Head } from '../../src/protocol/head.ts';
import { HeadScanner, SCAN_DONE } from '../../src/protocol/http1/head-scanner.ts';
import { BLOCK_DONE, BlockReader } from '../../src/protocol/http2/block-reader.ts';
import { type RequestBlockOptions, writeRequestBlock } from '../../src/protocol/http2/block-writer.ts';
import { type Coding, OtherEncoder, type Pair } from '../../test/protocol/http2/other-hpack.ts';
import type { Work } from './rounds.ts';

const LIMITS = { maxHeadBytes: 65_536, maxFields: 200, maxTargetBytes: 16_384 };
/** Blocks of one connection; far more than its table holds. */
const BLOCKS = 2000;
const AS_IT_COMES: RequestBlockOptions = { authority: null, pathPrefix: Buffer.alloc(0), extraLines: null };

function requestPairs(path: string, id: string, trace: string): readonly Pair[] {
  return [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'orders.shop:8080'],
    ['user-agent', 'bench/1.0'],
    ['accept', '*/*'],
    ['x-request-id', id],
    ['traceparent', trace],
  ];
}

const SAME = requestPairs('/api/v1/orders', 'b0d1', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');

function uniquePairs(index: number): readonly Pair[] {
  const hex = (index * 2_654_435_761).toString(16).padStart(16, '0').slice(-16);
  return requestPairs(`/api/v1/orders?n=${index}`, hex, `00-4bf92f3577b34da6${hex}-${hex}-01`);
}

const RESPONSE: readonly Pair[] = [
  [':status', '200'],
  ['content-type', 'application/json'],
  ['content-length', '1024'],
  ['date', 'Sat, 21 Nov 2026 06:00:00 GMT'],
  ['server', 'bench'],
];

/** The blocks of one connection in their order, as another implementation codes them. */
function blocksOf(pairs: (index: number) => readonly Pair[], coding: Coding): readonly Buffer[] {
  const encoder = new OtherEncoder();
  return Array.from({ length: BLOCKS }, (_, index) => encoder.encode(pairs(index), [coding]));
}

/** Reads the blocks with a reader that begins where their encoder began. */
function reading(name: string, kind: 'request' | 'response', blocks: readonly Buffer[]): Work {
  return {
    name,
    operations: blocks.length,
    run(): number {
      const reader = new BlockReader(LIMITS);
      let bytes = 0;
      for (const block of blocks) {
        const verdict =
          kind === 'request'
            ? reader.readRequest(block, 0, block.length, true)
            : reader.readResponse(block, 0, block.length, false);
        if (verdict !== BLOCK_DONE) throw new Error(`${name}: ${reader.fault.code}`);
        bytes += reader.head.end - reader.head.start;
      }
      return bytes;
    },
  };
}

/** Writes one head again and again; it is made anew each time, for all readers of a process share one. */
function writing(name: string, make: () => Head): Work {
  const out = Buffer.allocUnsafe(4096);
  return {
    name,
    operations: BLOCKS,
    run(): number {
      const head = make();
      let bytes = 0;
      for (let i = 0; i < BLOCKS; i++) bytes += writeRequestBlock(head, AS_IT_COMES, false, out, 0);
      return bytes;
    },
  };
}

/** A head that came by HTTP/2, with its coded form. */
function readHead(): Head {
  const block = new OtherEncoder().encode(SAME);
  const reader = new BlockReader(LIMITS);
  if (reader.readRequest(block, 0, block.length, true) !== BLOCK_DONE) throw new Error('no head');
  return reader.head;
}

/** The same head as HTTP/1.1 has it. */
function scannedHead(): Head {
  const fields = SAME.slice(4).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `GET http://orders.shop:8080/api/v1/orders HTTP/1.1\r\nhost: orders.shop:8080\r\n${fields.join('')}\r\n`;
  const bytes = Buffer.from(text, 'latin1');
  const head = new Head(LIMITS.maxFields);
  if (new HeadScanner(head, LIMITS).scanRequest(bytes, 0, bytes.length) !== SCAN_DONE) throw new Error('no head');
  return head;
}

/** Field blocks in and out, with eight fields in a request and five in a response. */
export function blockWorks(): readonly Work[] {
  const plain = { incremental: false, huffman: false };
  return [
    reading(
      'read a request, the same again',
      'request',
      blocksOf(() => SAME, {}),
    ),
    reading('read a request, three new values, indexed, Huffman', 'request', blocksOf(uniquePairs, {})),
    reading('read a request, three new values, plain literals', 'request', blocksOf(uniquePairs, plain)),
    reading(
      'read a response, the same again',
      'response',
      blocksOf(() => RESPONSE, {}),
    ),
    writing('write a request that came by HTTP/2', readHead),
    writing('write a request that came by HTTP/1.1', scannedHead),
  ];
}
