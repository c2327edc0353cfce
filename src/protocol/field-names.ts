import { TOKEN_LOWER } from './bytes.ts';

/**
 * The fields that a relay acts on. Every other field is `FIELD_OTHER` and travels as the bytes that were read. A name is
 * recognised by its length and bytes, so that no string is made.
 */
export const FIELD_OTHER = 0;
export const FIELD_HOST = 1;
export const FIELD_CONTENT_LENGTH = 2;
export const FIELD_TRANSFER_ENCODING = 3;
export const FIELD_CONNECTION = 4;
export const FIELD_KEEP_ALIVE = 5;
export const FIELD_PROXY_CONNECTION = 6;
export const FIELD_PROXY_AUTHORIZATION = 7;
export const FIELD_TE = 8;
export const FIELD_UPGRADE = 9;
export const FIELD_HTTP2_SETTINGS = 10;
export const FIELD_EXPECT = 11;
export const FIELD_VIA = 12;
export const FIELD_AUTHORIZATION = 13;
export const FIELD_WWW_AUTHENTICATE = 14;
export const FIELD_MAX_FORWARDS = 15;
export const FIELD_CONTENT_TYPE = 16;
export const FIELD_PROXY_STATUS = 17;
export const FIELD_REQUEST_TIMEOUT = 18;
/** A field that must not stand in trailers (RFC 9110 section 6.5.1), and on which a relay does not act otherwise. */
export const FIELD_NOT_IN_TRAILERS = 19;
/** An end-to-end field that a Connection field must not remove (RFC 9110 section 7.6.1), with no other meaning here. */
export const FIELD_PROTECTED = 20;

export const FIELD_GRPC_TIMEOUT = 21;
/** May come in several fields by HTTP/2, and in one by HTTP/1.1; not in trailers. */
export const FIELD_COOKIE = 22;

const IDS: Record<string, number> = {
  host: FIELD_HOST,
  'content-length': FIELD_CONTENT_LENGTH,
  'transfer-encoding': FIELD_TRANSFER_ENCODING,
  connection: FIELD_CONNECTION,
  'keep-alive': FIELD_KEEP_ALIVE,
  'proxy-connection': FIELD_PROXY_CONNECTION,
  'proxy-authorization': FIELD_PROXY_AUTHORIZATION,
  te: FIELD_TE,
  upgrade: FIELD_UPGRADE,
  'http2-settings': FIELD_HTTP2_SETTINGS,
  expect: FIELD_EXPECT,
  via: FIELD_VIA,
  authorization: FIELD_AUTHORIZATION,
  'www-authenticate': FIELD_WWW_AUTHENTICATE,
  'max-forwards': FIELD_MAX_FORWARDS,
  'content-type': FIELD_CONTENT_TYPE,
  'proxy-status': FIELD_PROXY_STATUS,
  'x-request-timeout': FIELD_REQUEST_TIMEOUT,
  'grpc-timeout': FIELD_GRPC_TIMEOUT,
  trailer: FIELD_NOT_IN_TRAILERS,
  'content-encoding': FIELD_NOT_IN_TRAILERS,
  'content-range': FIELD_NOT_IN_TRAILERS,
  range: FIELD_NOT_IN_TRAILERS,
  'cache-control': FIELD_NOT_IN_TRAILERS,
  'set-cookie': FIELD_NOT_IN_TRAILERS,
  cookie: FIELD_COOKIE,
  location: FIELD_NOT_IN_TRAILERS,
  date: FIELD_PROTECTED,
  'last-modified': FIELD_PROTECTED,
  etag: FIELD_PROTECTED,
  'if-match': FIELD_PROTECTED,
  'if-none-match': FIELD_PROTECTED,
  vary: FIELD_PROTECTED,
};

type Candidate = { readonly bytes: Uint8Array; readonly id: number };

const BY_LENGTH: readonly (readonly Candidate[])[] = (() => {
  const lists: Candidate[][] = [];
  for (let length = 0; length <= 32; length++) lists.push([]);
  for (const [name, id] of Object.entries(IDS)) lists[name.length]?.push({ bytes: Buffer.from(name, 'latin1'), id });
  return lists;
})();

/** The id of the field name at `buffer[start..end)`; `FIELD_OTHER` where a relay has no business with it. */
export function fieldId(buffer: Buffer, start: number, end: number): number {
  const candidates = BY_LENGTH[end - start];
  if (candidates === undefined) return FIELD_OTHER;
  for (let index = 0; index < candidates.length; index++) {
    const candidate = candidates[index];
    if (candidate === undefined) break;
    const bytes = candidate.bytes;
    let at = 0;
    while (at < bytes.length && TOKEN_LOWER[buffer[start + at] ?? 0] === bytes[at]) at++;
    if (at === bytes.length) return candidate.id;
  }
  return FIELD_OTHER;
}

/** A table by field id: 1 for those that are named. */
function tableOf(...ids: readonly number[]): Uint8Array {
  const table = new Uint8Array(32);
  for (const id of ids) table[id] = 1;
  return table;
}

/** Fields that are never passed on, whatever Connection says (RFC 9110 section 7.6.1; HTTP2-Settings: RFC 9113 section 3.1). */
export const HOP_BY_HOP = tableOf(
  FIELD_CONNECTION,
  FIELD_KEEP_ALIVE,
  FIELD_PROXY_CONNECTION,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_TE,
  FIELD_UPGRADE,
  FIELD_HTTP2_SETTINGS,
  FIELD_TRANSFER_ENCODING,
);

/** Fields that may not stand in a trailer section (RFC 9110 section 6.5.1). */
export const FORBIDDEN_IN_TRAILERS = tableOf(
  FIELD_HOST,
  FIELD_CONTENT_LENGTH,
  FIELD_TRANSFER_ENCODING,
  FIELD_CONNECTION,
  FIELD_KEEP_ALIVE,
  FIELD_PROXY_CONNECTION,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_TE,
  FIELD_UPGRADE,
  FIELD_HTTP2_SETTINGS,
  FIELD_EXPECT,
  FIELD_AUTHORIZATION,
  FIELD_WWW_AUTHENTICATE,
  FIELD_MAX_FORWARDS,
  FIELD_CONTENT_TYPE,
  FIELD_REQUEST_TIMEOUT,
  FIELD_NOT_IN_TRAILERS,
  FIELD_COOKIE,
);

/** Fields that are everybody's and that a Connection field must not name. */
export const PROTECTED_FROM_CONNECTION = tableOf(
  FIELD_HOST,
  FIELD_CONTENT_LENGTH,
  FIELD_TRANSFER_ENCODING,
  FIELD_EXPECT,
  FIELD_VIA,
  FIELD_AUTHORIZATION,
  FIELD_WWW_AUTHENTICATE,
  FIELD_MAX_FORWARDS,
  FIELD_CONTENT_TYPE,
  FIELD_PROXY_STATUS,
  FIELD_NOT_IN_TRAILERS,
  FIELD_PROTECTED,
  FIELD_COOKIE,
);
