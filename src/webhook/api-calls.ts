import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Clock } from '../clock.ts';
import type { ApiAccess } from '../discovery/kubernetes/api-access.ts';
import { networkFailure } from '../discovery/kubernetes/api-failure.ts';
import type { Credentials } from '../discovery/kubernetes/credentials.ts';
import { isJsonObject, type JsonObject } from '../discovery/kubernetes/json-value.ts';
import { ApiError, type ApiFailureKind } from '../discovery/kubernetes/kube-api.ts';

/** A call is given up after this long. */
const TIMEOUT_MS = 10_000;
/** etcd holds no larger object. */
const MAX_ANSWER_BYTES = 3 * 1024 * 1024;
const MAX_MESSAGE = 300;

/** The kinds of PATCH that are used here. */
export type PatchType = 'application/merge-patch+json' | 'application/strategic-merge-patch+json';

export type ApiTarget = {
  readonly path: string;
  /** What it is, for messages: `Secret carpool-webhook-certificate in namespace carpool-system`. */
  readonly words: string;
  /** What has to be granted where the API server forbids it. */
  readonly right: string;
};

/** Reads and patches single objects, a call a minute or so, each on a connection of its own. */
export class ApiCalls {
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #userAgent: string;

  constructor(credentials: Credentials, clock: Clock, userAgent: string) {
    this.#credentials = credentials;
    this.#clock = clock;
    this.#userAgent = userAgent;
  }

  /** Rejects with ApiError. */
  get(target: ApiTarget): Promise<JsonObject> {
    return this.#call('GET', target, null);
  }

  /** The object as it is then, or `conflict` (409): it has changed since the version in the patch. Rejects with ApiError. */
  async patch(target: ApiTarget, type: PatchType, patch: JsonObject): Promise<JsonObject | 'conflict'> {
    try {
      return await this.#call('PATCH', target, { type, text: JSON.stringify(patch) });
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) return 'conflict';
      throw error;
    }
  }

  async #call(method: string, target: ApiTarget, body: Body): Promise<JsonObject> {
    let answer = await this.#send(this.#credentials.read(), method, target, body);
    // The token may have been renewed since it was read.
    if (answer.status === 401) answer = await this.#send(this.#credentials.read(true), method, target, body);
    const object = parsed(answer.text);
    if (answer.status < 300 && object !== null) return object;
    throw failure(method, target, answer.status, object);
  }

  #send(access: ApiAccess, method: string, target: ApiTarget, body: Body): Promise<ApiAnswer> {
    const { server, ca, token } = access;
    return new Promise((resolve, reject) => {
      const call = request({
        host: server.hostname.replace(/^\[|\]$/g, ''),
        port: server.port === '' ? 443 : Number(server.port),
        path: `${server.pathname.replace(/\/$/, '')}${target.path}${method === 'PATCH' ? '?fieldManager=carpool-webhook' : ''}`,
        method,
        agent: false,
        ...(ca === null ? {} : { ca }),
        headers: {
          accept: 'application/json',
          'user-agent': this.#userAgent,
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === null ? {} : { 'content-type': body.type, 'content-length': Buffer.byteLength(body.text) }),
        },
      });
      const timer = this.#clock.setTimer(() => call.destroy(timedOut()), TIMEOUT_MS);
      const fail = (error: unknown): void => {
        timer.cancel();
        reject(networkFailure(server, error));
      };
      call.on('error', fail);
      call.on('response', (response) => {
        readAnswer(response).then((answer) => {
          timer.cancel();
          resolve(answer);
        }, fail);
      });
      call.end(body?.text);
    });
  }
}

type Body = { readonly type: PatchType; readonly text: string } | null;
type ApiAnswer = { readonly status: number; readonly text: string };

const timedOut = (): Error => Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });

async function readAnswer(response: IncomingMessage): Promise<ApiAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

function parsed(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

function failure(method: string, { words, right }: ApiTarget, status: number, object: JsonObject | null): ApiError {
  const told = typeof object?.message === 'string' ? `: ${object.message.slice(0, MAX_MESSAGE)}` : '';
  const what = `${method === 'GET' ? 'reading' : 'changing'} ${words}`;
  const make = (kind: ApiFailureKind, message: string, hint: string) =>
    new ApiError(kind, `${message}${told}`.replaceAll(/\p{C}+/gu, ' '), hint, { status });
  if (status === 401)
    return make(
      'unauthorized',
      'the API server does not accept the token (401)',
      'Look at the token of the service account.',
    );
  if (status === 403) return make('forbidden', `the API server forbids ${what} (403)`, `Allow ${right}.`);
  if (status === 404)
    return make(
      'not_found',
      `there is no ${words} (404)`,
      'The chart makes it: install or upgrade it, or look at the names.',
    );
  if (status === 429) return make('throttled', `the API server throttles ${what} (429)`, 'It is tried again.');
  if (status >= 500) return make('server', `the API server failed ${what} (${status})`, 'It is tried again.');
  if (object === null)
    return make(
      'not_an_api',
      `what answers for ${what} is no Kubernetes API`,
      'Look for a proxy before the API server.',
    );
  return make('invalid', `the API server does not take ${what} (${status})`, 'Look at the object.');
}
