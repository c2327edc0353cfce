import type { Test } from 'tap';
import type { DestinationStats } from '../../src/pool/stats.ts';
import { type OriginConnection, type RawOrigin, rawClient, rawOrigin } from '../raw-origin.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';

/** A sidecar, an origin behind it, and what tests of the relay ask of both. */
export type Relay = Sidecar & {
  readonly origin: RawOrigin;
  /** `127.0.0.1:port` of the origin. */
  readonly target: string;
  client(): Promise<OriginConnection>;
  /** The head of a request in absolute form; `fields` are whole lines, each with its CRLF. */
  head(method: string, path: string, fields?: string): string;
  /** What the sidecar says of the origin's destination; zeros before the first request. */
  stats(): Pick<DestinationStats, 'connecting' | 'active' | 'idle' | 'draining' | 'pending'>;
  /** The sum over the series `carpool_<name>` that have all these labels (`reason="error"`), as /metrics tells it. */
  metric(name: string, ...labels: string[]): Promise<number>;
};

export async function startRelay(
  t: Test,
  settings: Record<string, unknown> = {},
  onConnection?: (connection: OriginConnection) => void,
): Promise<Relay> {
  const origin = await rawOrigin(t, onConnection);
  const sidecar = await startSidecar(t, settings);
  const target = `127.0.0.1:${origin.port}`;
  return {
    ...sidecar,
    origin,
    target,
    client: () => rawClient(t, sidecar.port),
    head: (method, path, fields = '') =>
      `${method} http://${target}${path} HTTP/1.1\r\nHost: ${target}\r\n${fields}\r\n`,
    stats() {
      const found = sidecar.app.destinations().find(({ name }) => name === target);
      return found ?? { connecting: 0, active: 0, idle: 0, draining: 0, pending: 0 };
    },
    async metric(name, ...labels) {
      const response = await fetch(`http://127.0.0.1:${sidecar.operatorPort}/metrics`);
      const lines = (await response.text()).split('\n');
      return lines
        .filter((line) => /^\w+/.exec(line)?.[0] === `carpool_${name}` && labels.every((label) => line.includes(label)))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    },
  };
}

/** Resolves when `done` holds; it is asked again after each turn of the event loop. Fails by the test's own time-out. */
export async function eventually(done: () => boolean): Promise<void> {
  while (!done()) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Lets one request and its answer pass, so that the pool holds one idle connection that was used. */
export async function useOnce(relay: Relay, client: OriginConnection): Promise<OriginConnection> {
  const before = client.received.length;
  client.write(relay.head('GET', '/first'));
  const upstream = await relay.origin.connection(relay.origin.connections.length);
  await upstream.untilReceived('\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst');
  await client.until(({ received }) => received.length > before && received.endsWith('first'));
  return upstream;
}

export type Answer = {
  readonly status: number;
  /** Names in lower case; the last value where there are several. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: string;
};

/** Reads an answer that carpool makes itself: it has a length. */
export function ownAnswer(bytes: string): Answer {
  const headEnd = bytes.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = bytes.slice(0, headEnd).split('\r\n');
  const fields = new Map(
    lines.map((line): [string, string] => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  return { status: Number(statusLine.split(' ')[1]), fields, body: bytes.slice(headEnd + 4) };
}

/** Error types of RFC 9209 section 2.3 (IANA "HTTP Proxy Error Types"). */
const REGISTERED = new Set([
  'dns_timeout',
  'dns_error',
  'destination_not_found',
  'destination_unavailable',
  'destination_ip_prohibited',
  'destination_ip_unroutable',
  'connection_refused',
  'connection_terminated',
  'connection_timeout',
  'connection_read_timeout',
  'connection_write_timeout',
  'connection_limit_reached',
  'tls_protocol_error',
  'tls_certificate_error',
  'tls_alert_received',
  'http_request_error',
  'http_request_denied',
  'http_response_incomplete',
  'http_response_header_section_size',
  'http_response_header_size',
  'http_response_body_size',
  'http_response_trailer_section_size',
  'http_response_trailer_size',
  'http_response_transfer_coding',
  'http_response_content_coding',
  'http_response_timeout',
  'http_upgrade_failed',
  'http_protocol_error',
  'proxy_internal_response',
  'proxy_internal_error',
  'proxy_configuration_error',
  'proxy_loop_detected',
]);

/**
 * Reads a Proxy-Status value of one member: an RFC 8941 item (a token) with the parameters `error`, a registered token,
 * and `details`, a quoted sf-string.
 */
export function proxyStatus(value: string | undefined): { error: string; details: string } {
  const match = /^carpool; error=([a-z_]+); details="((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(value ?? '');
  if (match === null) throw new Error(`not a Proxy-Status item: ${value}`);
  const error = match[1] ?? '';
  if (!REGISTERED.has(error)) throw new Error(`not a registered error type: ${error}`);
  return { error, details: (match[2] ?? '').replace(/\\(.)/g, '$1') };
}

/** Asserts that `bytes` are one whole error answer of carpool, and returns its parts. */
export function checkError(
  t: Test,
  bytes: string,
  expected: { status: number; code: string; error: string; close?: boolean; destination?: string | null },
): { message: string; hint: string; answer: Answer } {
  const answer = ownAnswer(bytes);
  const { status, code, error, close, destination } = expected;
  t.equal(answer.status, status);
  t.equal(proxyStatus(answer.fields.get('proxy-status')).error, error);
  t.equal(answer.fields.get('content-type'), 'application/json');
  t.equal(Number(answer.fields.get('content-length')), Buffer.byteLength(answer.body, 'latin1'), 'the length is right');
  const parsed: unknown = JSON.parse(Buffer.from(answer.body, 'latin1').toString());
  const body: Record<string, unknown> = typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  t.same(Object.keys(body), ['code', 'message', 'destination', 'hint']);
  t.equal(body.code, code);
  if (destination !== undefined) t.equal(body.destination, destination);
  if (close !== undefined) t.equal(answer.fields.get('connection'), close ? 'close' : undefined);
  return { message: String(body.message), hint: String(body.hint), answer };
}
