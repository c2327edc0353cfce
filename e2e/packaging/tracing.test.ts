import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { type Collector, collector } from '../../test/tracing/collector.ts';
import { until } from '../until.ts';
import { lacking } from './monitoring-tools.ts';
import { Prometheus } from './prometheus.ts';
import { SidecarProcess } from './sidecar-process.ts';

/** A server that tells the traceparent that it got. */
async function echo(t: Test): Promise<string> {
  const server = createServer((request, response) => response.end(String(request.headers.traceparent)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const isPort = (value: typeof address): value is AddressInfo => typeof value === 'object' && value !== null;
  if (!isPort(address)) throw new Error('the server has no port');
  return `127.0.0.1:${address.port}`;
}

/** A sidecar that traces all, and the destination's local port. */
async function traced(t: Test, { url }: Collector) {
  const [target, localPort] = [await echo(t), 20_000 + (process.pid % 10_000)];
  const sidecar = await SidecarProcess.start(
    t,
    {
      destinations: [{ match: 'shop.test:80', localPort, endpoints: [target] }],
      telemetry: { exemplars: true, tracing: { enabled: true, sampleRatio: 1 } },
      shutdown: { grace: '5s', quiet: 0 },
    },
    // The exporter goes past every proxy, whatever the environment says.
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_SERVICE_NAME: 'shop-front',
      HTTP_PROXY: 'http://127.0.0.1:1',
      http_proxy: 'http://127.0.0.1:1',
      NODE_USE_ENV_PROXY: '1',
    },
  );
  const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${localPort}/`)).text();
  await until('tracing', async () => (await ask()) !== 'undefined');
  return { sidecar, ask };
}

t.test('a sidecar of its own process sends its spans, and the last of them when it stops', async (t) => {
  const receiver = await collector(t);
  const { sidecar, ask } = await traced(t, receiver);
  const [, traceId, spanId] = (await ask()).split('-');
  const stopped = Date.now();
  await sidecar.stop();
  t.ok(Date.now() - stopped < 4000, 'nothing keeps it alive');
  const span = receiver.spans.find((each) => each.spanId === spanId);
  t.match(span, { traceId, kind: 3, resource: { 'service.name': 'shop-front' } });
});

t.test('a stop is not kept waiting by a collector that is away', async (t) => {
  const receiver = await collector(t, () => 'silent');
  const { sidecar, ask } = await traced(t, receiver);
  await ask();
  const stopped = Date.now();
  await sidecar.stop();
  t.ok(Date.now() - stopped < 4000, `${Date.now() - stopped} ms`);
});

t.test('Prometheus keeps the exemplars', { skip: lacking('prometheus') }, async (t) => {
  const receiver = await collector(t);
  const { sidecar, ask } = await traced(t, receiver);
  const begun = Date.now() / 1000 - 60;
  const prometheus = await Prometheus.start(t, [{ port: sidecar.operatorPort, labels: { pod: 'web-1' } }], []);
  await until('an exemplar', async () => {
    await ask();
    return (await prometheus.exemplars('carpool_request_duration_seconds_bucket', begun)) > 0;
  });
  t.pass('a query for exemplars returns one');
});
