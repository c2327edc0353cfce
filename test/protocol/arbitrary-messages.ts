import fc from 'fast-check';

/** Messages for property tests: well formed by their letters, though not always by every rule, and mutations of them. */

/** Bytes that parsers trip over. */
export const NASTY = [
  '\0',
  '\t',
  '\n',
  '\r',
  '\r\n',
  '\r\n\r\n',
  ' ',
  ',',
  ':',
  ';',
  '"',
  '\\',
  '0',
  '5',
  'a',
  'X',
  '/',
  '@',
  '#',
  '\x0b',
  '\x7f',
  '\x85',
  '\xa0',
  '\xff',
];

const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/);
const value = fc.stringMatching(/^([!-~\x80-\xff]([\t -~\x80-\xff]{0,20}[!-~\x80-\xff])?)?$/);
const known = fc.constantFrom(
  'Content-Length: 5',
  'Content-Length: 0',
  'Transfer-Encoding: chunked',
  'Connection: close',
  'Connection: keep-alive, X-Hop',
  'X-Hop: z',
  'TE: trailers',
  'Expect: 100-continue',
  'Upgrade: websocket',
  'Connection: upgrade',
  'Keep-Alive: timeout=5',
  'Max-Forwards: 7',
);
const field = fc.oneof(
  known,
  fc.tuple(token, value).map(([name, text]) => `${name}: ${text}`),
);
const path = fc.stringMatching(/^\/[!"$-~]{0,20}$/);
const authority = fc.constantFrom('a', 'b.example:8080', '127.0.0.1:1', '[::1]:443', 'c.');

export const request = fc
  .tuple(
    fc.oneof(token, fc.constantFrom('GET', 'POST', 'OPTIONS', 'CONNECT')),
    fc.constantFrom('', 'http://', 'HTTP://'),
    authority,
    path,
    fc.constantFrom('1.1', '1.1', '1.0'),
    fc.array(field, { maxLength: 6 }),
  )
  .map(([method, scheme, host, rest, version, fields]) => {
    const target = scheme === '' ? rest : `${scheme}${host}${rest}`;
    return `${[`${method} ${method === 'CONNECT' ? host : target} HTTP/${version}`, `Host: ${host}`, ...fields].join('\r\n')}\r\n\r\n`;
  });
export const response = fc
  .tuple(
    fc.constantFrom('1.1', '1.0'),
    fc.integer({ min: 90, max: 610 }),
    fc.constantFrom('', ' ', ' OK', ' Non \xe9'),
    fc.array(field, { maxLength: 6 }),
  )
  .map(
    ([version, status, reason, fields]) => `${[`HTTP/${version} ${status}${reason}`, ...fields].join('\r\n')}\r\n\r\n`,
  );
export const trailers = fc
  .array(field, { maxLength: 4 })
  .map((fields) => `${fields.map((line) => `${line}\r\n`).join('')}\r\n`);

const chunk = fc
  .tuple(
    fc.string({ minLength: 1, maxLength: 20, unit: 'binary-ascii' }),
    fc.constantFrom('', ';a', ';a=b', ';a="b;c"', '; a = "\\"" ;b'),
    fc.boolean(),
  )
  .map(([data, extension, upper]) => {
    const size = data.length.toString(16);
    return `${upper ? size.toUpperCase() : size}${extension}\r\n${data}\r\n`;
  });
export const chunked = fc
  .tuple(fc.array(chunk, { maxLength: 4 }), trailers)
  .map(([chunks, end]) => `${chunks.join('')}0\r\n${end}`);

type Mutation = readonly [place: number, remove: number, insert: string];
const mutation: fc.Arbitrary<Mutation> = fc.tuple(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.nat(2),
  fc.oneof(fc.constantFrom(...NASTY), fc.constant('')),
);

/** None, one or some places changed. */
export function mutated(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(text, fc.array(mutation, { maxLength: 3 })).map(([whole, mutations]) =>
    mutations.reduce((before, [place, remove, insert]) => {
      const at = Math.floor(place * before.length);
      return before.slice(0, at) + insert + before.slice(at + remove);
    }, whole),
  );
}
