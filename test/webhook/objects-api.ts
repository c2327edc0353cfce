import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Test } from 'tap';
import { isJsonObject, type JsonObject, objectAt } from '../../src/discovery/kubernetes/json-value.ts';
import { certificates } from '../discovery/kubernetes/certificates.ts';

export const SECRET = '/api/v1/namespaces/system/secrets/hook-certificate';
export const CONFIGURATION = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/hook';

/** What is done to a request in place of the right answer: a status, no answer, or something else first. */
type Fault = { readonly status: number } | { readonly hang: true } | { readonly before: () => void };

export type Call = {
  readonly method: string;
  readonly path: string;
  readonly token: string;
  readonly body: JsonObject;
};

/** An API server over real TLS that has two objects: the Secret and the MutatingWebhookConfiguration of the webhook. */
export class ObjectsApi {
  readonly calls: Call[] = [];
  readonly objects = new Map<string, JsonObject>();
  readonly ca: string;
  token = 'a-token';
  readonly #server: Server;
  #faults: { method: string; path: string; fault: Fault; times: number }[] = [];
  #version = 100;
  #waiting: (() => void)[] = [];

  private constructor(server: Server, ca: string) {
    this.#server = server;
    this.ca = ca;
    server.on('request', (request, response) => void this.#serve(request, response));
    const clientConfig = { service: { name: 'hook', namespace: 'system', path: '/inject' } };
    this.put(SECRET, { metadata: { name: 'hook-certificate' }, type: 'Opaque' });
    this.put(CONFIGURATION, {
      metadata: { name: 'hook' },
      webhooks: [
        { name: 'namespace.inject.carpool.dev', clientConfig, timeoutSeconds: 5 },
        { name: 'pod.inject.carpool.dev', clientConfig },
        {
          name: 'else.example',
          clientConfig: { service: { name: 'else', namespace: 'system' }, caBundle: 'b3RoZXI=' },
        },
      ],
    });
  }

  static async start(t: Test): Promise<ObjectsApi> {
    const { ca, cert, key } = await certificates();
    const server = createServer({ cert, key });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const api = new ObjectsApi(server, ca);
    t.teardown(() => api.stop());
    return api;
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Puts an object there as it is, with a version of its own. */
  put(path: string, object: JsonObject): void {
    const resourceVersion = String(++this.#version);
    this.objects.set(path, { ...object, metadata: { ...objectAt(object, 'metadata'), resourceVersion } });
  }

  /** Changes fields of an object, as anybody else would. */
  change(path: string, patch: JsonObject): void {
    this.put(path, merged(this.objects.get(path) ?? {}, patch));
  }

  /** Does `fault` to the next requests that fit. @returns a function that ends it */
  fault(method: string, path: string, fault: Fault, times = Number.POSITIVE_INFINITY): () => void {
    const entry = { method, path, fault, times };
    this.#faults.push(entry);
    return () => {
      this.#faults = this.#faults.filter((each) => each !== entry);
    };
  }

  /** PEM of what the Secret holds under a key. */
  held(key: string): string {
    const value = objectAt(this.objects.get(SECRET) ?? {}, 'data')[key];
    return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : '';
  }

  /** PEM of what a webhook of the configuration trusts. */
  bundle(name = 'namespace.inject.carpool.dev'): string {
    const webhook = this.webhooks().find((each) => each.name === name) ?? {};
    const { caBundle } = objectAt(webhook, 'clientConfig');
    return typeof caBundle === 'string' ? Buffer.from(caBundle, 'base64').toString('utf8') : '';
  }

  webhooks(): readonly JsonObject[] {
    const list = this.objects.get(CONFIGURATION)?.webhooks;
    return Array.isArray(list) ? list.filter(isJsonObject) : [];
  }

  /** How often a method was called on an object. */
  count(method: string, path: string): number {
    return this.calls.filter((call) => call.method === method && call.path === path).length;
  }

  /** Waits until a condition holds, looking after each request. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const parsed: unknown = chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString());
    const path = (request.url ?? '').split('?')[0] ?? '';
    const method = request.method ?? '';
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    const body = isJsonObject(parsed) ? parsed : {};
    this.calls.push({ method, path, token, body });
    const [status, answer] = this.#answer(method, path, token, body, String(request.headers['content-type']));
    if (status !== 0) {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    }
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #answer(method: string, path: string, token: string, body: JsonObject, type: string): [number, JsonObject] {
    const entry = this.#faults.find((each) => each.times > 0 && each.method === method && each.path === path);
    if (entry !== undefined) {
      entry.times--;
      if ('hang' in entry.fault) return [0, {}];
      if ('status' in entry.fault)
        return [entry.fault.status, { kind: 'Status', message: 'as the test says', code: entry.fault.status }];
      entry.fault.before();
    }
    if (token !== this.token) return [401, { kind: 'Status', code: 401 }];
    const object = this.objects.get(path);
    if (object === undefined) return [404, { kind: 'Status', message: 'not found', code: 404 }];
    if (method !== 'PATCH') return [200, object];
    const { resourceVersion, ...metadata } = objectAt(body, 'metadata');
    if (resourceVersion !== objectAt(object, 'metadata').resourceVersion)
      return [409, { kind: 'Status', message: 'the object has been modified', code: 409 }];
    const strategic = type.includes('strategic');
    this.put(path, (strategic ? mergedByName : merged)(object, { ...body, metadata }));
    return [200, this.objects.get(path) ?? {}];
  }
}

/** RFC 7386, without the removal by null. */
function merged(object: JsonObject, patch: JsonObject): JsonObject {
  const result: Record<string, unknown> = { ...object };
  for (const [key, value] of Object.entries(patch)) {
    const old = result[key];
    result[key] = isJsonObject(value) ? merged(isJsonObject(old) ? old : {}, value) : value;
  }
  return result;
}

/** The same, but webhooks are merged by their names. */
function mergedByName(object: JsonObject, patch: JsonObject): JsonObject {
  const { webhooks: changes, ...rest } = patch;
  const webhooks = Array.isArray(object.webhooks) ? object.webhooks.filter(isJsonObject) : [];
  const changed = webhooks.map((webhook) => {
    const change: unknown = Array.isArray(changes) ? changes.find((each) => each.name === webhook.name) : undefined;
    return isJsonObject(change) ? merged(webhook, change) : webhook;
  });
  return { ...merged(object, rest), webhooks: changed };
}
