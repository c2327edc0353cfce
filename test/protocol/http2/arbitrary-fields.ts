import fc from 'fast-check';
import type { Kind } from '../scanning.ts';
import type { Coding, Pair } from './other-hpack.ts';

/** Lists of fields for property tests: well formed by their letters, though not always by every rule; and blocks that are mutated. */

/** The other implementation looks names and values up in plain objects. */
const ordinary = (text: string): boolean => !(text in {});
const token = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,12}$/).filter(ordinary);
const value = fc.stringMatching(/^([!-~\x80-\xff]([\t -~\x80-\xff]{0,40}[!-~\x80-\xff])?)?$/).filter(ordinary);
const known = fc.constantFrom<Pair>(
  ['content-length', '5'],
  ['content-length', '0'],
  ['te', 'trailers'],
  ['expect', '100-continue'],
  ['via', '1.1 x'],
  ['max-forwards', '7'],
  ['host', 'b.example:8080'],
  ['cookie', 'a=b'],
  ['cookie', 'c=d'],
  ['authorization', 'NTLM x'],
  ['authorization', 'Bearer x'],
  ['proxy-authorization', 'x'],
  ['http2-settings', 'x'],
  ['content-type', 'application/grpc'],
  ['grpc-timeout', '5S'],
  ['x-request-timeout', '5'],
  ['accept-encoding', 'gzip, deflate'],
  ['user-agent', 'x'],
  ['set-cookie', 'x=y'],
);
const field = fc.oneof(known, fc.tuple(token, value));
/** What is never right, or only in some places. */
const wrong = fc.constantFrom<Pair>(
  ['connection', 'close'],
  ['X', 'y'],
  ['x', ' y'],
  ['x', 'a\r\nb'],
  ['te', 'gzip'],
  [':path', '/'],
  [':status', '200'],
  [':odd', ''],
  ['', 'x'],
);
const fields = fc
  .tuple(fc.array(field, { maxLength: 8 }), fc.array(wrong, { maxLength: 1 }), fc.boolean(), fc.nat(7))
  .map(([good, bad, use, place]) => (use ? good : [...good.slice(0, place), ...bad, ...good.slice(place)]));

const authority = fc.constantFrom('a', 'b.example:8080', '127.0.0.1:1', '[::1]:443', 'c.');
const path = fc.oneof(fc.constant('/'), fc.constant('/index.html'), fc.stringMatching(/^\/[!"$-~]{0,20}$/));
const method = fc.oneof(fc.constantFrom('GET', 'POST', 'OPTIONS', 'HEAD', 'TRACE'), token);

const request = fc
  .tuple(method, fc.constantFrom('http', 'https'), authority, path, fields)
  .chain(([verb, scheme, host, rest, more]) =>
    fc
      .shuffledSubarray<Pair>(
        [
          [':method', verb],
          [':scheme', scheme],
          [':path', rest],
          [':authority', host],
        ],
        { minLength: 3 },
      )
      .map((pseudo) => [...pseudo, ...more]),
  );
const connect = fc
  .tuple(authority, fields)
  .map(([host, more]): Pair[] => [[':method', 'CONNECT'], [':authority', host], ...more]);
const star = fc
  .tuple(authority, fields)
  .map(([host, more]): Pair[] => [
    [':method', 'OPTIONS'],
    [':scheme', 'http'],
    [':authority', host],
    [':path', '*'],
    ...more,
  ]);
const response = fc
  .tuple(fc.integer({ min: 99, max: 601 }), fields)
  .map(([status, more]): Pair[] => [[':status', String(status)], ...more]);

export const lists: Readonly<Record<Kind, fc.Arbitrary<readonly Pair[]>>> = {
  request: fc.oneof({ weight: 6, arbitrary: request }, connect, star),
  response,
  trailers: fields,
};

/** How an encoder codes each field. */
export const codings: fc.Arbitrary<readonly Coding[]> = fc.array(
  fc.record({ incremental: fc.boolean(), huffman: fc.boolean(), neverIndex: fc.boolean() }),
  { minLength: 1, maxLength: 5 },
);

/** Changes of bytes: a place, how many go, what comes. */
export const mutations = fc.array(
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(2), fc.uint8Array({ maxLength: 2 })),
  { minLength: 1, maxLength: 3 },
);
export type Mutations = readonly (readonly [number, number, Uint8Array])[];

export const mutate = (block: Buffer, changes: Mutations): Buffer =>
  changes.reduce((before, [place, remove, insert]) => {
    const at = Math.floor(place * before.length);
    return Buffer.concat([before.subarray(0, at), insert, before.subarray(at + remove)]);
  }, block);
