import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PAGE_HEADERS } from '../../src/admin/page-files.ts';
import type { StatusSnapshot, StatusUpdate } from '../../src/status/types.ts';
import { PAGE_FOLDER } from './bundle.ts';

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

/** Serves the built page as the operator port does, and says what a test wants it to say. */
export class ScriptedSidecar {
  readonly url: string;
  readonly #server: Server;
  readonly #streams = new Map<ServerResponse, string | null>();
  #snapshot: (destination: string | null) => StatusSnapshot;
  #refuses = false;

  private constructor(server: Server, snapshot: (destination: string | null) => StatusSnapshot) {
    this.#server = server;
    this.#snapshot = snapshot;
    const address: AddressInfo | string | null = server.address();
    this.url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}/` : '';
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response));
  }

  /** @param port 0: any free one */
  static async start(snapshot: (destination: string | null) => StatusSnapshot, port = 0): Promise<ScriptedSidecar> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return new ScriptedSidecar(server, snapshot);
  }

  /** How many pages follow the stream. */
  get readers(): number {
    return this.#streams.size;
  }

  /** For the next snapshot. */
  set snapshot(snapshot: (destination: string | null) => StatusSnapshot) {
    this.#snapshot = snapshot;
  }

  /** Streams are answered with 503 from now on, as beyond the most readers. */
  refuseStreams(refuses: boolean): void {
    this.#refuses = refuses;
    if (refuses) this.cut();
  }

  /** To each reader, as what it looks at wants it. */
  update(update: (destination: string | null) => StatusUpdate): void {
    for (const [stream, destination] of this.#streams) say(stream, 'update', update(destination));
  }

  /** Ends the streams: the page opens them again by itself. */
  cut(): void {
    for (const stream of this.#streams.keys()) stream.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    const gone = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await gone;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const target = new URL(request.url ?? '/', 'http://sidecar');
    const destination = target.searchParams.get('destination');
    const file = FILES[target.pathname];
    if (file !== undefined) {
      response.writeHead(200, { ...PAGE_HEADERS, 'content-type': file[1] });
      response.end(readFileSync(`${PAGE_FOLDER}/${file[0]}`));
    } else if (target.pathname === '/status') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(this.#snapshot(destination)));
    } else if (target.pathname === '/status/stream' && !this.#refuses) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write('retry: 200\n\n');
      this.#streams.set(response, destination);
      response.once('close', () => this.#streams.delete(response));
      say(response, 'snapshot', this.#snapshot(destination));
    } else if (target.pathname === '/debug/config') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ settings: SETTINGS }));
    } else {
      response.writeHead(this.#refuses ? 503 : 404);
      response.end();
    }
  }
}

function say(stream: ServerResponse, event: string, data: unknown): void {
  stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

const SETTINGS = [
  { path: 'defaults.pool.maxAge', value: '5m', origin: 'default', where: '' },
  { path: 'defaults.pool.maxConnections', value: 100, origin: 'file', where: '/etc/carpool/carpool.yaml' },
  { path: 'listener.port', value: 14140, origin: 'environment', where: 'CARPOOL_LISTENER_PORT' },
];
