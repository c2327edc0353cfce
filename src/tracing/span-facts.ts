import type { Attributes, HrTime } from '@opentelemetry/api';
import { equalsIgnoringCase } from '../protocol/bytes.ts';
import { type Head, METHOD_OTHER } from '../protocol/head.ts';
import type { Destination } from '../routing/destination.ts';

/** Milliseconds since the epoch as OpenTelemetry counts them: whole seconds, and nanoseconds. A plain number would be taken for another clock's. */
export function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.floor((ms - seconds * 1000) * 1e6)];
}

/** What a span says of a request, by the semantic conventions for HTTP; a path only where it may be told, and never its query. */
export function requestFacts(head: Head, destination: Destination, withPath: boolean): Attributes {
  const { host, port, secure } = destination.identity;
  const facts: Attributes = {
    'http.request.method': head.method === METHOD_OTHER ? '_OTHER' : head.methodText(),
    'url.scheme': secure ? 'https' : 'http',
    'server.address': host,
    'server.port': port,
    'carpool.destination': destination.name,
  };
  if (head.method === METHOD_OTHER) facts['http.request.method_original'] = head.methodText().slice(0, 64);
  if (withPath) facts['url.path'] = withoutQuery(head.pathText()).slice(0, 1024);
  return facts;
}

/** A span's name has few values: the method, where it is a known one. */
export const spanName = (head: Head): string => (head.method === METHOD_OTHER ? 'HTTP' : head.methodText());

function withoutQuery(path: string): string {
  const end = path.search(/[?#]/);
  return end < 0 ? path : path.slice(0, end);
}

/** The names of gRPC's status codes, by number. */
const GRPC_CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** The status of gRPC in trailers, or in a head that is all of an answer; null where there is none. */
export function grpcStatus(head: Head): string | null {
  for (let index = 0; index < head.fieldCount; index++) {
    if (!equalsIgnoringCase(head.buffer, head.lineStarts[index] ?? 0, head.nameEnds[index] ?? 0, 'grpc-status'))
      continue;
    const value = head.valueText(index);
    return (/^\d{1,2}$/.test(value) ? GRPC_CODES[Number(value)] : undefined) ?? 'UNKNOWN';
  }
  return null;
}
