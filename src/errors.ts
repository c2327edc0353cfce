/**
 * The one error table. Every error that carpool makes itself is a row here: what the app reads (status, Proxy-Status,
 * hint), what the retry rules may do, and the metric label (`errors_total{code}`).
 *
 * `proxyError` is a registered RFC 9209 section 2.3 error type.
 */

export type ErrorSource = 'downstream' | 'carpool' | 'upstream';

/** Whether another attempt may follow: `safe` whatever the method, `if_idempotent` only then, `never`. */
export type RetryRule = 'safe' | 'if_idempotent' | 'never';

/**
 * A proxy variable, or a base URL, that is set wrongly, as its requests tell. `tls`: a TLS handshake in place of a request. `socks`: a
 * greeting of SOCKS. `server`: carpool itself is named as the server. `operator_port`: a request for a proxy came to the operator port.
 * `loopback`: a call to the app's own pod, which NO_PROXY should have kept.
 */
export const MISUSES = ['tls', 'socks', 'server', 'operator_port', 'loopback'] as const;
export type Misuse = (typeof MISUSES)[number];

type ErrorRow = {
  readonly source: ErrorSource;
  readonly retry: RetryRule;
  /** HTTP status of the local answer; 0 where nobody is left to answer. */
  readonly status: number;
  readonly proxyError: string;
  readonly hint: string;
};

const row = (source: ErrorSource, retry: RetryRule, status: number, proxyError: string, hint: string): ErrorRow => ({
  source,
  retry,
  status,
  proxyError,
  hint,
});

