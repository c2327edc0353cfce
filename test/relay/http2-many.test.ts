import { createHash } from 'node:crypto';
import http2 from 'node:http2';
import t, { type Test } from 'tap';
import { bodyOf, type RawApp } from '../http2/raw-app.ts';
import { type Behind, startBehind } from './http2-app-fixture.ts';
import { eventually } from './relay-fixture.ts';

const CONNECTIONS = 50;
const STREAMS = 200;
const ALL = CONNECTIONS * STREAMS;

/** An HTTP/2 server that answers nothing before it is told, then each path with its hash. */
type Patient = {
  readonly port: number;
  waiting(): number;
  connections(): number;
  mostOnOne(): number;
  answerAll(): void;
};

const answerTo = (path: string): string => createHash('sha256').update(path).digest('hex');

async function patientServer(t: Test, settings: http2.Settings = {}): Promise<Patient> {
  const server = http2.createServer({ settings });
  const sessions = new Map<unknown, { destroy(): void; streams: number; most: number }>();
  const waiting: (() => void)[] = [];
  server.on('session', (session) => {
    sessions.set(session, { destroy: () => session.destroy(), streams: 0, most: 0 });
    session.on('error', () => {});
  });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    const session = sessions.get(stream.session);
    if (session !== undefined) session.most = Math.max(session.most, ++session.streams);
    stream.on('error', () => {});
    waiting.push(() => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200 });
      stream.end(answerTo(headers[':path'] ?? ''));
    });
    stream.on('close', () => {
      if (session !== undefined) session.streams--;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  t.teardown(() => {
    for (const session of sessions.values()) session.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    port: address.port,
    waiting: () => waiting.length,
    connections: () => sessions.size,
    mostOnOne: () => Math.max(...[...sessions.values()].map(({ most }) => most)),
    answerAll: () => {
      for (const answer of waiting.splice(0)) answer();
    },
  };
}

/** Opens all streams on all connections, and returns the apps. */
async function openAll(t: Test, relay: Behind): Promise<RawApp[]> {
  const apps: RawApp[] = [];
  for (let index = 0; index < CONNECTIONS; index++) {
    const app = await relay.client(t);
    for (let stream = 0; stream < STREAMS; stream++) app.get(`/${index}/${stream}`);
    apps.push(app);
  }
  return apps;
}

/** Asserts that each stream got the answer to its own path. */
async function checkAll(t: Test, apps: readonly RawApp[]): Promise<void> {
  let wrong = 0;
  for (const [index, app] of apps.entries()) {
    await app.until(({ over, ended }) => over === STREAMS || ended);
    for (let stream = 0; stream < STREAMS; stream++)
      if (bodyOf(app.answerOf(2 * stream + 1)) !== answerTo(`/${index}/${stream}`)) wrong++;
  }
  t.equal(wrong, 0, 'each answer belongs to its question');
}

for (const [limits, maxStreams, peer, connections] of [
  ['pool.maxStreams', 100, 1000, 100],
  ['a lower limit of the server', 1000, 50, 200],
] as const) {
  t.test(
    `10,000 streams over 50 connections are open at once, on as many upstream connections as ${limits} needs`,
    async (t) => {
      const server = await patientServer(t, { maxConcurrentStreams: peer });
      const relay = await startBehind(t, server.port, 'http2', { pool: { maxStreams, maxPending: 20_000 } });
      const apps = await openAll(t, relay);
      await eventually(() => server.waiting() === ALL || apps.some(({ over }) => over > 0));
      if (!t.equal(server.waiting(), ALL, 'the server has them all, and none has failed')) return;
      t.equal(relay.app.process().exchanges, ALL);
      t.ok(server.mostOnOne() <= Math.min(maxStreams, peer), 'no connection carries more than it may');
      t.ok(
        server.connections() >= connections && server.connections() <= connections * 1.1,
        `${server.connections()} connections`,
      );
      server.answerAll();
      await checkAll(t, apps);
      const [endpoint] = relay.stats().endpoints;
      t.equal(
        endpoint?.connections.reduce((sum, { requests }) => sum + requests, 0),
        ALL,
        'the pool counts what the server counts',
      );
      await relay.nothingLeft(t);
      t.equal(await relay.metric('requests_total', 'code_class="2xx"'), ALL);
      t.equal(await relay.metric('errors_total'), 0);
    },
  );
}

t.test(
  '10,000 streams over 50 connections with few upstream connections wait for their turn, and each has it',
  async (t) => {
    const server = await patientServer(t);
    const relay = await startBehind(t, server.port, 'http2', { pool: { maxConnections: 5, maxPending: 20_000 } });
    const apps = await openAll(t, relay);
    await eventually(() => server.waiting() === 500);
    await eventually(() => relay.stats().pending === ALL - 500);
    t.equal(server.connections(), 5);
    while (apps.some(({ over, ended }) => over < STREAMS && !ended)) {
      server.answerAll();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await checkAll(t, apps);
    t.equal(server.connections(), 5);
    await relay.nothingLeft(t);
  },
);

t.test('10,000 streams over 50 connections whose apps leave are all given back', async (t) => {
  const server = await patientServer(t);
  const relay = await startBehind(t, server.port, 'http2', { pool: { maxPending: 20_000 } });
  const apps = await openAll(t, relay);
  await eventually(() => server.waiting() === ALL);
  for (const [index, app] of apps.entries()) {
    if (index % 2 === 0) app.socket.resetAndDestroy();
    else app.socket.end();
  }
  await relay.nothingLeft(t);
  await eventually(() => relay.app.process().downstreamConnections === 0);
  server.answerAll();
  const app = await relay.client(t);
  const stream = app.get('/after');
  await eventually(() => server.waiting() > 0);
  server.answerAll();
  t.equal(bodyOf(await app.answer(stream)), answerTo('/after'));
  await relay.nothingLeft(t);
});
