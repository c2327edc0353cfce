import { get, type IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { wantsGzip } from '../../src/admin/content-coding.ts';
import { destination } from '../telemetry/fake-inspector.ts';
import { call } from './call.ts';
import { makeOperator } from './operator-fixture.ts';

/** The bytes of an answer as they came. */
function bytesOf(port: number, path: string, coding?: string): Promise<{ head: IncomingMessage; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = coding === undefined ? {} : { 'accept-encoding': coding };
    get({ host: '127.0.0.1', port, path, headers, agent: false }, (head) => {
      const chunks: Buffer[] = [];
      head.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      head.on('end', () => resolve({ head, body: Buffer.concat(chunks) }));
    }).on('error', reject);
  });
}

t.test('what Accept-Encoding says of gzip', (t) => {
  for (const field of ['gzip', 'deflate, gzip;q=1.0, *;q=0.5', 'GZIP', 'x-gzip', '*', 'gzip;q=0.001', 'identity, gzip'])
    t.equal(wantsGzip(field), true, field);
  for (const field of [
    undefined,
    '',
    'identity',
    'br, deflate',
    'gzip;q=0',
    'gzip; q=0.0, *',
    '*;q=0',
    'identity;q=1, gzip;q=0.5',
    'gzip;q=nonsense',
    'gzip;q=2',
  ])
    t.equal(wantsGzip(field), false, field ?? 'none');
  t.end();
});

t.test('a large answer goes as gzip to who takes it, whole or in pieces, and is the same', async (t) => {
  const { operator, inspector } = makeOperator(t);
  const { port } = await operator.start();
  inspector.stats = Array.from({ length: 300 }, (_, index) => destination(`é€😀-${index}:80`));
  for (const path of ['/metrics', '/stats', '/debug/config', '/']) {
    const plain = await bytesOf(port, path);
    t.equal(plain.head.headers['content-encoding'], undefined, path);
    t.match(plain.head.headers.vary, /accept-encoding/, path);
    const zipped = await bytesOf(port, path, 'gzip');
    t.equal(zipped.head.headers['content-encoding'], 'gzip', path);
    t.match(zipped.head.headers.vary, /accept-encoding/, path);
    t.equal(zipped.head.headers['content-type'], plain.head.headers['content-type'], path);
    t.ok(zipped.body.length < plain.body.length / 2, path);
    // Without numbers, and what only some scrapes have.
    const words = (body: Buffer) =>
      body
        .toString()
        .replaceAll(/^carpool_event_loop.*\n/gm, '')
        .replaceAll(/[\d.e+-]+/g, '');
    t.equal(words(gunzipSync(zipped.body)), words(plain.body), path);
  }
});

t.test('a character on the border of two pieces stays whole', async (t) => {
  const { operator, inspector, labels } = makeOperator(t);
  const { port } = await operator.start();
  for (const shift of ['', 'x']) {
    const name = `${shift}${'😀'.repeat(100_000)}:80`;
    labels.open(name, null);
    inspector.stats = [destination(name)];
    const { body } = await bytesOf(port, '/debug/latency');
    t.equal(JSON.parse(body.toString()).destinations.length, 1);
    const metrics = await bytesOf(port, '/metrics');
    t.ok(metrics.body.includes(name), 'no half of one');
    t.equal(metrics.body.length, Number(metrics.head.headers['content-length']));
  }
});

t.test('a small answer stays as it is', async (t) => {
  const { operator } = makeOperator(t);
  const { port } = await operator.start();
  const { head, body } = await bytesOf(port, '/livez', 'gzip');
  t.equal(head.headers['content-encoding'], undefined);
  t.equal(body.toString(), 'ok\n');
});

t.test('HEAD says what GET would be', async (t) => {
  const { operator } = makeOperator(t);
  const where = await operator.start();
  const headers = { 'accept-encoding': 'gzip' };
  const head = await call(where, '/metrics', { method: 'HEAD', headers });
  t.equal(head.headers['content-encoding'], 'gzip');
  t.match(head.headers.vary, /accept-encoding/);
  t.equal(head.body, '');
  const stream = await call(where, '/status/stream', { method: 'HEAD', headers });
  t.equal(stream.headers['content-encoding'], undefined, 'a stream is never packed');
});

t.test('a reader that leaves in the middle of it frees its place', async (t) => {
  const { operator, inspector, faults } = makeOperator(t);
  const { port } = await operator.start();
  inspector.stats = Array.from({ length: 5000 }, (_, index) => destination(`${Math.random()}-${index}:80`));
  for (let reader = 0; reader < 20; reader++)
    await new Promise<void>((resolve, reject) => {
      const headers = { 'accept-encoding': 'gzip' };
      const request = get({ host: '127.0.0.1', port, path: '/stats', headers, agent: false }, (response) => {
        response.on('error', () => {});
        request.destroy();
        resolve();
      });
      request.once('error', reject);
    });
  for (;;) {
    const { head, body } = await bytesOf(port, '/stats', 'gzip');
    if (head.statusCode === 503) continue;
    t.equal(JSON.parse(gunzipSync(body).toString()).destinations.length, 5000);
    break;
  }
  t.same(faults, []);
});
