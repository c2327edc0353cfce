import fc from 'fast-check';
import t from 'tap';
import { type Kind, scan } from '../scanning.ts';
import { codings, lists, mutate, mutations } from './arbitrary-fields.ts';
import { OtherEncoder, type Pair } from './other-hpack.ts';
import { makeReader, type ReadBlock, readBlock, readWith } from './reading-blocks.ts';

/** How many times as many runs; 100 and more find rarer things. */
const TIMES = Number(process.env.CARPOOL_FUZZ ?? 1);

const KINDS = ['request', 'response', 'trailers'] as const;
const message = fc
  .constantFrom(...KINDS)
  .chain((kind) => fc.record({ kind: fc.constant(kind), pairs: lists[kind], codings, endStream: fc.boolean() }));
type Message = {
  readonly kind: Kind;
  readonly pairs: readonly Pair[];
  readonly codings: Parameters<OtherEncoder['encode']>[1];
  readonly endStream: boolean;
};

const HOP = ['te', 'proxy-authorization', 'http2-settings'];
const NOT_IN_TRAILERS = [
  'content-length',
  'host',
  'expect',
  'max-forwards',
  'cookie',
  'set-cookie',
  'authorization',
  'content-type',
  'x-request-timeout',
];

/** The regular fields of a list that a relay passes on. */
const passing = (kind: Kind, pairs: readonly Pair[]): Pair[] =>
  pairs.filter(([name]) => {
    if (name.startsWith(':')) return false;
    if (kind === 'request' && name === 'host') return false;
    if (kind === 'trailers' && NOT_IN_TRAILERS.includes(name)) return false;
    return name === 'te' || !HOP.includes(name);
  });

t.test('what somebody else encodes is read as the same fields, on one connection', async (t) => {
  let done = 0;
  let messages = 0;
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), (sequence: readonly Message[]) => {
      const encoder = new OtherEncoder();
      const reader = makeReader();
      for (const { kind, pairs, codings: coding, endStream } of sequence) {
        messages++;
        const read = readWith(reader, kind, encoder.encode(pairs, coding), endStream);
        if (read.result === 'broken') throw new Error('broken');
        if (read.result !== 'done') continue;
        done++;
        if (JSON.stringify(read.passing) !== JSON.stringify(passing(kind, pairs))) {
          throw new Error(`${JSON.stringify(pairs)}: ${JSON.stringify(read)}`);
        }
        const pseudo = pairs.filter(([name]) => name.startsWith(':'));
        if (kind === 'request' && !pseudo.some(([name]) => name === ':authority')) {
          pseudo.push([':authority', pairs.find(([name]) => name === 'host')?.[1] ?? '']);
        }
        if (JSON.stringify(read.pseudo) !== JSON.stringify(pseudo)) throw new Error(JSON.stringify(read));
      }
    }),
    { numRuns: 600 * TIMES },
  );
  t.ok(done > messages / 3, `${done} of ${messages} were right`);
});

t.test('the text of a block, scanned as HTTP/1.1, is the same head', async (t) => {
  let done = 0;
  fc.assert(
    fc.property(message, ({ kind, pairs, codings: coding, endStream }) => {
      const read = readBlock(kind, new OtherEncoder().encode(pairs, coding), endStream);
      if (read.result !== 'done') return;
      done++;
      const scanned = scan(kind, read.text);
      if (scanned.result !== 'done') throw new Error(`${JSON.stringify(scanned)}: ${read.text}`);
      if (JSON.stringify(scanned.facts) !== JSON.stringify(read.facts)) {
        throw new Error(`scanned ${JSON.stringify(scanned.facts)}, read ${JSON.stringify(read.facts)}`);
      }
    }),
    { numRuns: 3000 * TIMES },
  );
  t.ok(done > 1000 * TIMES, `${done} were right`);
});

t.test('any bytes are a head, a fault with a rule, or broken', async (t) => {
  const counts = { done: 0, malformed: 0, broken: 0 };
  fc.assert(
    fc.property(message, mutations, ({ kind, pairs, codings: coding, endStream }, changes) => {
      const reader = makeReader();
      const encoder = new OtherEncoder();
      readWith(reader, kind, encoder.encode(pairs, coding), endStream);
      const read = readWith(reader, kind, mutate(encoder.encode(pairs, coding), changes), endStream);
      counts[read.result]++;
      if (read.result === 'malformed') return read.rule !== '';
      if (read.result === 'broken') return true;
      // Whatever became of it: it is one message.
      const { text } = read;
      return read.protocol !== '' || scan(kind, text).result === 'done';
    }),
    { numRuns: 5000 * TIMES },
  );
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), fc.uint8Array({ maxLength: 60 }), (kind, noise) => {
      const read = readBlock(kind, Buffer.from(noise));
      counts[read.result]++;
      return read.result !== 'malformed' || read.rule !== '';
    }),
    { numRuns: 5000 * TIMES },
  );
  for (const [result, count] of Object.entries(counts)) t.ok(count > 100, `${count} ${result}`);
});

t.test('a connection that remembers blocks reads the same as one that does not', async (t) => {
  let remembered = 0;
  const steps = fc.array(
    fc.record({
      which: fc.nat(3),
      table: fc.constantFrom('same', 'same', 'same', 'same', 'same', 'same', 'grow', 'resize'),
      other: fc.boolean(),
    }),
    { minLength: 4, maxLength: 40 },
  );
  fc.assert(
    fc.property(fc.array(message, { minLength: 4, maxLength: 4 }), steps, (messages: readonly Message[], sequence) => {
      const encoder = new OtherEncoder();
      const reader = makeReader();
      const forgetful = makeReader();
      let count = 0;
      for (const { which, table, other } of sequence) {
        const { kind, pairs, codings: coding, endStream } = messages[which] ?? { kind: 'trailers', pairs: [], codings: [], endStream: true }; // biome-ignore format: short
        const before = table === 'resize' ? encoder.reset() : Buffer.alloc(0);
        const grown = table === 'grow' ? encoder.encode([[`x-${count++}`, 'y']]) : Buffer.alloc(0);
        const block = Buffer.concat([before, encoder.encode(pairs, coding), grown]);
        const ended = other ? !endStream : endStream;
        const read = readWith(reader, kind, block, ended);
        if (reader.head.buffer.length < 8192) remembered++;
        forgetful.forget();
        const plain = readWith(forgetful, kind, block, ended);
        same(read, plain);
      }
    }),
    { numRuns: 400 * TIMES },
  );
  t.ok(remembered > 30 * TIMES, `${remembered} were remembered`);
});

function same(one: ReadBlock, other: ReadBlock): void {
  if (JSON.stringify(one) !== JSON.stringify(other)) {
    throw new Error(`${JSON.stringify(one)} is not ${JSON.stringify(other)}`);
  }
}
