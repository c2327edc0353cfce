import { readFileSync } from 'node:fs';
import t from 'tap';
import { startRelay } from './relay-fixture.ts';

type Line = Record<string, unknown>;

const SECRETS = ['hunter2', 'c2VjcmV0', 'tokentoken', 'sessionid'];

/** One good request, one that the upstream fails, one that the app leaves; then the lines that they left. */
async function linesOf(
  t: Parameters<typeof startRelay>[0],
  telemetry: Record<string, unknown>,
): Promise<{ lines: Line[]; text: string; target: string }> {
  const relay = await startRelay(t, { telemetry });
  const client = await relay.client();
  const secret =
    'Authorization: Bearer tokentoken\r\nCookie: sessionid=1\r\nProxy-Authorization: Basic c2VjcmV0\r\nX-Api-Key: hunter2\r\n';
  client.write(`${relay.head('POST', '/pay/42?card=hunter2', `${secret}Content-Length: 5\r\n`)}12345`);
  const upstream = await relay.origin.connection(0);
  await upstream.untilReceived('12345');
  relay.clock.advance(250);
  upstream.write('HTTP/1.1 404 Not Found\r\nSet-Cookie: sessionid=2\r\nContent-Length: 2\r\n\r\nno');
  await client.untilReceived('no');
  client.write(relay.head('DELETE', '/fails?card=hunter2', secret));
  await upstream.untilReceived('DELETE /fails');
  upstream.socket.end();
  for (const index of [1, 2]) {
    const next = await relay.origin.connection(index);
    await next.untilReceived('DELETE /fails');
    next.socket.end();
  }
  await client.untilReceived('UPSTREAM_CLOSED');
  await relay.app.close();
  const text = readFileSync(relay.logFile, 'utf8');
  const lines = text
    .split('\n')
    .filter((line) => line.includes('"msg":"access"'))
    .map((line): Line => JSON.parse(line));
  return { lines, text, target: relay.target };
}

t.test('the access log is off by default', async (t) => {
  const { lines } = await linesOf(t, {});
  t.same(lines, []);
});

t.test('accessLog all: a line each with host, method and status, and neither path nor secrets', async (t) => {
  const { lines, text, target } = await linesOf(t, { accessLog: 'all' });
  t.equal(lines.length, 2);
  t.match(lines[0], {
    method: 'POST',
    host: target,
    status: 404,
    durationMs: 250,
    bytesUp: 5,
    bytesDown: 2,
    endpoint: target,
    reused: false,
    attempts: 1,
    error: null,
  });
  t.match(lines[1], { method: 'DELETE', status: 502, reused: false, attempts: 3, error: 'UPSTREAM_CLOSED' });
  t.notOk(lines.some((line) => 'path' in line));
  for (const secret of SECRETS) t.notMatch(text, secret);
});

t.test('accessLogPath adds the path, cut at its query', async (t) => {
  const { lines, text } = await linesOf(t, { accessLog: 'all', accessLogPath: true });
  t.same(
    lines.map(({ path }) => path),
    ['/pay/42', '/fails'],
  );
  for (const secret of SECRETS) t.notMatch(text, secret);
});

t.test('accessLog errors: what carpool answered itself, and nothing that the upstream did', async (t) => {
  const { lines } = await linesOf(t, { accessLog: 'errors' });
  t.same(
    lines.map(({ method }) => method),
    ['DELETE'],
  );
});

t.test('accessLog sampled: the share that is asked for', async (t) => {
  t.equal((await linesOf(t, { accessLog: 'sampled', accessLogSample: 1 })).lines.length, 2);
  t.equal((await linesOf(t, { accessLog: 'sampled', accessLogSample: 0 })).lines.length, 0);
});
