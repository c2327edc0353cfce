import type { CarpoolError } from '../errors.ts';

/** Reason phrases of the statuses in the error table; node:http, which knows all, is not loaded for them. */
const REASONS: Record<number, string> = {
  400: 'Bad Request',
  403: 'Forbidden',
  408: 'Request Timeout',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  508: 'Loop Detected',
};

/** A quoted sf-string (RFC 8941 section 3.3.3): printable ASCII, with quotes and backslashes escaped. */
const sfString = (text: string): string =>
  `"${text
    // Before the escapes, for none may be cut in two.
    .slice(0, 400)
    .replaceAll('’', "'")
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/["\\]/g, '\\$&')}"`;

/** What an answer that carpool gives itself says, whatever the app speaks: Proxy-Status (RFC 9209), and a JSON body that says what to do. */
export type AnswerParts = {
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
};

/** @param destination as the app named it, or null where it could not be read */
export function answerParts(error: CarpoolError, destination: string | null): AnswerParts {
  const body = Buffer.from(
    `${JSON.stringify({ code: error.code, message: error.message, destination, hint: error.hint })}\n`,
  );
  const fields: [string, string][] = [
    ['content-type', 'application/json'],
    ['content-length', String(body.length)],
    ['proxy-status', proxyStatus(error)],
    ['cache-control', 'no-store'],
  ];
  if (error.retryAfterSeconds !== undefined) fields.push(['retry-after', String(error.retryAfterSeconds)]);
  return { fields, body };
}

/** The value of Proxy-Status (RFC 9209 section 2). */
export const proxyStatus = (error: CarpoolError): string =>
  `carpool; error=${error.proxyError}; details=${sfString(error.message)}`;

export type LocalAnswer = {
  readonly error: CarpoolError;
  /** The destination as the app named it, or null where it could not be read. */
  readonly destination: string | null;
  readonly headRequest: boolean;
  readonly close: boolean;
  /** The app speaks HTTP/1.0 and asked for the connection to be kept. */
  readonly keepAlive10: boolean;
};

/** The bytes of an answer that carpool gives itself by HTTP/1.1. */
export function localAnswer(answer: LocalAnswer): Buffer {
  const { error } = answer;
  const { fields, body } = answerParts(error, answer.destination);
  const lines = [`HTTP/1.1 ${error.status} ${REASONS[error.status] ?? 'Error'}`];
  for (const [name, value] of fields) lines.push(`${name}: ${value}`);
  if (answer.close) lines.push('connection: close');
  else if (answer.keepAlive10) lines.push('connection: keep-alive');
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return answer.headRequest ? head : Buffer.concat([head, body]);
}