export const ERRORS = {
  NO_ROUTE: row(
    'carpool',
    'safe',
    502,
    'dns_error',
    'The name is in no static destination and in no DNS answer: check its spelling, its namespace and the search domains of /etc/resolv.conf.',
  ),
  DNS_TIMEOUT: row(
    'carpool',
    'safe',
    504,
    'dns_timeout',
    'The nameservers of /etc/resolv.conf did not answer in time: look at cluster DNS and at network policies for port 53.',
  ),
  DESTINATION_DENIED: row(
    'carpool',
    'never',
    403,
    'destination_ip_prohibited',
    'Loopback, link-local and metadata addresses are not proxied. Add the host to NO_PROXY so that the app calls it directly, or allow the address with security.allowAddresses.',
  ),
  PORT_DENIED: row(
    'carpool',
    'never',
    403,
    'destination_ip_prohibited',
    'CONNECT to this port is not allowed: add it to security.connectPorts.',
  ),
  NO_ENDPOINTS: row(
    'upstream',
    'never',
    503,
    'destination_unavailable',
    'The destination is known but has no endpoint that serves: look at its pods and their readiness.',
  ),
  CIRCUIT_OPEN: row(
    'carpool',
    'never',
    503,
    'destination_unavailable',
    'The circuit breaker of this destination is open because its endpoints kept failing: look at their errors (/health/circuit-breakers of the operator port); it tries again by itself.',
  ),
  RATE_LIMITED: row(
    'carpool',
    'never',
    429,
    'http_request_denied',
    'The rate limit of this destination (rateLimit.requestsPerMinute) is used up: wait as Retry-After says, raise it, or let requests wait for their turn (rateLimit.exceeded: queue).',
  ),
  POOL_PENDING_FULL: row(
    'carpool',
    'never',
    503,
    'connection_limit_reached',
    'Too many requests already wait for a connection: raise pool.maxConnections (or pool.maxPending), or slow the app down.',
  ),
  ACQUIRE_TIMEOUT: row(
    'carpool',
    'never',
    504,
    'connection_limit_reached',
    'No connection became free in pool.acquireTimeout: raise pool.maxConnections, or look for slow responses that hold connections.',
  ),
  CONNECT_FAILED: row(
    'upstream',
    'safe',
    502,
    'connection_refused',
    'No connection to the endpoint could be made: is the process there up, and does a network policy let this pod reach it?',
  ),
  CONNECT_TIMEOUT: row(
    'upstream',
    'safe',
    504,
    'connection_timeout',
    'The endpoint did not answer the connection attempt within timeouts.connect: it is gone, overloaded, or a network policy drops the packets.',
  ),
  TLS_FAILED: row(
    'upstream',
    'safe',
    502,
    'tls_protocol_error',
    'The TLS handshake with the endpoint failed: check its certificate, the CA (tls.ca) and the server name (tls.serverName).',
  ),
  UPSTREAM_RESET: row(
    'upstream',
    'if_idempotent',
    502,
    'connection_terminated',
    'The upstream reset the connection before its response was complete: look at its log for a crash or a restart.',
  ),
  UPSTREAM_CLOSED: row(
    'upstream',
    'if_idempotent',
    502,
    'connection_terminated',
    'The upstream closed the connection before its response was complete: look at its log for a crash, a restart or a short keep-alive timeout.',
  ),
  STREAM_REFUSED: row(
    'upstream',
    'safe',
    502,
    'http_protocol_error',
    'The upstream refused the stream without acting on it: it is overloaded or shutting down.',
  ),
  GOAWAY_UNPROCESSED: row(
    'upstream',
    'safe',
    502,
    'connection_terminated',
    'The upstream shut its connection down before it acted on the request.',
  ),
  RESPONSE_TIMEOUT: row(
    'upstream',
    'if_idempotent',
    504,
    'http_response_timeout',
    'The upstream sent no response head within timeouts.response: it is slow or stuck; raise the timeout if it needs longer.',
  ),
  BODY_TIMEOUT: row(
    'upstream',
    'never',
    504,
    'connection_read_timeout',
    'A body stood still for timeouts.bodyIdle: the peer is stuck; raise the timeout if pauses are normal there.',
  ),
  DEADLINE: row(
    'carpool',
    'never',
    504,
    'http_response_timeout',
    'The whole exchange took longer than timeouts.total, or than the X-Request-Timeout or grpc-timeout that the request itself carries.',
  ),
  UPSTREAM_PROTOCOL: row(
    'upstream',
    'never',
    502,
    'http_protocol_error',
    'The upstream sent a response that cannot be read without doubt; its connection was closed. The message names the rule it broke.',
  ),
  BAD_REQUEST: row(
    'downstream',
    'never',
    400,
    'http_request_error',
    'The request breaks a rule of HTTP that keeps messages apart on a shared connection; the message names it.',
  ),
  HEAD_TOO_LARGE: row(
    'downstream',
    'never',
    431,
    'http_request_error',
    'The request head is over listener.maxHeadBytes or listener.maxFields: send fewer or smaller fields (cookies, tokens), or raise the limit.',
  ),
  URI_TOO_LONG: row(
    'downstream',
    'never',
    414,
    'http_request_error',
    'The request target is over listener.maxTargetBytes: move the data into the body, or raise the limit.',
  ),
  HEAD_TIMEOUT: row(
    'downstream',
    'never',
    408,
    'http_request_error',
    'The request head did not arrive within listener.headTimeout of its first byte.',
  ),
  EXPECTATION_FAILED: row(
    'downstream',
    'never',
    417,
    'http_request_error',
    'Send Expect: 100-continue, or no Expect at all.',
  ),
  TRANSFER_CODING: row(
    'downstream',
    'never',
    501,
    'http_request_error',
    'Send the body with a Content-Length, or with Transfer-Encoding: chunked and no other coding.',
  ),
  LOOP: row(
    'carpool',
    'never',
    508,
    'proxy_loop_detected',
    'The request came back to carpool itself: its destination points at one of carpool’s own listeners.',
  ),
  OVERLOADED: row(
    'carpool',
    'never',
    503,
    'proxy_internal_response',
    'carpool has no room for another exchange (limits.bufferBytes, limits.maxConnections or the file limit): give the sidecar more memory or raise the limit.',
  ),
  PAUSED: row(
    'carpool',
    'never',
    503,
    'proxy_configuration_error',
    'An operator paused this destination, and pool.pauseTimeout is over: `carpool resume` with its name lets requests through again.',
  ),
  INTERNAL: row(
    'carpool',
    'never',
    500,
    'proxy_internal_error',
    'A fault inside carpool; its log has the details. Please report it.',
  ),
  DOWNSTREAM_ABORTED: row(
    'downstream',
    'never',
    0,
    'connection_terminated',
    'The app closed its connection before the response was complete.',
  ),
  SHUTTING_DOWN: row(
    'carpool',
    'safe',
    503,
    'proxy_internal_response',
    'The sidecar is stopping together with its pod.',
  ),
  CONFIG_INVALID: row('carpool', 'never', 0, 'proxy_configuration_error', 'Each problem is listed with its path.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** What went wrong once: a row of the table with the words of this case. */
export class CarpoolError extends Error {
  readonly code: ErrorCode;
  /** Overrides the row's RFC 9209 error type where the case is more precise (e.g. `tls_certificate_error`). */
  readonly proxyError: string;
  readonly hint: string;
  /** Overrides the row's status, e.g. 501 beside 400 for one rule. */
  readonly status: number;
  /** Seconds for a Retry-After field, or undefined. */
  readonly retryAfterSeconds: number | undefined;
  /** The HTTP/2 error code with which the upstream ended its stream, or undefined: it is passed on where a response has begun. */
  readonly streamCode: number | undefined;
  /** What of the app's settings has led here, where that can be told; null: nothing. */
  readonly misuse: Misuse | null;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      cause?: unknown;
      proxyError?: string;
      hint?: string;
      status?: number;
      retryAfterSeconds?: number;
      streamCode?: number | undefined;
      misuse?: Misuse;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CarpoolError';
    this.code = code;
    this.proxyError = options.proxyError ?? ERRORS[code].proxyError;
    this.hint = options.hint ?? ERRORS[code].hint;
    this.status = options.status ?? ERRORS[code].status;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.streamCode = options.streamCode;
    this.misuse = options.misuse ?? null;
  }

  get source(): ErrorSource {
    return ERRORS[this.code].source;
  }

  get retry(): RetryRule {
    return ERRORS[this.code].retry;
  }
}
