import { Agent, createServer, type Server, request as send } from 'node:http';
import type { Test } from 'tap';
import { portOf } from '../admin/port-of.ts';

export type NamedOrigin = { readonly name: string; readonly port: number; readonly server: Server; answered: number };

/** An HTTP server that says its name, and never closes a connection for being idle. */
export async function namedOrigin(t: Test, name: string): Promise<NamedOrigin> {
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    origin.answered++;
    request.resume().on('end', () => response.end(name));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const origin: NamedOrigin = { name, port: portOf(server), server, answered: 0 };
  return origin;
}

/** Several keep-alive clients of a proxy, each of which asks again as soon as it was answered. */
export class Traffic {
  readonly failures: string[] = [];
  /** Answers by their text. */
  readonly answers = new Map<string, number>();
  total = 0;
  readonly #agent: Agent;
  readonly #clients: Promise<void>[] = [];
  #running = true;
  #waiters: (() => void)[] = [];

  constructor(port: number, url: string, clients: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: clients });
    for (let index = 0; index < clients; index++)
      this.#clients.push(this.#loop(port, url, index % 2 === 0 ? 'GET' : 'POST'));
  }

  async #loop(port: number, url: string, method: string): Promise<void> {
    while (this.#running) {
      const answer = await this.#ask(port, url, method).catch((error: unknown) => `failed: ${error}`);
      this.total++;
      if (answer.startsWith('200 ')) this.answers.set(answer.slice(4), (this.answers.get(answer.slice(4)) ?? 0) + 1);
      else this.failures.push(answer);
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const waiter of waiters) waiter();
    }
  }

  #ask(port: number, url: string, method: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const { host } = new URL(url);
      const body = method === 'POST' ? 'x=1' : '';
      const headers = { host, ...(body === '' ? {} : { 'content-length': String(body.length) }) };
      const outgoing = send({ host: '127.0.0.1', port, path: url, method, headers, agent: this.#agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(`${response.statusCode} ${text}`)).on('error', reject);
      });
      outgoing.on('error', reject).end(body);
    });
  }

  /** Resolves when so many more requests have been answered. */
  async more(count: number): Promise<void> {
    const enough = this.total + count;
    while (this.total < enough) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Lets what runs finish, and asks no more. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }
}
