import fc from 'fast-check';
import t from 'tap';
import { errorName, PREFACE } from '../../../src/protocol/http2/frame-types.ts';
import { rawFrame, rawSettings, uint32 } from '../../http2/raw-frame.ts';
import { readParts, SETTINGS } from './frame-recorder.ts';

/** How many times as many runs; 100 and more find rarer things. */
const TIMES = Number(process.env.CARPOOL_FUZZ ?? 1);

/** Bytes on the wire, and what is to be told of them. */
type Example = { readonly bytes: Buffer; readonly calls: readonly string[] };

const one = (bytes: Buffer, ...calls: string[]): Example => ({ bytes, calls });

const stream = fc.integer({ min: 1, max: 0x7fffffff });
const word = fc.integer({ min: 0, max: 0xffffffff });
const text = fc.string({ unit: 'binary-ascii', maxLength: 40 });
const eight = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes));
const reserved = fc.boolean().map((set) => (set ? 0x80000000 : 0));
/** Padding, or none. */
const padding = fc.option(fc.integer({ min: 0, max: 255 }), { nil: null });

const padded = (payload: Buffer, pad: number | null): Buffer =>
  pad === null ? payload : Buffer.concat([Buffer.from([pad]), payload, Buffer.alloc(pad)]);

const data = fc
  .record({ stream, bytes: fc.oneof(text, fc.constant('x'.repeat(3000))), pad: padding, end: fc.boolean() })
  .map(({ stream, bytes, pad, end }) => {
    const payload = padded(Buffer.from(bytes, 'latin1'), pad);
    const frame = rawFrame(0, (end ? 1 : 0) | (pad === null ? 0 : 8), stream, payload);
    return one(frame, `DATA ${stream} "${bytes}" flow ${payload.length}${end ? ' END_STREAM' : ''}`);
  });

const headers = fc
  .record({
    stream: fc.integer({ min: 1, max: 0x7ffffffe }),
    parts: fc.array(text, { minLength: 1, maxLength: 4 }),
    pad: padding,
    priority: fc.boolean(),
    end: fc.boolean(),
  })
  .map(({ stream, parts, pad, priority, end }) => {
    const last = parts.length - 1;
    const frames = parts.map((part, index) => {
      const block = Buffer.from(part, 'latin1');
      const endHeaders = index === last ? 4 : 0;
      if (index > 0) return rawFrame(9, endHeaders, stream, block);
      const payload = priority ? Buffer.concat([uint32(stream + 1), Buffer.from([9]), block]) : block;
      const flags = endHeaders | (end ? 1 : 0) | (priority ? 32 : 0) | (pad === null ? 0 : 8);
      return rawFrame(1, flags, stream, padded(payload, pad));
    });
    const block = Buffer.from(parts.join(''), 'latin1').toString('hex');
    return one(Buffer.concat(frames), `HEADERS ${stream} ${block}${end ? ' END_STREAM' : ''}`);
  });

const settings = fc
  .array(fc.tuple(fc.constantFrom(1, 3, 6, 0xf00), word), { maxLength: 5 })
  .map((pairs) =>
    one(rawFrame(4, 0, 0, rawSettings(pairs)), ...pairs.map(([id, value]) => `setting ${id} = ${value}`), 'SETTINGS'),
  );

const small = fc.oneof(
  fc
    .tuple(stream, word)
    .map(([id, code]) => one(rawFrame(3, 0, id, uint32(code)), `RST_STREAM ${id} ${errorName(code)}`)),
  eight.map((bytes) => one(rawFrame(6, 0, 0, bytes), `PING ${bytes.toString('latin1')}`)),
  eight.map((bytes) => one(rawFrame(6, 1, 0, bytes), `PING ACK ${bytes.toString('latin1')}`)),
  fc.constant(one(rawFrame(4, 1, 0), 'SETTINGS ACK')),
  fc.tuple(fc.oneof(stream, fc.constant(0)), fc.integer({ min: 1, max: 0x7fffffff }), reserved).map(([id, by, bit]) =>
    // The reserved bit means nothing.
    one(rawFrame(8, 0, id, uint32(by + bit)), `WINDOW_UPDATE ${id} ${by}`),
  ),
  fc
    .tuple(stream, word, text)
    .map(([id, code, debug]) =>
      one(
        rawFrame(7, 0, 0, Buffer.concat([uint32(id), uint32(code), Buffer.from(debug, 'latin1')])),
        `GOAWAY ${id} ${errorName(code)} "${debug}"`,
      ),
    ),
  fc
    .integer({ min: 1, max: 0x7ffffffe })
    .map((id) => one(rawFrame(2, 0, id, Buffer.concat([uint32(id + 1), Buffer.from([1])])), `PRIORITY ${id}`)),
  fc
    .tuple(fc.integer({ min: 10, max: 255 }), word, text)
    .map(([type, id, payload]) => one(rawFrame(type, 255, id, payload), `unknown ${type}`)),
);

