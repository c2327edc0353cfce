import type { Fault } from '../field-facts.ts';
import type { HeadLimits } from '../head.ts';

/** The rules of RFC 9113 section 8 that a field block can break, in words for the one who sent it. */
const bad = (rule: string): Fault => ({ code: 'BAD_REQUEST', rule });

export const NO_FAULT = bad('');
export const NAME_IS_BAD = bad('a field name must be a token in lower case');
export const VALUE_IS_BAD = bad('a field value may not hold control bytes, nor begin or end with white space');
export const CONNECTION_SPECIFIC = bad(
  'fields of the connection (Connection, Transfer-Encoding, Upgrade …) do not exist in HTTP/2',
);
export const TE_IS_BAD = bad('TE may stand in a request alone, and say trailers alone');
export const PSEUDO_LATE = bad('pseudo-header fields must stand before the others');
export const PSEUDO_TWICE = bad('a pseudo-header field may stand there once');
export const PSEUDO_STRANGE = bad('there is a pseudo-header field that does not belong there');
export const PSEUDO_MISSING = bad('a request must have :method, :scheme and :path, and one of :authority and host');
export const METHOD_IS_BAD = bad('the method must be a token');
export const SCHEME_IS_BAD = bad('the scheme must be http or https');
export const PATH_IS_BAD = bad(
  'the path must begin with a slash (or be * with OPTIONS) and have no spaces, control bytes or #',
);
export const PROTOCOL_IS_BAD = bad('the value of :protocol must be a token');
export const CONNECT_IS_BAD = bad('CONNECT has :authority, and neither :scheme nor :path without :protocol');
export const CONNECT_WITHOUT_PORT = bad('CONNECT needs host:port');
export const HOST_TWICE = bad('there must be one Host field');
export const HOST_DIFFERS = bad('host must be equal to :authority');
export const BODY_MISSING = bad('the request ends before the body that Content-Length tells of');
export const STATUS_IS_BAD = bad(
  'a response must have :status, three digits from 100 to 599, and no other pseudo-header field',
);
export const SWITCHING_PROTOCOLS = bad('status 101 does not exist in HTTP/2');
export const INTERIM_ENDS = bad('an interim response may not end the stream');
export const PSEUDO_IN_TRAILERS = bad('pseudo-header fields may not stand in trailers');

/** What is said of heads over their limits, in the words of HTTP/1.1's scanner. */
export type LimitFaults = { readonly tooLarge: Fault; readonly tooMany: Fault; readonly targetTooLong: Fault };

export const limitFaults = ({ maxHeadBytes, maxFields, maxTargetBytes }: HeadLimits): LimitFaults => ({
  tooLarge: { code: 'HEAD_TOO_LARGE', rule: `the head is over ${maxHeadBytes} bytes` },
  tooMany: { code: 'HEAD_TOO_LARGE', rule: `the head has over ${maxFields} fields` },
  targetTooLong: { code: 'URI_TOO_LONG', rule: `the request target is over ${maxTargetBytes} bytes` },
});
