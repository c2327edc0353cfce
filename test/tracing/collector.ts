import { once } from 'node:events';
import http from 'node:http';
import type { Test } from 'tap';

/** A span as OTLP has it in JSON (opentelemetry-proto, trace.proto), with its attributes by name. */
export type CollectedSpan = {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it has none. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly {
    readonly name: string;
    readonly ms: number;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
  /** 0 unset, 1 ok, 2 error. */
  readonly status: number;
  /** Of the resource that it is of. */
  readonly resource: Readonly<Record<string, unknown>>;
};

/** What a scripted collector says to one request: a status, or nothing at all (`silent`). */
export type CollectorAnswer = { readonly status: number; readonly body?: string } | 'silent';

export type Collector = {
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** Paths and fields of its requests. */
  readonly requests: readonly { readonly path: string; readonly headers: http.IncomingHttpHeaders }[];
  /** Connections that are open. */
  readonly open: number;
  /** Resolves when `done` holds; it is asked again after each request. Fails by the test's own time-out. */
  until(done: (spans: readonly CollectedSpan[]) => boolean): Promise<void>;
};

/** A receiver of OTLP/HTTP that reads JSON, strictly: what is not of the form of the protocol is an error of the test. */
export async function collector(
  t: Test,
  answer: (request: number) => CollectorAnswer = () => ({ status: 200 }),
): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const requests: { path: string; headers: http.IncomingHttpHeaders }[] = [];
  const sockets = new Set<object>();
  let waiters: (() => void)[] = [];
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const said = answer(requests.length);
      requests.push({ path: request.url ?? '', headers: request.headers });
      if (said !== 'silent') {
        if (said.status === 200) spans.push(...readExport(JSON.parse(Buffer.concat(chunks).toString())));
        response.writeHead(said.status, { 'content-type': 'application/json' });
        response.end(said.body ?? '{}');
      }
      const woken = waiters;
      waiters = [];
      for (const waiter of woken) waiter();
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the collector has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    spans,
    requests,
    get open() {
      return sockets.size;
    },
    async until(done) {
      while (!done(spans)) await new Promise<void>((resolve) => waiters.push(resolve));
    },
  };
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no object`);
  return { ...value };
}

function list(value: unknown, what: string): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new Error(`${what} is no list`);
  return value;
}

function matching(value: unknown, pattern: RegExp, what: string): string {
  if (typeof value !== 'string' || !pattern.test(value)) throw new Error(`${what} is ${String(value)}`);
  return value;
}

/** 64-bit integers are text in JSON. */
const milliseconds = (value: unknown, what: string): number =>
  Number(BigInt(matching(value, /^\d+$/, what)) / 1000n) / 1000;

function attributes(value: unknown, what: string): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const each of list(value, what)) {
    const { key, value: held } = record(each, what);
    const [[kind, content] = ['', null], ...more] = Object.entries(record(held, `${what} ${String(key)}`));
    if (more.length > 0 || !/^(string|bool|int|double)Value$/.test(kind)) throw new Error(`${what}: ${kind}`);
    read[matching(key, /^[a-z][a-z0-9_.]*$/, what)] = kind === 'intValue' ? Number(content) : content;
  }
  return read;
}

function readExport(body: unknown): CollectedSpan[] {
  return list(record(body, 'the export').resourceSpans, 'resourceSpans').flatMap((each) => {
    const group = record(each, 'resourceSpans');
    const resource = attributes(record(group.resource, 'resource').attributes, 'resource');
    return list(group.scopeSpans, 'scopeSpans').flatMap((scoped) => {
      const { scope, spans } = record(scoped, 'scopeSpans');
      if (record(scope, 'scope').name !== 'carpool') throw new Error('the scope is another');
      return list(spans, 'spans').map((span) => readSpan(record(span, 'span'), resource));
    });
  });
}

function readSpan(span: Record<string, unknown>, resource: Record<string, unknown>): CollectedSpan {
  const parent = span.parentSpanId;
  return {
    traceId: matching(span.traceId, /^[0-9a-f]{32}$/, 'traceId'),
    spanId: matching(span.spanId, /^[0-9a-f]{16}$/, 'spanId'),
    parentSpanId: parent === undefined || parent === '' ? '' : matching(parent, /^[0-9a-f]{16}$/, 'parentSpanId'),
    traceState: span.traceState === undefined ? '' : matching(span.traceState, /^[\x20-\x7e]*$/, 'traceState'),
    name: matching(span.name, /^.+$/, 'name'),
    kind: Number(span.kind),
    startMs: milliseconds(span.startTimeUnixNano, 'startTimeUnixNano'),
    endMs: milliseconds(span.endTimeUnixNano, 'endTimeUnixNano'),
    attributes: attributes(span.attributes, 'attributes'),
    events: list(span.events, 'events').map((each) => {
      const event = record(each, 'event');
      return {
        name: matching(event.name, /^carpool\.[a-z_]+$/, 'the name of an event'),
        ms: milliseconds(event.timeUnixNano, 'timeUnixNano'),
        attributes: attributes(event.attributes, 'attributes'),
      };
    }),
    status: Number(record(span.status ?? {}, 'status').code ?? 0),
    resource,
  };
}
