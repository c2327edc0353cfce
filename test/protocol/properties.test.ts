import fc from 'fast-check';
import t from 'tap';
import {
  HEAD_ROOM,
  type RequestHeadOptions,
  writeChunkSize,
  writeRequestHead,
  writeResponseHead,
} from '../../src/protocol/http1/head-writer.ts';
import { chunked, mutated, NASTY, request, response, trailers } from './arbitrary-messages.ts';
import { type Facts, factsOf, type Kind, makeScanner, readBody, scan, scanParts } from './scanning.ts';

/** How many times as many runs; 100 and more find rarer things. */
const TIMES = Number(process.env.CARPOOL_FUZZ ?? 1);

const heads: Readonly<Record<Kind, fc.Arbitrary<string>>> = { request, response, trailers };

const behind = fc.constantFrom('', 'GET / HTTP/1.1\r\n', '\r\n', 'x');

/** `text` cut at the places. */
function split(text: string, places: readonly number[]): Buffer[] {
  const offsets = [...new Set(places.map((place) => Math.floor(place * text.length)))].sort((a, b) => a - b);
  const edges = [0, ...offsets, text.length];
  return edges.slice(1).map((edge, index) => Buffer.from(text.slice(edges[index] ?? 0, edge), 'latin1'));
}

const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 });

for (const kind of ['request', 'response', 'trailers'] as const) {
  t.test(`a ${kind} head, valid or not, reads the same through any split as whole`, async () => {
    fc.assert(
      fc.property(mutated(heads[kind]), behind, places, (head, rest, cuts) => {
        const text = head + rest;
        const whole = scan(kind, text);
        const bytewise = Array.from({ length: text.length }, (_, index) => Buffer.from(text.charAt(index), 'latin1'));
        for (const parts of [split(text, cuts), bytewise]) {
          const pieces = scanParts(kind, parts);
          // A broken head that is not whole may wait: it is refused when it has doubled, or by the clock.
          if (whole.result === 'fault' && pieces.result === 'more') return !/\n\r*\n/.test(text);
          if (JSON.stringify(pieces) !== JSON.stringify(whole)) {
            throw new Error(`whole ${JSON.stringify(whole)}, in parts ${JSON.stringify(pieces)}`);
          }
        }
        return true;
      }),
      { numRuns: 1500 * TIMES },
    );
  });
}

t.test('a chunked body, valid or not, reads the same split at every byte as whole', async () => {
  fc.assert(
    fc.property(mutated(chunked), behind, (body, rest) => {
      const text = body + rest;
      const whole = JSON.stringify(readBody([Buffer.from(text, 'latin1')]));
      for (let offset = 0; offset <= text.length; offset++) {
        const parts = [Buffer.from(text.slice(0, offset), 'latin1'), Buffer.from(text.slice(offset), 'latin1')];
        const pieces = JSON.stringify(readBody(parts));
        if (pieces !== whole) throw new Error(`whole ${whole}, split at ${offset} ${pieces}`);
      }
      const bytewise = Array.from({ length: text.length }, (_, index) => Buffer.from(text.charAt(index), 'latin1'));
      return JSON.stringify(readBody(bytewise)) === whole;
    }),
    { numRuns: 700 * TIMES },
  );
});

