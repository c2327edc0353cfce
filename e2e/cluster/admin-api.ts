import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { at, isJson, type Json, listAt, textAt } from './json.ts';

const MERGE = 'application/strategic-merge-patch+json';

/** An answer of the API server that is no success. */
export class ApiRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The API server as its administrator sees it: plain calls with plain JSON. */
export class AdminApi {
  readonly #base: string;
  readonly #agent: Agent;

  /** @param pki the folder with ca.crt, admin.crt and admin.key */
  constructor(address: string, pki: string) {
    this.#base = `https://${address}:6443`;
    const [ca, cert, key] = ['ca.crt', 'admin.crt', 'admin.key'].map((name) => readFileSync(`${pki}/${name}`));
    if (!ca || !cert || !key) throw new Error(`no certificates in ${pki}`);
    this.#agent = new Agent({ connect: { ca, cert, key }, connections: 16, bodyTimeout: 0 });
  }

  get(path: string): Promise<Json> {
    return this.#call('GET', path);
  }

  /** The object, or null where there is none. */
  async find(path: string): Promise<Json | null> {
    try {
      return await this.get(path);
    } catch (error) {
      if (error instanceof ApiRefusal && error.status === 404) return null;
      throw error;
    }
  }

  create(path: string, object: Json): Promise<Json> {
    return this.#call('POST', path, object);
  }

  patch(path: string, change: Json): Promise<Json> {
    return this.#call('PATCH', path, change, MERGE);
  }

  /** Deletes an object; harmless where there is none. */
  async delete(path: string, options: Json = {}): Promise<void> {
    try {
      await this.#call('DELETE', path, options);
    } catch (error) {
      if (!(error instanceof ApiRefusal && error.status === 404)) throw error;
    }
  }

  /** Text instead of an object (/metrics). */
  async text(path: string): Promise<string> {
    const { body } = await request(`${this.#base}${path}`, { dispatcher: this.#agent });
    return body.text();
  }

  /**
   * Lists a collection and then follows its changes, one after the other, until the signal; begins anew when the server
   * goes away.
   */
  async follow(path: string, signal: AbortSignal, handle: (type: string, object: Json) => void): Promise<void> {
    while (!signal.aborted) {
      try {
        const list = await this.get(path);
        for (const item of listAt(list, 'items')) if (isJson(item)) handle('ADDED', item);
        const version = textAt(list, 'metadata', 'resourceVersion');
        const url = `${this.#base}${path}${path.includes('?') ? '&' : '?'}watch=1&resourceVersion=${version}`;
        const { body, statusCode } = await request(url, { dispatcher: this.#agent, signal });
        if (statusCode !== 200) throw new ApiRefusal(statusCode, await body.text());
        let rest = '';
        for await (const chunk of body.setEncoding('utf8')) {
          const lines = `${rest}${chunk}`.split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) {
            const event: unknown = JSON.parse(line);
            const object = at(event, 'object');
            if (isJson(object)) handle(textAt(event, 'type'), object);
          }
        }
      } catch {
        // It is away, or the test is over.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #call(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, object?: Json, type = 'application/json') {
    const { statusCode, body } = await request(`${this.#base}${path}`, {
      method,
      dispatcher: this.#agent,
      headersTimeout: 10_000,
      ...(object && { headers: { 'content-type': type }, body: JSON.stringify(object) }),
    });
    const text = await body.text();
    if (statusCode >= 300) throw new ApiRefusal(statusCode, `${method} ${path}: ${statusCode} ${text.slice(0, 500)}`);
    const answer: unknown = JSON.parse(text);
    return isJson(answer) ? answer : {};
  }
}
