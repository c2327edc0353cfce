import type { ApiCall } from './api-call.ts';
import { isJsonObject, objectAt } from './json-value.ts';
import { ApiError, type ApiFailureKind } from './kube-api.ts';

/** Failures of calls to the API server in words. Nothing in a message changes from one try to the next. */

/** The answer to a failed call: its status, Retry-After and body, which may be cut. */
export type FailedAnswer = { readonly status: number; readonly retryAfter: string | null; readonly body: string };

/** The parts of a `Status` object that matter here. */
type Status = { readonly message: string; readonly code: number | null; readonly retryAfterMs: number | null };

/** A message of the API server is shown up to here. */
const MAX_MESSAGE = 400;

const WHERE = 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, or discovery.kubernetes.apiServer or .kubeconfig';
const BUSY = 'carpool tries again by itself, less and less often. Look at the load and the log of the API server.';

/** @param own the namespace of the pod's service account, or null: not known */
export function answerFailure(call: ApiCall, answer: FailedAnswer, own: string | null, wallMs: number): ApiError {
  const status = readStatus(parsed(answer.body));
  if (status === null && !SPEAKS_FOR_ITSELF.has(answer.status) && answer.status < 500) return notAnApi(call);
  const retryAfterMs = headerMs(answer.retryAfter, wallMs) ?? status?.retryAfterMs ?? null;
  return failure(call, answer.status, status?.message ?? '', own, retryAfterMs);
}

/** What an ERROR event says. */
export function eventFailure(call: ApiCall, object: unknown, own: string | null): ApiError {
  const status = readStatus(object);
  if (status === null) return notAnApi(call);
  return failure(call, status.code ?? 500, status.message, own, status.retryAfterMs);
}

/** Something answers, and not as an API server does. */
export function notAnApi(call: ApiCall): ApiError {
  return new ApiError(
    'not_an_api',
    `what answers the ${call.words} is no Kubernetes API`,
    `Look at ${WHERE}, and for a proxy before the API server.`,
  );
}

/** The server said something that is no event, so that others may have been lost with it. */
export function lostEvent(call: ApiCall): ApiError {
  return new ApiError(
    'gone',
    `the ${call.words} had a line in it that is no event`,
    'They are listed again. Look for a proxy before the API server that changes answers.',
  );
}

/** No connection, a broken one, or one to the wrong place: what undici or TLS threw. */
export function networkFailure(server: URL, thrown: unknown): ApiError {
  const chain = causes(thrown);
  const told = chain.find((cause) => cause instanceof ApiError);
  if (told instanceof ApiError) return told;
  const code = chain.map(codeOf).find((found) => found !== '') ?? '';
  const options = { cause: thrown };
  if (CERTIFICATE_CODES.test(code))
    return new ApiError(
      'tls',
      `the certificate of the API server ${server.host} is not one to trust (${code})`,
      'Its CA has to be the one in ca.crt beside the token (or in the kubeconfig), and the certificate has to be valid now and for this address.',
      options,
    );
  if (code.includes('ALERT'))
    return new ApiError(
      'tls',
      `the API server ${server.host} ended the TLS handshake (${code})`,
      'Look at the client certificate of the kubeconfig.',
      options,
    );
  if (NO_TLS_CODES.test(code))
    return new ApiError(
      'not_an_api',
      `what answers at ${server.host} does not speak TLS and HTTP`,
      `Look at ${WHERE}.`,
      options,
    );
  return new ApiError(
    'unreachable',
    `no answer from the API server ${server.host}: ${NETWORK_WORDS[code] ?? (code || 'the connection failed')}`,
    'Look whether the API server runs, and at network policies between this pod and it.',
    options,
  );
}

/** Statuses that mean the same whoever gives them, be it a proxy on the way. */
const SPEAKS_FOR_ITSELF = new Set([401, 403, 410, 429]);
const CERTIFICATE_CODES =
  /^(CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|ERROR_IN_CERT_|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|PATH_LENGTH_)/;
