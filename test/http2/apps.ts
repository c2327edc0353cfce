import http from 'node:http';
import http2 from 'node:http2';
import type { Test } from 'tap';

/** A request as an app sends it through carpool, whatever it speaks. */
export type AppRequest = {
  readonly method?: string;
  readonly authority: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer | undefined;
  /** Without Content-Length. */
  readonly lengthless?: boolean;
  readonly trailers?: Record<string, string>;
};

/** The answer that the app read to its end. */
export type AppResponse = {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
  readonly trailers: Record<string, string | undefined>;
  /** Statuses of interim responses. */
  readonly interims: readonly number[];
};

export interface App {
  readonly spoken: 'http1' | 'http2';
  send(request: AppRequest): Promise<AppResponse>;
}

/** An app that speaks one protocol with the sidecar's main port: with `http2` all requests share one connection. */
export function startApp(t: Test, spoken: 'http1' | 'http2', port: number): App {
  return spoken === 'http1' ? http1App(t, port) : http2App(t, port);
}

function http1App(t: Test, port: number): App {
  const agent = new http.Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const send = (request: AppRequest): Promise<AppResponse> =>
    new Promise((resolve, reject) => {
      const body = request.body === undefined ? null : Buffer.from(request.body);
      const chunked = request.lengthless === true || request.trailers !== undefined;
      const framing =
        body === null ? {} : chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length };
      const interims: number[] = [];
      const outgoing = http.request({
        port,
        agent,
        method: request.method ?? 'GET',
        path: `http://${request.authority}${request.path ?? '/'}`,
        headers: { host: request.authority, te: 'trailers', connection: 'te', ...framing, ...request.headers },
      });
      outgoing.on('information', ({ statusCode }) => interims.push(statusCode));
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('aborted', () => reject(new Error('the response was cut')));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(pieces),
            trailers: response.trailers,
            interims,
          }),
        );
      });
      if (request.trailers !== undefined) outgoing.addTrailers(request.trailers);
      if (body !== null && request.headers?.expect === undefined) outgoing.write(body);
      if (request.headers?.expect === undefined) outgoing.end();
      else outgoing.on('continue', () => outgoing.end(body));
    });
  return { spoken: 'http1', send };
}

function http2App(t: Test, port: number): App {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  const send = (request: AppRequest): Promise<AppResponse> =>
    new Promise((resolve, reject) => {
      const body = request.body === undefined ? null : Buffer.from(request.body);
      const lengthless = request.lengthless === true || request.trailers !== undefined;
      const length = body === null || lengthless ? {} : { 'content-length': body.length };
      const stream = session.request(
        {
          ':method': request.method ?? 'GET',
          ':authority': request.authority,
          ':path': request.path ?? '/',
          te: 'trailers',
          ...length,
          ...request.headers,
        },
        { endStream: body === null, waitForTrailers: request.trailers !== undefined },
      );
      const interims: number[] = [];
      const pieces: Buffer[] = [];
      let headers: Record<string, string | string[] | undefined> = {};
      let trailers: Record<string, string | undefined> = {};
      stream.on('headers', (fields) => interims.push(Number(fields[':status'])));
      stream.on('response', (fields) => {
        headers = { ...fields };
      });
      stream.on('trailers', (fields: Record<string, string>) => {
        trailers = { ...fields };
      });
      stream.on('wantTrailers', () => stream.sendTrailers(request.trailers ?? {}));
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.on('error', reject);
      stream.on('end', () => {
        const { ':status': status, ...rest } = headers;
        resolve({ status: Number(status), headers: rest, body: Buffer.concat(pieces), trailers, interims });
      });
      if (request.headers?.expect === undefined) {
        if (body !== null) stream.end(body);
      } else stream.on('continue', () => stream.end(body ?? ''));
    });
  return { spoken: 'http2', send };
}
