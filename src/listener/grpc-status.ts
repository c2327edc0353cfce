import type { CarpoolError } from '../errors.ts';
import { proxyStatus } from '../forward/local-answer.ts';

const INTERNAL = 13;
const UNAVAILABLE = 14;

/**
 * gRPC's status for an answer that carpool gives itself, by the HTTP status that others would read. It goes further than
 * gRPC's own table (doc/http-grpc-status-mapping.md), which is for answers of proxies that do not know gRPC: a time-out is one here.
 */
const STATUS: Readonly<Record<number, number>> = {
  400: INTERNAL,
  403: 7,
  408: UNAVAILABLE,
  414: INTERNAL,
  417: INTERNAL,
  429: 8,
  431: 8,
  500: INTERNAL,
  501: 12,
  502: UNAVAILABLE,
  503: UNAVAILABLE,
  504: 4,
  508: INTERNAL,
};

/** An error before a connection stood is "unavailable", whatever time it took: the call may be made again (gRPC, statuscodes.md). */
const NOT_BEGUN = new Set(['CONNECT_TIMEOUT', 'ACQUIRE_TIMEOUT', 'DNS_TIMEOUT']);

/** Bytes that may stand in grpc-message as they are (gRPC over HTTP/2: Percent-Encoding). */
const encoded = (text: string): string =>
  Array.from(Buffer.from(text), (byte) =>
    byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');

/** The fields of a trailers-only answer to a gRPC call; its status is 200. */
export function grpcFields(error: CarpoolError): readonly (readonly [string, string])[] {
  const status = NOT_BEGUN.has(error.code) ? UNAVAILABLE : (STATUS[error.status] ?? INTERNAL);
  return [
    ['content-type', 'application/grpc'],
    ['grpc-status', String(status)],
    ['grpc-message', encoded(`${error.code}: ${error.message}. ${error.hint}`)],
    ['proxy-status', proxyStatus(error)],
  ];
}