const frames = fc.array(fc.oneof(data, headers, settings, small), { maxLength: 12 });
const role = fc.constantFrom('server' as const, 'client' as const);

/** Behind what a peer of `role` begins with. */
function wire(role: 'server' | 'client', examples: readonly Example[]): Buffer {
  const opening = role === 'server' ? [PREFACE, SETTINGS] : [SETTINGS];
  return Buffer.concat([...opening, ...examples.map(({ bytes }) => bytes)]);
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const offsets = places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b);
  const edges = [0, ...offsets, bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 });
const bytewise = (bytes: Buffer): Buffer[] => Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));

t.test('any valid frames are told as they are, through any split', async () => {
  fc.assert(
    fc.property(role, frames, places, (role, examples, cuts) => {
      const bytes = wire(role, examples);
      const expected = JSON.stringify(['SETTINGS', ...examples.flatMap(({ calls }) => calls)]);
      for (const parts of [[bytes], cut(bytes, cuts), bytewise(bytes)]) {
        const got = JSON.stringify(readParts(role, parts).calls);
        if (got !== expected) throw new Error(`expected ${expected}, got ${got} in ${parts.length} parts`);
      }
    }),
    { numRuns: 400 * TIMES },
  );
});

/** Bytes that were changed, inserted, taken out or cut off. */
const mutation = fc.record({
  place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 4, 8, 9, 255)),
  how: fc.constantFrom('change', 'insert', 'remove', 'end'),
});

function mutate(bytes: Buffer, how: string, at: number, byte: number): Buffer {
  const value = Buffer.from([byte]);
  if (how === 'end') return bytes.subarray(0, at);
  const behind = bytes.subarray(how === 'insert' ? at : at + 1);
  return Buffer.concat(how === 'remove' ? [bytes.subarray(0, at), behind] : [bytes.subarray(0, at), value, behind]);
}

t.test('any mutation is told the same through any split, and nothing after a connection error', async () => {
  let refused = 0;
  fc.assert(
    fc.property(
      role,
      frames,
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      places,
      (role, examples, changes, cuts) => {
        let bytes = wire(role, examples);
        // The recorder throws when anything is told after a connection error.
        for (const { place, byte, how } of changes) bytes = mutate(bytes, how, Math.floor(place * bytes.length), byte);
        const { calls } = readParts(role, [bytes]);
        if (calls.at(-1)?.startsWith('connection error')) refused++;
        const whole = JSON.stringify(calls);
        for (const parts of [cut(bytes, cuts), bytewise(bytes)]) {
          const got = JSON.stringify(readParts(role, parts).calls);
          if (got !== whole) throw new Error(`whole ${whole}, in ${parts.length} parts ${got}`);
        }
      },
    ),
    { numRuns: 800 * TIMES },
  );
  if (refused < 100) throw new Error(`only ${refused} mutations were refused: they reach too little`);
});

t.test('noise with headers that look like frames neither throws nor differs by its splits', async () => {
  const noise = fc.array(
    fc.oneof(
      fc
        .tuple(fc.integer({ min: 0, max: 11 }), fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 3), text)
        .map(([type, flags, id, payload]) => rawFrame(type, flags, id, payload)),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(role, noise, (role, pieces) => {
      const bytes = Buffer.concat([wire(role, []), ...pieces]);
      const whole = JSON.stringify(readParts(role, [bytes]).calls);
      const got = JSON.stringify(readParts(role, bytewise(bytes)).calls);
      if (got !== whole) throw new Error(`whole ${whole}, bytewise ${got}`);
    }),
    { numRuns: 1500 * TIMES },
  );
});
