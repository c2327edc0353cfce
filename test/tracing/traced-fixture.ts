import type { Test } from 'tap';
import { eventually, type Relay, startRelay } from '../relay/relay-fixture.ts';
import { reload } from '../sidecar.ts';
import { type CollectedSpan, type Collector, type CollectorAnswer, collector } from './collector.ts';

/** A traceparent of an app that is sampled, and one that is not. */
export const TRACE = '0af7651916cd43dd8448eb211c80319c';
export const PARENT = 'b7ad6b7169203331';
export const SAMPLED = `00-${TRACE}-${PARENT}-01`;
export const NOT_SAMPLED = `00-${TRACE}-${PARENT}-00`;

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

export type Traced = Relay & {
  readonly collector: Collector;
  /** Has what waits sent, and resolves when `count` spans have come. */
  spans(count: number): Promise<readonly CollectedSpan[]>;
};

/** A relay that traces, and its collector. `telemetry` is added to the settings' own group of that name. */
export async function startTraced(
  t: Test,
  tracing: Record<string, unknown> = {},
  settings: Record<string, unknown> = {},
  telemetry: Record<string, unknown> = {},
  answer?: (request: number) => CollectorAnswer,
): Promise<Traced> {
  const receiver = await collector(t, answer);
  const wanted = { enabled: true, endpoint: receiver.url, sampleRatio: 1, ...tracing };
  const relay = await startRelay(t, { ...settings, telemetry: { ...telemetry, tracing: wanted } });
  await tracingStands(relay);
  return {
    ...relay,
    collector: receiver,
    async spans(count) {
      relay.clock.advance(6000);
      await receiver.until((spans) => spans.length >= count);
      return receiver.spans;
    },
  };
}

/** The code of spans is loaded after the start. */
export async function tracingStands(relay: Pick<Relay, 'app'>): Promise<void> {
  await eventually(() => (relay.app.process().spans ?? null) !== null);
}

/** Reloads with other settings of telemetry. */
export async function retune(relay: Relay, telemetry: Record<string, unknown>): Promise<void> {
  await reload(relay, { telemetry });
}

/** The one of these spans with this kind (1 the request's, 3 of an attempt). */
export function spanOf(spans: readonly CollectedSpan[], kind: number, index = 0): CollectedSpan {
  const found = spans.filter((span) => span.kind === kind)[index];
  if (found === undefined) throw new Error(`no span ${index} of kind ${kind} among ${spans.length}`);
  return found;
}

/** The value of a field in the head that an upstream got; null: it has none, and an error where it has several. */
export function fieldOf(received: string, name: string): string | null {
  const values = received.split('\r\n').filter((line) => line.toLowerCase().startsWith(`${name}:`));
  if (values.length > 1) throw new Error(`${name} came ${values.length} times`);
  return values[0]?.slice(name.length + 1).trim() ?? null;
}
