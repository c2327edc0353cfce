import http2 from 'node:http2';
import t, { type Test } from 'tap';
import { startOrigin } from '../http2/origins.ts';
import { bodyOf, type RawApp } from '../http2/raw-app.ts';
import { WindowSender } from '../http2/window-sender.ts';
import { type Behind, startBehind } from './http2-app-fixture.ts';

const INITIAL_WINDOW_SIZE = 4;
const LIMIT = 8 * 1024 * 1024;
const CONNECTIONS = 100;
const STREAMS = 100;
const BODY = 10_000;

const UPSTREAM_CONNECTIONS = 500;

/** What is on its way when memory runs short: of an HTTP/2 upstream its first window, of an HTTP/1.1 one the answers that were asked for. */
const BEYOND = { http2: CONNECTIONS * 65_536, http1: UPSTREAM_CONNECTIONS * 2 * BODY };

const held = (relay: Behind): number => relay.app.process().bufferedBytes;

/** Room for the 503 of one that is refused, and not for the answer of one that is served. */
const FIRST_WINDOW = 1000;

/** Statuses of the answers on a connection. */
const statuses = (app: RawApp): number[] => [...app.answers.values()].map(({ status }) => status);

/** Asserts that of all answers the good ones are whole and the others say why. */
function checkAnswers(t: Test, apps: readonly RawApp[]): number {
  let good = 0;
  let bad = 0;
  for (const app of apps)
    for (const answer of app.answers.values()) {
      if (answer.status === 200 && answer.bodyBytes === BODY && answer.ended) good++;
      else if (!(answer.status === 503 && bodyOf(answer).includes('"OVERLOADED"'))) bad++;
    }
  t.equal(bad, 0, `${good} answers are whole, the others are 503 OVERLOADED`);
  return good;
}

for (const spoken of ['http2', 'http1'] as const) {
  t.test(
    `rule 31: 100 × 100 answers of an ${spoken} upstream that nobody reads stay within limits.bufferBytes; new exchanges get 503, and all goes on when they are read`,
    async (t) => {
      const origin = await startOrigin(t, spoken, () => ({ body: Buffer.alloc(BODY) }));
      const relay = await startBehind(
        t,
        origin.port,
        spoken,
        { pool: { maxConnections: UPSTREAM_CONNECTIONS, acquireTimeout: '1h', maxPending: 20_000 } },
        { limits: { bufferBytes: '8MiB' } },
      );
      const apps: RawApp[] = [];
      let peak = 0;
      for (let index = 0; index < CONNECTIONS; index++) {
        const app = await relay.client(t, { settings: [[INITIAL_WINDOW_SIZE, FIRST_WINDOW]] });
        apps.push(app);
        for (let stream = 0; stream < STREAMS; stream++) app.get(`/${index}/${stream}`);
        await app.settled();
        peak = Math.max(peak, held(relay));
      }
      const before = origin.requests.length;
      for (let round = 0; round < 20; round++) {
        for (const app of apps) await app.settled();
        peak = Math.max(peak, held(relay));
      }
      t.ok(peak < LIMIT + BEYOND[spoken], `${peak} bytes at most`);
      t.ok(before < CONNECTIONS * STREAMS, 'not all of them were taken');
      const late = await relay.client(t);
      const refused = await late.answer(late.get('/late'));
      t.equal(refused.status, 503);
      t.match(bodyOf(refused), /"code":"OVERLOADED".*limits\.bufferBytes/);
      // They read: credit for all.
      for (const app of apps) {
        app.settings([INITIAL_WINDOW_SIZE, 65_535]);
        app.windowUpdate(0, 2_000_000);
      }
      let waits = 0;
      while (!apps.every((app) => app.over === STREAMS) && waits++ < 500) {
        // Credit that was withheld while memory was short is given by the second.
        relay.clock.advance(1000);
        for (const app of apps) await app.settled();
      }
      t.ok(apps.every((app) => statuses(app).every((status) => status === 200 || status === 503)));
      const good = checkAnswers(t, apps);
      t.ok(good > 500, 'many were served meanwhile');
      const again = await late.answer(late.get('/again'));
      t.equal(again.status, 200, 'new exchanges are served again');
      await relay.nothingLeft(t);
    },
  );
}

t.test(
  'rule 31: 20 × 100 uploads that the upstream does not take stay within limits.bufferBytes, and go on when it does',
  async (t) => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const relay = await slowTaker(t, released);
    const senders: WindowSender[] = [];
    const apps: RawApp[] = [];
    let peak = 0;
    for (let index = 0; index < 20; index++) {
      const app = await relay.client(t);
      apps.push(app);
      const sender = new WindowSender(app);
      senders.push(sender);
      for (let stream = 0; stream < 100; stream++) sender.body(app.post('/up'), 100_000);
      await app.settled();
      peak = Math.max(peak, held(relay));
    }
    for (let round = 0; round < 10; round++) {
      for (const app of apps) await app.settled();
      peak = Math.max(peak, held(relay));
    }
    t.ok(peak < LIMIT + 20 * 2 * 65_536, `${peak} bytes at most`);
    t.ok(peak > LIMIT / 2, 'memory was short');
    release();
    let waits = 0;
    while (!apps.every((app) => app.over === 100) && waits++ < 500) {
      relay.clock.advance(1000);
      for (const app of apps) await app.settled();
    }
    const all = apps.flatMap((app) => [...app.answers.values()]);
    t.equal(all.length, 2000);
    t.ok(all.every((answer) => answer.status === 503 || bodyOf(answer) === '100000'));
    t.ok(all.filter(({ status }) => status === 200).length > 50);
    await relay.nothingLeft(t);
  },
);

/** A sidecar in front of an HTTP/2 server of Node's that reads no body before `released`. */
async function slowTaker(t: Test, released: Promise<void>): Promise<Behind> {
  const server = http2.createServer({ settings: { initialWindowSize: 0 } });
  const sessions: { destroy(): void }[] = [];
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
    void released.then(() => session.settings({ initialWindowSize: 65_535 }));
  });
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    let bytes = 0;
    stream.on('error', () => {});
    stream.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    stream.on('end', () => {
      stream.respond({ ':status': 200 });
      stream.end(String(bytes));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  t.teardown(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return startBehind(t, address.port, 'http2', {}, { limits: { bufferBytes: '8MiB' } });
}
