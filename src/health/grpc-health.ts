import type { CheckReply, CheckRequest, Fields } from './exchange.ts';

/**
 * The gRPC health protocol (grpc.health.v1, "GRPC Health Checking Protocol"): its two messages have one field each, so
 * that no library for Protocol Buffers is needed.
 */

const SERVING = 1;
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;
/** Of gRPC's status codes those that a health check meets. */
const CODES: Readonly<Record<string, string>> = {
  '1': 'CANCELLED',
  '2': 'UNKNOWN',
  '4': 'DEADLINE_EXCEEDED',
  '5': 'NOT_FOUND',
  '7': 'PERMISSION_DENIED',
  '8': 'RESOURCE_EXHAUSTED',
  '12': 'UNIMPLEMENTED',
  '13': 'INTERNAL',
  '14': 'UNAVAILABLE',
  '16': 'UNAUTHENTICATED',
};
const HINTS: Readonly<Record<string, string>> = {
  '5': ': the server does not know the service that healthCheck.service names',
  '12': ': the server has no grpc.health.v1.Health',
};
/** Of what a server says about its status. */
const MAX_MESSAGE = 200;

/** Asks whether `service` is well; null: the server as a whole. */
export function grpcRequest(authority: string, service: string | null, userAgent: string): CheckRequest {
  return {
    method: 'POST',
    path: '/grpc.health.v1.Health/Check',
    headers: { host: authority, 'user-agent': userAgent, 'content-type': 'application/grpc', te: 'trailers' },
    body: framed(service === null ? Buffer.alloc(0) : stringField(1, service)),
  };
}

/** @returns why it is not well, or null: it is */
export function grpcFailure({ status, headers, body, cut, trailers }: CheckReply): string | null {
  if (status !== 200) return `status ${status}`;
  // Without a message both may stand in the head ("Trailers-Only").
  const code = one(trailers, 'grpc-status') ?? one(headers, 'grpc-status');
  if (code === null) return cut ? 'the answer is too long' : 'an answer of status 200 without grpc-status';
  if (code !== '0') {
    const message = plain(one(trailers, 'grpc-message') ?? one(headers, 'grpc-message') ?? '');
    return `gRPC status ${CODES[code] ?? plain(code)}${HINTS[code] ?? ''}${message === '' ? '' : ` (${message})`}`;
  }
  const serving = servingStatus(body);
  if (serving === SERVING) return null;
  return serving === null ? 'an answer that is no HealthCheckResponse' : (STATUSES[serving] ?? `status ${serving}`);
}

const one = (fields: Fields, name: string): string | null => {
  const value = fields[name];
  return typeof value === 'string' ? value : (value?.[0] ?? null);
};

/** A server's words, so that they are fit for a log line. */
const plain = (text: string): string => text.slice(0, MAX_MESSAGE).replaceAll(/[^ -~]/g, '?');

/** A message behind its five bytes: not compressed, and how long it is. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function stringField(field: number, value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...varint(bytes.length)]), bytes]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

/** Field 1 of the response, 0 where it has none; null: this is no such message. */
function servingStatus(body: Buffer): number | null {
  if (body.length < 5 || body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5) return null;
  const reader = new FieldReader(body.subarray(5));
  let status = 0;
  while (!reader.done) {
    const key = reader.varint();
    if (key === null) return null;
    if (key === 1 << 3) {
      const value = reader.varint();
      if (value === null) return null;
      status = value;
    } else if (!reader.skip(key & 7)) return null;
  }
  return status;
}

/** Reads a message of Protocol Buffers, field by field. */
class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** null: it is cut off, or longer than any. */
  varint(): number | null {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return null;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return null;
  }

  /** Steps over the value of a field that is not known. @returns false: it is cut off, or of no known kind */
  skip(wireType: number): boolean {
    const length = wireType === 0 ? this.#skippedVarint() : wireType === 2 ? this.varint() : FIXED[wireType];
    if (length === undefined || length === null) return false;
    this.#at += length;
    return this.#at <= this.#bytes.length;
  }

  #skippedVarint(): number | null {
    return this.varint() === null ? null : 0;
  }
}

/** Bytes of a value by its wire type, where they are always as many. */
const FIXED: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
