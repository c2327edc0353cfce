import http from 'node:http';
import https from 'node:https';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { HeadersFile } from './headers-file.ts';
import type { SpanSink } from './span-queue.ts';

/** What of an answer's own words goes into a message. */
const MAX_WORDS = 200;

/** The collector of traces, by OTLP over HTTP: OpenTelemetry's exporter on connections of its own, which go past every proxy, this one too. */
export class Collector implements SpanSink {
  readonly #exporter: OTLPTraceExporter;
  readonly #agent: http.Agent;

  /** @param url with its path @param headers fields of each request, or null */
  constructor(url: string, headers: HeadersFile | null, timeoutMs: number) {
    const secure = url.startsWith('https:');
    // An agent without `proxyEnv`: NODE_USE_ENV_PROXY is for the global one.
    this.#agent = secure ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
    this.#exporter = new OTLPTraceExporter({
      url,
      timeoutMillis: timeoutMs,
      httpAgentOptions: () => this.#agent,
      ...(headers === null ? {} : { headers: async () => headers.current() }),
    });
  }

  send(spans: ReadableSpan[], done: (error: Error | null) => void): void {
    try {
      this.#exporter.export(spans, ({ code, error }) => done(code === 0 ? null : inWords(error)));
    } catch (error) {
      done(inWords(error));
    }
  }

  /** Its connections are closed; what is under way on them fails. */
  reset(): void {
    this.#agent.destroy();
  }

  /** The exporter may be waiting for its next try: that one gets no connection. */
  close(): void {
    this.#agent.createConnection = () => {
      throw new Error('carpool stopped');
    };
    this.#agent.destroy();
  }
}

function inWords(error: unknown): Error {
  if (!(error instanceof Error)) return new Error('the collector did not take them');
  const code = 'code' in error && typeof error.code === 'number' ? `HTTP ${error.code} ` : '';
  const words = error.message === '' && 'code' in error ? String(error.code) : error.message;
  return new Error(`${code}${words}`.slice(0, MAX_WORDS));
}
