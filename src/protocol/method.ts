import {
  METHOD_CONNECT,
  METHOD_DELETE,
  METHOD_GET,
  METHOD_HEAD,
  METHOD_OPTIONS,
  METHOD_OTHER,
  METHOD_PATCH,
  METHOD_POST,
  METHOD_PUT,
  METHOD_TRACE,
} from './head.ts';

const METHOD_NAMES: readonly (readonly [string, number])[] = [
  ['HEAD', METHOD_HEAD],
  ['PUT', METHOD_PUT],
  ['DELETE', METHOD_DELETE],
  ['OPTIONS', METHOD_OPTIONS],
  ['TRACE', METHOD_TRACE],
  ['PATCH', METHOD_PATCH],
  ['CONNECT', METHOD_CONNECT],
];

/** The id of a method. They are case-sensitive (RFC 9110 section 9.1): `get` is another method than `GET`. */
export function methodId(buffer: Buffer, start: number, end: number): number {
  const length = end - start;
  if (length === 3 && buffer[start] === 71 && buffer[start + 1] === 69 && buffer[start + 2] === 84) return METHOD_GET;
  if (length === 4 && buffer[start] === 80 && buffer[start + 1] === 79 && buffer[start + 2] === 83) {
    if (buffer[start + 3] === 84) return METHOD_POST;
  }
  for (const [name, id] of METHOD_NAMES) {
    if (name.length !== length) continue;
    let at = 0;
    while (at < length && buffer[start + at] === name.charCodeAt(at)) at++;
    if (at === length) return id;
  }
  return METHOD_OTHER;
}
