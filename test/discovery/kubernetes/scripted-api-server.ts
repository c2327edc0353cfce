import { EventEmitter, once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer } from '../../../src/clock.ts';
import {
  type Answer,
  type ApiRequest,
  type Fault,
  failureStatus,
  fits,
  type Incoming,
  type Match,
  readRequest,
  send,
  sendBody,
  sendStatus,
} from './api-request.ts';
import { certificates } from './certificates.ts';
import type { KubeObject } from './kube-objects.ts';
import { ObjectStore, parseSelector } from './object-store.ts';
import { ServerWatch } from './server-watch.ts';
import { TcpRelay } from './tcp-relay.ts';

type Teardown = { readonly teardown: (callback: () => void | Promise<void>) => void };

export type ApiServerOptions = {
  /** No HTTP/2. */
  readonly http1Only?: boolean;
  /** The only token that is taken; null (the default): any, or none. */
  readonly token?: string | null;
  /** Ends watches after their `timeoutSeconds`; without it they stay open for ever. */
  readonly clock?: Clock;
};

const GROUP: Readonly<Record<string, string>> = { services: '', endpointslices: 'discovery.k8s.io' };
const LIST: Readonly<Record<string, { apiVersion: string; kind: string }>> = {
  services: { apiVersion: 'v1', kind: 'ServiceList' },
  endpointslices: { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSliceList' },
};
/**
 * kube-apiserver on 127.0.0.1 over real TLS, as far as discovery uses it: Services and EndpointSlices by get, list and
 * watch, and everything that goes wrong with them. Nothing is sent that a test did not ask for.
 */
export class ScriptedApiServer {
  /** Every request in the order of arrival. */
  readonly requests: ApiRequest[] = [];
  /** Watches open now. */
  readonly watches = new Set<ServerWatch>();
  /** The network before it: freeze, thaw, stop, start, reset. */
  readonly network: TcpRelay;
  readonly store = new ObjectStore();
  /** TLS connections so far, and open now, and at most open at once. */
  connectionsOpened = 0;
  connectionsOpen = 0;
  connectionsPeak = 0;
  /** Watches open at once, at most. */
  watchesPeak = 0;
  /** The CA (PEM) that has signed its certificate. */
  ca: string;
  /** The only token that is taken; null: any. */
  token: string | null;
  readonly #server: Http2SecureServer | Server;
  readonly #clock: Clock | null;
  readonly #events = new EventEmitter();
  readonly #sockets = new Set<TLSSocket>();
  #faults: { match: Match; fault: Fault; times: number }[] = [];
  #forbidden: { resource: string; namespace: string }[] = [];

  private constructor(server: Http2SecureServer | Server, target: number, ca: string, options: ApiServerOptions) {
    this.#server = server;
    this.#clock = options.clock ?? null;
    this.ca = ca;
    this.token = options.token ?? null;
    this.network = new TcpRelay(target);
    this.network.changed = () => this.#events.emit('change');
    this.#events.setMaxListeners(0);
    server.on('secureConnection', (socket: TLSSocket) => this.#connected(socket));
    server.on('sessionError', () => {});
    server.on('tlsClientError', () => {});
    server.on('request', (request: Incoming, answer: Answer) => void this.#serve(request, answer));
  }

  /** Starts one and ends it with the test. */
  static async start(t: Teardown, options: ApiServerOptions = {}): Promise<ScriptedApiServer> {
    const { ca, cert, key } = await certificates();
    const tls = { cert, key, requestCert: true, rejectUnauthorized: false };
    const server = options.http1Only ? createServer(tls) : createSecureServer({ ...tls, allowHTTP1: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the server listens at no port');
    const made = new ScriptedApiServer(server, address.port, ca, options);
    await made.network.start();
    t.teardown(() => made.#close());
    return made;
  }

  get port(): number {
    return this.network.port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  // What is in it.

  putService(object: KubeObject): void {
    this.#tell(this.store.put('services', object));
  }

  deleteService(namespace: string, name: string): void {
    this.#tell(this.store.delete('services', namespace, name));
  }

  putSlice(object: KubeObject): void {
    this.#tell(this.store.put('endpointslices', object));
  }

  deleteSlice(namespace: string, name: string): void {
    this.#tell(this.store.delete('endpointslices', namespace, name));
  }

  /** Sends a bookmark with the present resource version to every watch that asked for them. */
  bookmark(): void {
    const metadata = { resourceVersion: String(this.store.version) };
    for (const watch of this.watches) {
      const { apiVersion, kind } = LIST[watch.selection.resource] ?? { apiVersion: '', kind: '' };
      const nothing = kind === 'EndpointSliceList' ? { addressType: '', endpoints: null, ports: null } : {};
      const object = { kind: kind.replace(/List$/, ''), apiVersion, metadata, ...nothing };
      if (watch.bookmarks) watch.send('BOOKMARK', object);
    }
  }

  // How it misbehaves.

  /**
   * Does `fault` to the next `times` requests that fit; without a number to all, until the function it returns is
   * called. The fault that was set last goes first.
   */
  fault(match: Match, fault: Fault, times = Number.POSITIVE_INFINITY): () => void {
    const entry = { match, fault, times };
    this.#faults.unshift(entry);
    return () => {
      this.#faults = this.#faults.filter((other) => other !== entry);
    };
  }

  /** No rights for a resource (`*`: any) in a namespace (`*`: any): 403 as RBAC words it, until lifted. */
  forbid(resource: string, namespace: string): () => void {
    const entry = { resource, namespace };
    this.#forbidden.push(entry);
    return () => {
      this.#forbidden = this.#forbidden.filter((other) => other !== entry);
    };
  }

  /** From the next handshake on a certificate of the CA called `authority`. @param host for this name alone */
  async useCertificate(authority: string, host: string | null = null): Promise<void> {
    const { ca, cert, key } = await certificates(authority, host);
    this.ca = ca;
    this.#server.setSecureContext({ cert, key });
  }

  /** Ends all watches in good order. */
  endWatches(): void {
    for (const watch of this.watches) watch.end();
  }

  // What a test waits for.

  /** Waits until `condition` holds, looking each time when something has happened here. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#events, 'change');
  }

  /** The newest open watch of a namespace, as soon as there is one that `fits`. */
  async untilWatch(namespace: string, fits: (watch: ServerWatch) => boolean = () => true): Promise<ServerWatch> {
    for (;;) {
      const found = [...this.watches].filter((watch) => watch.namespace === namespace && fits(watch)).at(-1);
      if (found) return found;
      await once(this.#events, 'change');
    }
  }

  /** The `count`th request that fits, as soon as it has come. */
  async untilRequest(match: Match, count = 1): Promise<ApiRequest> {
    for (;;) {
      const found = this.requestsOf(match)[count - 1];
      if (found) return found;
      await once(this.#events, 'change');
    }
  }

  requestsOf(match: Match): ApiRequest[] {
    return this.requests.filter((request) => fits(match, request));
  }

  /** The common name in the client certificate of the next handshake; null: there was none. */
  async untilClientCertificate(): Promise<string | null> {
    const [socket] = await once(this.#server, 'secureConnection');
    const name: unknown = socket.getPeerCertificate().subject?.CN;
    return typeof name === 'string' ? name : null;
  }

  /** A service account's directory for this server: ca.crt, token and namespace. Gone with the test. */
  accountDir(t: Teardown, options: { token?: string; namespace?: string } = {}): string {
    const dir = mkdtempSync(join(tmpdir(), 'carpool-account-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'ca.crt'), this.ca);
    writeFileSync(join(dir, 'token'), options.token ?? this.token ?? 'a-token');
    writeFileSync(join(dir, 'namespace'), options.namespace ?? 'shop');
    return dir;
  }

  async #close(): Promise<void> {
    await this.network.stop();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #connected(socket: TLSSocket): void {
    this.#sockets.add(socket);
    this.connectionsOpened++;
    this.connectionsOpen++;
    this.connectionsPeak = Math.max(this.connectionsPeak, this.connectionsOpen);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.connectionsOpen--;
      this.#events.emit('change');
    });
    this.#events.emit('change');
  }

  #tell(change: ReturnType<ObjectStore['delete']>): void {
    if (!change) return;
    for (const watch of this.watches) {
      const event = this.store.event(change, watch.selection);
      if (event) watch.send(event.type, event.object);
    }
  }

  async #serve(incoming: Incoming, answer: Answer): Promise<void> {
    const request = readRequest(incoming);
    // Read before anything ends the stream, which then has no socket any more.
    const clientPort = incoming.socket.remotePort ?? null;
    const reset = () => this.network.reset(clientPort);
    answer.on('error', () => {});
    incoming.on('error', () => {});
    this.requests.push(request);
    const fault = this.#takeFault(request);
    this.#events.emit('change');
    if (fault) {
      if ('hang' in fault) return;
      if ('reset' in fault) return reset();
      if ('status' in fault) return sendStatus(answer, failureStatus(fault.status, fault.message, fault.retryAfter));
      if ('body' in fault) return sendBody(answer, fault);
      if ('after' in fault) await fault.after;
    }
    if (this.token !== null && request.token !== this.token) return sendStatus(answer, failureStatus(401));
    const refusal = this.#refusal(request);
    if (refusal) return sendStatus(answer, refusal);
    if (request.verb === 'watch') this.#watch(request, answer, fault, reset);
    else this.#read(request, answer);
  }

  #takeFault(request: ApiRequest): Fault | null {
    const entry = this.#faults.find(({ match, times }) => times > 0 && fits(match, request));
    if (!entry) return null;
    entry.times--;
    return entry.fault;
  }

  #refusal(request: ApiRequest): ReturnType<typeof failureStatus> | null {
    const { resource, namespace, verb, name } = request;
    if (verb === 'other' || !(resource in LIST))
      return failureStatus(404, 'the server could not find the requested resource');
    const forbidden = this.#forbidden.some(
      (entry) =>
        (entry.resource === '*' || entry.resource === resource) &&
        (entry.namespace === '*' || entry.namespace === namespace),
    );
    if (!forbidden) return null;
    const group = GROUP[resource] ?? '';
    const what = `${resource}${group && '.'}${group}${name && ` "${name}"`}`;
    return failureStatus(
      403,
      `${what} is forbidden: User "system:serviceaccount:shop:app" cannot ${verb} resource "${resource}" in API group "${group}" in the namespace "${namespace}"`,
    );
  }

  #read({ resource, namespace, name, query }: ApiRequest, answer: Answer): void {
    if (name !== '') {
      const object = this.store.get(resource, namespace, name);
      if (object) send(answer, 200, JSON.stringify(object));
      else sendStatus(answer, failureStatus(404, `${resource} "${name}" not found`));
      return;
    }
    const matches = parseSelector(query.labelSelector ?? '');
    const all = this.store.list({ resource, namespace, matches });
    const from = Number(query.continue ?? 0);
    const to = query.limit === undefined ? all.length : from + Number(query.limit);
    const metadata = {
      resourceVersion: String(this.store.version),
      ...(to < all.length ? { continue: String(to), remainingItemCount: all.length - to } : {}),
    };
    // In a list the items themselves do not say what they are.
    const items = all.slice(from, to).map(({ kind: _kind, apiVersion: _version, ...item }) => item);
    send(answer, 200, JSON.stringify({ ...LIST[resource], metadata, items }));
  }

  #watch(request: ApiRequest, answer: Answer, fault: Fault | null, reset: () => void): void {
    const { resource, namespace, query } = request;
    const selection = { resource, namespace, matches: parseSelector(query.labelSelector ?? '') };
    const watch = new ServerWatch(request, selection, answer, reset);
    const version = query.resourceVersion ?? '';
    answer.writeHead(200, { 'content-type': 'application/json' });
    // A real server sends the head with the first event, or at once when there is none.
    answer.flushHeaders?.();
    this.watches.add(watch);
    this.watchesPeak = Math.max(this.watchesPeak, this.watches.size);
    const timer = this.#timer(watch);
    answer.on('close', () => {
      timer?.cancel();
      this.watches.delete(watch);
      this.#events.emit('change');
    });
    if (fault && 'line' in fault) watch.write(`${fault.line}\n`);
    if (fault && 'errorEvent' in fault) {
      watch.send('ERROR', failureStatus(fault.errorEvent));
      watch.end();
    } else if (fault && 'end' in fault) watch.end();
    else if (fault && 'silent' in fault) watch.silence();
    else this.#catchUp(watch, version);
    this.#events.emit('change');
  }

  /** What has happened since the version that the client knows; without one, all there is. */
  #catchUp(watch: ServerWatch, version: string): void {
    const missed =
      version === '' || version === '0'
        ? this.store.list(watch.selection).map((object) => ({ type: 'ADDED', object }))
        : this.store.since(Number(version), watch.selection);
    if (missed === null) {
      watch.send('ERROR', failureStatus(410, `too old resource version: ${version} (${this.store.version})`));
      watch.end();
      return;
    }
    for (const { type, object } of missed) watch.send(type, object);
  }

  #timer(watch: ServerWatch): Timer | null {
    const seconds = Number(watch.request.query.timeoutSeconds ?? 0);
    return seconds > 0 && this.#clock ? this.#clock.setTimer(() => watch.end(), seconds * 1_000) : null;
  }
}
