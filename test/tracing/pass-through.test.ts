import t, { type Test } from 'tap';
import { rawClient } from '../raw-origin.ts';
import { http1Answer, toHttp1, toHttp2 } from '../relay/http2-app-fixture.ts';
import { NOT_SAMPLED, SAMPLED } from './traced-fixture.ts';

/** What no proxy may touch: a trace of today, one of a version to come, ones that are broken, and states in several fields. */
const CASES: readonly (readonly (readonly [name: string, value: string])[])[] = [
  [
    ['traceparent', SAMPLED],
    ['tracestate', 'vendor=opaque:1;2,rojo=00f067aa0ba902b7'],
  ],
  [
    ['traceparent', NOT_SAMPLED],
    ['tracestate', 'a=1'],
    ['tracestate', 'b=2 , c=3'],
  ],
  [['traceparent', 'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-later']],
  [
    ['traceparent', 'of no form at all'],
    ['traceparent', SAMPLED],
    ['tracestate', '=,=;'],
  ],
];

/** Off, as it is by default; and for exemplars alone, which read the field. */
const SETTINGS = [{}, { telemetry: { exemplars: true } }] as const;

const lines = (fields: (typeof CASES)[number]): string =>
  fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');

const isOfTrace = (field: readonly [string, string]): boolean => /^trace(parent|state)$/.test(field[0]);

async function passes(
  t: Test,
  ask: (index: number, fields: (typeof CASES)[number]) => Promise<unknown>,
): Promise<void> {
  for (const [index, fields] of CASES.entries()) t.same(await ask(index, fields), fields, `case ${index}`);
}

for (const settings of SETTINGS) {
  const how = 'telemetry' in settings ? 'for exemplars alone' : 'by default';

  t.test(`${how} traceparent and tracestate pass byte for byte from HTTP/1.1 to HTTP/1.1`, async (t) => {
    const sidecar = await toHttp1(t, {}, settings);
    const client = await rawClient(t, sidecar.port);
    for (const [index, fields] of CASES.entries()) {
      const written = lines(fields).replaceAll('traceparent', 'TraceParent').replace(': ', ':  ');
      const before = sidecar.origin.connections[0]?.received.length ?? 0;
      client.write(`GET http://${sidecar.authority}/${index} HTTP/1.1\r\nHost: ${sidecar.authority}\r\n${written}\r\n`);
      const upstream = await sidecar.origin.connection(0);
      await upstream.until(({ received }) => received.slice(before).endsWith('\r\n\r\n'));
      const head = `GET /${index} HTTP/1.1\r\nHost: ${sidecar.authority}\r\n${written}\r\n`;
      t.equal(upstream.received.slice(before), head, `case ${index}`);
      upstream.write(http1Answer('ok'));
      await client.until(({ received }) => received.split('ok').length === index + 2);
    }
  });

  t.test(`${how} they pass from HTTP/1.1 to HTTP/2`, async (t) => {
    const sidecar = await toHttp2(t, {}, settings);
    await passes(t, async (index, fields) => {
      const client = await rawClient(t, sidecar.port);
      const target = `http://${sidecar.authority}/${index}`;
      client.write(`GET ${target} HTTP/1.1\r\nHost: ${sidecar.authority}\r\n${lines(fields)}\r\n`);
      const { connection, request } = await sidecar.server.arrived(`/${index}`);
      connection.answer(request.stream, 'ok');
      await client.untilReceived('ok');
      return request.fields.filter(isOfTrace);
    });
  });

  t.test(`${how} they pass from HTTP/2 to HTTP/1.1`, async (t) => {
    const sidecar = await toHttp1(t, {}, settings);
    const app = await sidecar.client(t);
    await passes(t, async (index, fields) => {
      const before = sidecar.origin.connections[0]?.received.length ?? 0;
      const stream = app.get(`/${index}`, fields);
      const upstream = await sidecar.origin.connection(0);
      await upstream.until(({ received }) => received.slice(before).endsWith('\r\n\r\n'));
      upstream.write(http1Answer('ok'));
      await app.answer(stream);
      return upstream.received
        .slice(before)
        .split('\r\n')
        .map((line): [string, string] => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)])
        .filter(isOfTrace);
    });
  });

  t.test(`${how} they pass from HTTP/2 to HTTP/2`, async (t) => {
    const sidecar = await toHttp2(t, {}, settings);
    const app = await sidecar.client(t);
    await passes(t, async (index, fields) => {
      const stream = app.get(`/${index}`, fields);
      const { connection, request } = await sidecar.server.arrived(`/${index}`);
      connection.answer(request.stream, 'ok');
      await app.answer(stream);
      return request.fields.filter(isOfTrace);
    });
  });
}