const NO_TLS_CODES = /^(EPROTO|HPE_|ERR_SSL_(WRONG_VERSION|PACKET_LENGTH|HTTP)|ERR_HTTP2_ERROR)/;
const NETWORK_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_INFO: 'the connection was closed',
  ERR_HTTP2_STREAM_ERROR: 'the answer was broken off',
  ETIMEDOUT: 'the connect timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connect timed out',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ENOTFOUND: 'its name has no address',
  EAI_AGAIN: 'its name could not be looked up',
};

function failure(
  call: ApiCall,
  status: number,
  told: string,
  own: string | null,
  retryAfterMs: number | null,
): ApiError {
  const says = told === '' ? '' : `: ${told}`;
  const make = (kind: ApiFailureKind, message: string, hint: string) =>
    new ApiError(kind, message, hint, { status, ...(retryAfterMs === null ? {} : { retryAfterMs }) });
  if (status === 401)
    return make(
      'unauthorized',
      'the API server does not accept the token (401)',
      'Look at the volume that the token is mounted from and whether it is renewed: it expires, and is of no use in another cluster.',
    );
  if (status === 403)
    return make('forbidden', `the API server forbids the ${call.words} (403)${says}`, ruleFor(call, own));
  if (status === 404)
    return make(
      'not_found',
      `there is nothing for the ${call.words} (404)${says}`,
      'Look at the names; EndpointSlices need Kubernetes 1.21 or newer.',
    );
  if (status === 410)
    return make('gone', `the ${call.words} asked for a version that is gone (410)`, 'They are listed again.');
  if (status === 429) return make('throttled', `the API server throttles the ${call.words} (429)`, BUSY);
  if (status >= 500) return make('server', `the API server failed the ${call.words} (${status})${says}`, BUSY);
  return make(
    'invalid',
    `the API server does not take the ${call.words} (${status})${says}`,
    'Look for a proxy before the API server, and at its version: Kubernetes 1.21 or newer is needed.',
  );
}

/** Which RBAC rule is missing. */
function ruleFor({ resource, namespace }: ApiCall, own: string | null): string {
  const known = resource === 'services' || resource.startsWith('endpointslices');
  // The whole Role: whoever grants one rule only meets the next refusal.
  const rule = known
    ? 'get on services, and list and watch on endpointslices.discovery.k8s.io,'
    : `get on ${resource || 'it'}`;
  const place = namespace === '' ? '' : ` in namespace ${namespace}`;
  const group = `system:serviceaccounts:${own ?? '<namespace of the pod>'}`;
  return `Allow ${rule}${place} by a Role bound to the group ${group} (docs/kubernetes.md has it).`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function readStatus(value: unknown): Status | null {
  if (!isJsonObject(value) || value.kind !== 'Status') return null;
  const seconds = objectAt(value, 'details').retryAfterSeconds;
  const message = typeof value.message === 'string' ? value.message : '';
  return {
    message: message.slice(0, MAX_MESSAGE).replaceAll(/\p{C}+/gu, ' '),
    code: typeof value.code === 'number' ? value.code : null,
    retryAfterMs: typeof seconds === 'number' && seconds > 0 ? seconds * 1_000 : null,
  };
}

/** Retry-After: seconds or a date. */
function headerMs(value: string | null, wallMs: number): number | null {
  if (value === null) return null;
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - wallMs);
}

/** An error with what caused it, and what is gathered in it (one for each address that was tried). */
function causes(thrown: unknown): unknown[] {
  const found: unknown[] = [];
  const add = (error: unknown): void => {
    if (error === undefined || error === null || found.length >= 20 || found.includes(error)) return;
    found.push(error);
    if (error instanceof AggregateError) for (const each of error.errors) add(each);
    if (error instanceof Error) add(error.cause);
  };
  add(thrown);
  return found;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
