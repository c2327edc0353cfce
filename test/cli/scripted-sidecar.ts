import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Test } from 'tap';
import type { StatusSnapshot } from '../../src/status/types.ts';
import { portOf } from '../admin/port-of.ts';

/** An operator port that answers what a test has put there. */
export class ScriptedSidecar {
  /** By path, without the query. */
  readonly answers = new Map<string, unknown>();
  /** Paths with their queries, as they were asked. */
  readonly asked: string[] = [];
  #server: Server | null = null;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** On the port of before, where it was started already. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      this.asked.push(path);
      const answer = this.answers.get(path.replace(/\?.*/, ''));
      const body = answer ?? { code: 'NOT_FOUND', message: `nothing is served at ${path}` };
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = portOf(server);
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** A scripted sidecar that is stopped with the test. */
export async function scriptedSidecar(t: Test, status: Partial<StatusSnapshot> = {}): Promise<ScriptedSidecar> {
  const sidecar = new ScriptedSidecar();
  await sidecar.start();
  t.teardown(() => sidecar.stop());
  sidecar.answers.set('/status', { time: NOW, sidecar: { uptimeMs: 60_000 }, ...status });
  return sidecar;
}

/** The sidecar's wall clock in `scriptedSidecar`: 2026-01-31T09:30:00Z. */
export const NOW = Date.UTC(2026, 0, 31, 9, 30);
