import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';

/** A request as Node has it, of either protocol. */
export type Incoming = IncomingMessage | Http2ServerRequest;

/** What an answer of either protocol can do, as far as it is used here. */
export interface Answer {
  readonly writableEnded: boolean;
  readonly stream?: { close(code: number): void; readonly session?: { goaway(): void } | undefined };
  writeHead(code: number, headers: Record<string, string>): unknown;
  flushHeaders?(): void;
  write(bytes: Buffer): unknown;
  end(body?: string): unknown;
  on(event: 'close' | 'error', listener: () => void): unknown;
}

/** One request as it came. */
export type ApiRequest = {
  readonly verb: 'get' | 'list' | 'watch' | 'other';
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly token: string | null;
  readonly userAgent: string | null;
  readonly httpVersion: string;
  /** `services`, `endpointslices`, or empty. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
};

/** Which requests a fault is for: all fields that are given must fit. */
export type Match = Partial<Pick<ApiRequest, 'verb' | 'resource' | 'namespace' | 'name'>>;

/** What is done to a request in place of the right answer. */
export type Fault =
  /** A `Status` with this code; `retryAfter` in seconds. */
  | { readonly status: number; readonly message?: string; readonly reason?: string; readonly retryAfter?: number }
  /** Something that is no Kubernetes API; `unended` with no end after the body. */
  | {
      readonly body: string;
      readonly code?: number;
      readonly type?: string;
      readonly headers?: Record<string, string>;
      readonly unended?: boolean;
    }
  /** No answer at all. */
  | { readonly hang: true }
  /** The right answer once this resolves. */
  | { readonly after: Promise<unknown> }
  /** RST instead of an answer. */
  | { readonly reset: true }
  /** A watch is accepted and nothing is ever sent on it. */
  | { readonly silent: true }
  /** A watch is accepted and ended at once, in good order. */
  | { readonly end: true }
  /** A watch is accepted, gets an ERROR event with this code, and ends. */
  | { readonly errorEvent: number }
  /** A watch is accepted and this line is sent before the events. */
  | { readonly line: string };

const PATH =
  /^\/(?:api\/v1|apis\/discovery\.k8s\.io\/v1)\/namespaces\/([^/]+)\/(services|endpointslices)(?:\/([^/]+))?$/;
const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
};

/** The `Status` of a failure. */
export function failureStatus(code: number, message = REASONS[code] ?? 'failure', retryAfter?: number) {
  const details = retryAfter === undefined ? {} : { details: { retryAfterSeconds: retryAfter } };
  const reason = REASONS[code] ?? '';
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, ...details, code };
}

/** Whether a request is one of those that `match` means. */
export function fits(match: Match, request: ApiRequest): boolean {
  return (
    (match.verb ?? request.verb) === request.verb &&
    (match.resource ?? request.resource) === request.resource &&
    (match.namespace ?? request.namespace) === request.namespace &&
    (match.name ?? request.name) === request.name
  );
}

export function readRequest(incoming: Incoming): ApiRequest {
  const { pathname, searchParams } = new URL(incoming.url ?? '/', 'https://server');
  const [, namespace = '', resource = '', name = ''] = PATH.exec(pathname) ?? [];
  const query = Object.fromEntries(searchParams);
  const watches = query.watch === 'true' || query.watch === '1';
  const verb = incoming.method !== 'GET' || resource === '' ? 'other' : name ? 'get' : watches ? 'watch' : 'list';
  const token = /^Bearer (.*)$/.exec(incoming.headers.authorization ?? '')?.[1] ?? null;
  return {
    verb,
    method: incoming.method ?? '',
    path: pathname,
    query,
    token,
    userAgent: incoming.headers['user-agent'] ?? null,
    httpVersion: incoming.httpVersion,
    resource,
    namespace,
    name,
  };
}

/** What a fault says in place of a right answer. */
export function sendBody(answer: Answer, fault: Extract<Fault, { readonly body: string }>): void {
  answer.writeHead(fault.code ?? 200, { 'content-type': fault.type ?? 'application/json', ...fault.headers });
  if (fault.unended) answer.write(Buffer.from(fault.body));
  else answer.end(fault.body);
}

export function send(answer: Answer, code: number, body: string, type = 'application/json', headers = {}): void {
  answer.writeHead(code, { 'content-type': type, ...headers });
  answer.end(body);
}

export function sendStatus(answer: Answer, status: ReturnType<typeof failureStatus>): void {
  const seconds = 'details' in status ? status.details.retryAfterSeconds : undefined;
  const headers = seconds === undefined ? {} : { 'retry-after': String(seconds) };
  send(answer, status.code, JSON.stringify(status), 'application/json', headers);
}