t.test('any bytes at all are a head, part of one, or a fault with a rule', async () => {
  const noise = fc.array(
    fc.oneof(
      fc.constantFrom(...NASTY, 'GET ', ' HTTP/1.1', 'HTTP/1.1 ', 'Host: ', 'Transfer-Encoding: ', 'chunked'),
      fc.string({ maxLength: 3, unit: 'binary-ascii' }),
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(noise, (pieces) => {
      const text = pieces.join('');
      for (const kind of ['request', 'response', 'trailers'] as const) {
        const scanned = scan(kind, text);
        if (scanned.result === 'fault' && scanned.rule === '') return false;
        if (scanned.result === 'done' && scanned.facts.bytes > text.length) return false;
      }
      readBody([Buffer.from(text, 'latin1')]);
      return true;
    }),
    { numRuns: 3000 * TIMES },
  );
});

const PLAIN: RequestHeadOptions = {
  authority: null,
  pathPrefix: Buffer.alloc(0),
  upgrade: false,
  close: false,
  extraLines: null,
};
const passing = ({ fields }: Facts): string[] =>
  fields
    .filter(({ name, dropped }) => !dropped && !/^(host|max-forwards)$/i.test(name))
    .map(({ name, value: text }) => `${name}: ${text}`);

t.test('a request that is written says the same as the one that was read', async (t) => {
  let written = 0;
  fc.assert(
    fc.property(request, (text) => {
      const bytes = Buffer.from(text, 'latin1');
      const scanner = makeScanner();
      if (scanner.scanRequest(bytes, 0, bytes.length) !== 1 || scanner.head.form === 2) return true;
      const read = factsOf(scanner.head, 'request');
      const out = Buffer.alloc(bytes.length + HEAD_ROOM);
      const end = writeRequestHead(scanner.head, PLAIN, out, 0);
      const again = scan('request', out.toString('latin1', 0, end));
      if (again.result !== 'done') throw new Error(`${JSON.stringify(again)}: ${out.toString('latin1', 0, end)}`);
      written++;
      const { facts } = again;
      const same = [
        'method',
        'authority',
        'host',
        'port',
        'path',
        'contentLength',
        'chunked',
        'trailersAccepted',
      ] as const;
      for (const key of same)
        if (facts[key] !== read[key]) throw new Error(`${key}: ${String(read[key])} became ${String(facts[key])}`);
      const own = /^(host|transfer-encoding|te|connection|max-forwards): /;
      const before = passing(read).filter((line) => read.minor === 1 || !/^expect: /i.test(line));
      const after = facts.fields
        .map(({ name, value: body }) => `${name}: ${body}`)
        .filter((line) => !own.test(line) && !/^(host|max-forwards): /i.test(line));
      if (JSON.stringify(after) !== JSON.stringify(before))
        throw new Error(`${JSON.stringify(before)} became ${JSON.stringify(after)}`);
      return facts.minor === 1 && facts.form === 0 && !facts.upgradeNominated && !facts.close;
    }),
    { numRuns: 2000 * TIMES },
  );
  t.ok(written > 300, `${written} heads were read and written`);
});

t.test('a response that is written says the same as the one that was read', async (t) => {
  let written = 0;
  fc.assert(
    fc.property(response, (text) => {
      const bytes = Buffer.from(text, 'latin1');
      const scanner = makeScanner();
      if (scanner.scanResponse(bytes, 0, bytes.length) !== 1) return true;
      const read = factsOf(scanner.head, 'response');
      const out = Buffer.alloc(bytes.length + HEAD_ROOM);
      const end = writeResponseHead(
        scanner.head,
        { chunked: read.chunked, dropContentLength: false, connection: 'none', extraLines: null },
        out,
        0,
      );
      const again = scan('response', out.toString('latin1', 0, end));
      if (again.result !== 'done') throw new Error(`${JSON.stringify(again)}: ${out.toString('latin1', 0, end)}`);
      written++;
      const { facts } = again;
      const after = passing(facts).filter((line) => line !== 'transfer-encoding: chunked');
      if (JSON.stringify(after) !== JSON.stringify(passing(read)))
        throw new Error(`${JSON.stringify(passing(read))} became ${JSON.stringify(after)}`);
      return (
        facts.status === read.status &&
        facts.contentLength === read.contentLength &&
        facts.chunked === read.chunked &&
        facts.line.slice(8) === read.line.slice(8)
      );
    }),
    { numRuns: 2000 * TIMES },
  );
  t.ok(written > 300, `${written} heads were read and written`);
});

t.test('what is written in chunks is read back, through any split', async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 }), places, (chunks, cuts) => {
      const parts: Buffer[] = [];
      for (const data of chunks) {
        const size = Buffer.alloc(20);
        parts.push(size.subarray(0, writeChunkSize(data.length, size, 0)), Buffer.from(data), Buffer.from('\r\n'));
      }
      const text = Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]).toString('latin1');
      const read = readBody(split(text, cuts));
      return (
        read.done &&
        read.fault === null &&
        read.body === Buffer.concat(chunks).toString('latin1') &&
        read.consumed === text.length
      );
    }),
  );
});

t.test('the size line of a chunk is its length in hex digits', async (t) => {
  for (const length of [
    0,
    1,
    9,
    10,
    15,
    16,
    255,
    256,
    4095,
    65_535,
    65_536,
    2 ** 31,
    2 ** 32 + 1,
    Number.MAX_SAFE_INTEGER,
  ]) {
    const out = Buffer.alloc(30, 120);
    const end = writeChunkSize(length, out, 3);
    t.equal(out.toString('latin1', 0, end + 1), `xxx${length.toString(16)}\r\nx`, String(length));
  }
});
