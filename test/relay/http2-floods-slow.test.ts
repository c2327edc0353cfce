import { once } from 'node:events';
import net from 'node:net';
import t, { type Test } from 'tap';
import { startApp } from '../http2/apps.ts';
import { startOrigin } from '../http2/origins.ts';
import { type RawApp, rawApp } from '../http2/raw-app.ts';
import { rawFrame, rawSettings, uint32 } from '../http2/raw-frame.ts';
import { literals } from '../http2/scripted-server.ts';
import { rawClient } from '../raw-origin.ts';
import { type Behind, startBehind } from './http2-app-fixture.ts';

/** Attackers that go slowly, or do not read what they asked for; and honest apps that do much (rules 21, 22, 25). */

const CANCEL = 8;
const INITIAL_WINDOW_SIZE = 4;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** What one connection that does not read may make carpool hold. */
const MOST_HELD = 2 * 1024 * 1024;

type Field = { readonly relay: Behind; readonly honest: () => Promise<void>; readonly requests: () => number };

/** A sidecar, its origin, and two honest apps that ask once at each call. */
async function field(t: Test): Promise<Field> {
  const origin = await startOrigin(t, 'http2', ({ path }) =>
    path === '/head'
      ? { headers: { 'x-large': 'x'.repeat(4000) } }
      : { body: path === '/big' ? Buffer.alloc(30_000) : path },
  );
  const relay = await startBehind(t, origin.port, 'http2');
  const apps = [startApp(t, 'http2', relay.port), startApp(t, 'http1', relay.port)];
  let asked = 0;
  return {
    relay,
    requests: () => origin.requests.length,
    async honest() {
      for (const app of apps) {
        const path = `/honest/${asked++}`;
        const { status, body } = await app.send({ authority: relay.authority, path });
        if (status !== 200 || body.toString() !== path)
          t.fail(`an honest ${app.spoken} request failed: ${status} ${body}`);
      }
    },
  };
}

/** Lets `seconds` pass, with honest requests in between. */
async function pass({ relay, honest }: Field, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    relay.clock.advance(1000);
    await honest();
  }
}

// --- slow ones

for (const [what, bytes] of [
  ['half of the preface', Buffer.from(PREFACE.slice(0, 10))],
  ['the preface without its end', Buffer.from(PREFACE.slice(0, 20))],
  [
    'half of a HEADERS frame',
    Buffer.concat([Buffer.from(PREFACE), rawFrame(4, 0, 0), rawFrame(1, 5, 1, 'x'.repeat(100)).subarray(0, 50)]),
  ],
  [
    'HEADERS without CONTINUATION',
    Buffer.concat([Buffer.from(PREFACE), rawFrame(4, 0, 0), rawFrame(1, 1, 1, literals([[':method', 'GET']]))]),
  ],
] as const) {
  t.test(`rule 25: ${what} and then silence is ended by listener.headTimeout`, async (t) => {
    const around = await field(t);
    const client = await rawClient(t, around.relay.port);
    client.write(bytes);
    await pass(around, 9);
    t.equal(client.ended, false, 'there is time');
    await pass(around, 3);
    await client.until(({ ended }) => ended);
    client.socket.destroy();
    await around.relay.nothingLeft(t);
  });
}

t.test('rule 25: a preface and a head that dribble in, byte by byte, are ended by listener.headTimeout', async (t) => {
  for (const from of ['preface', 'head'] as const) {
    const around = await field(t);
    const client = await rawClient(t, around.relay.port);
    const head = literals([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', around.relay.authority],
    ]);
    const all = Buffer.concat([
      Buffer.from(PREFACE),
      rawFrame(4, 0, 0),
      rawFrame(1, 1, 1, head.subarray(0, 10)),
      rawFrame(9, 4, 1, head.subarray(10)),
    ]);
    let at = from === 'preface' ? 0 : PREFACE.length + 9 + 19;
    client.write(all.subarray(0, at));
    for (let second = 0; second < 25 && !client.ended; second++) {
      client.write(all.subarray(at, ++at));
      await pass(around, 1);
    }
    t.equal(client.ended, true, from);
    client.socket.destroy();
    await around.relay.nothingLeft(t);
  }
});

t.test('a connection that says nothing, or nothing but its preface and SETTINGS, may stay', async (t) => {
  const around = await field(t);
  const silent = await rawClient(t, around.relay.port);
  const settled = await around.relay.client(t);
  await settled.settled();
  await pass(around, 120);
  t.equal(silent.ended, false);
  t.equal(settled.ended, false);
});

t.test('a preface that goes wrong in its last byte is refused, and nothing of it is a request', async (t) => {
  const around = await field(t);
  const before = around.requests();
  const socket = net.connect({ port: around.relay.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX');
  socket.resume();
  await once(socket, 'close');
  t.equal(around.requests(), before);
  await around.honest();
});

// --- ones that do not read

/** Floods with something that makes an answer each time, reading nothing, and tells the most that was held. */
async function unread(t: Test, send: (app: RawApp, step: number) => void, steps = 150): Promise<void> {
  const around = await field(t);
  const { relay } = around;
  const app = await rawApp(t, relay.port, relay.authority, {
    settings: [[INITIAL_WINDOW_SIZE, 0x7fffffff]],
    records: false,
  });
  app.windowUpdate(0, 0x7fff0000 - 65_535);
  await app.settled();
  app.socket.pause();
  let most = 0;
  for (let step = 0; step < steps && !app.socket.destroyed; step++) {
    send(app, step);
    await around.honest();
    // Twelve windows of the budgets: what is allowed in each adds up where nothing is read.
    relay.clock.advance(800);
    most = Math.max(most, relay.app.process().bufferedBytes);
  }
  t.ok(most <= MOST_HELD, `${most} bytes were held at most`);
  for (let step = 0; step < 5; step++) await around.honest();
  app.socket.destroy();
  await relay.nothingLeft(t);
}

t.test('rule 21: an app that asks for answers without a body and reads none of them holds little', async (t) => {
  await unread(t, (app) => {
    const block = literals(
      app.requestFields('TRACE', '/', [
        ['max-forwards', '0'],
        ['x-large', 'x'.repeat(4000)],
      ]),
    );
    app.send(...Array.from({ length: 100 }, () => rawFrame(1, 5, app.nextId(), block)));
  });
});

t.test('rule 21: an app that asks with HEAD and reads none of the heads holds little', async (t) => {
  await unread(
    t,
    (app) => {
      const block = literals(app.requestFields('HEAD', '/head'));
      app.send(...Array.from({ length: 200 }, () => rawFrame(1, 5, app.nextId(), block)));
    },
    60,
  );
});

t.test('rule 21: an app that sends PING, SETTINGS and refused streams, and reads nothing, holds little', async (t) => {
  await unread(t, (app) => {
    const refused = literals(app.requestFields('GET', '/', [['te', 'gzip']]));
    app.send(
      ...Array.from({ length: 30 }, () => rawFrame(6, 0, 0, Buffer.alloc(8))),
      ...Array.from({ length: 30 }, () => rawFrame(4, 0, 0, rawSettings([[1, 4096]]))),
      ...Array.from({ length: 30 }, () => rawFrame(1, 5, app.nextId(), refused)),
    );
  });
});

t.test('rule 22: an app that asks for much with tiny windows holds no more than its streams may', async (t) => {
  const around = await field(t);
  const { relay } = around;
  const app = await rawApp(t, relay.port, relay.authority, { settings: [[INITIAL_WINDOW_SIZE, 1]], records: false });
  for (let stream = 0; stream < 250; stream++) app.get('/big');
  let most = 0;
  for (let step = 0; step < 20; step++) {
    await around.honest();
    most = Math.max(most, relay.app.process().bufferedBytes);
  }
  t.ok(most < 250 * 40_000, `${most} bytes at most: each answer once`);
  app.socket.destroy();
  await relay.nothingLeft(t);
});

t.test('rule 21: frames for streams that are gone cost the other apps nothing', async (t) => {
  const around = await field(t);
  const app = await around.relay.client(t, { records: false });
  const refused = app.open(app.requestFields('GET', '/', [['te', 'gzip']]), true);
  await app.answer(app.get('/whole'));
  const before = around.requests();
  for (let step = 0; step < 50 && !app.ended; step++) {
    app.send(
      ...Array.from({ length: 200 }, (_, index) =>
        index % 2 === 0 ? rawFrame(3, 0, refused, uint32(CANCEL)) : rawFrame(1, 5, refused, literals([['x-t', '1']])),
      ),
    );
    await around.honest();
  }
  t.ok(around.requests() - before <= 102, 'nothing of it goes up');
  app.socket.destroy();
  await around.relay.nothingLeft(t);
});

// --- honest ones that do much

t.test('rule 21: 20,000 requests of which half are given up after 150 ms are no flood', async (t) => {
  const origin = await startOrigin(t, 'http2', ({ path }) => ({ body: path }));
  const hanging = new Set<number>();
  const relay = await startBehind(t, origin.port, 'http2', { pool: { maxStreams: 250 } });
  const app = await relay.client(t, { records: false, credits: () => true });
  for (let round = 0; round < 200; round++) {
    // Half of them have a body that does not end before the app gives up.
    const given: number[] = [];
    for (let each = 0; each < 50; each++) {
      app.get('/small');
      given.push(app.post('/given-up'));
    }
    await app.until(({ over, ended }) => over === 50 * (round + 1) || ended);
    relay.clock.advance(150);
    for (const stream of given) {
      app.rstStream(stream, CANCEL);
      hanging.add(stream);
    }
    await app.settled();
    if (app.ended) break;
  }
  t.same(app.goaways, []);
  t.equal(app.over, 10_000, 'all others are answered');
  t.equal(hanging.size, 10_000);
  await relay.nothingLeft(t);
});

t.test(
  'rule 21: an app whose upstream hangs gives up all of its calls, each at its deadline, and is no flood',
  async (t) => {
    const origin = await startOrigin(t, 'http2', ({ path }) => ({ body: path }));
    const relay = await startBehind(t, origin.port, 'http2');
    const app = await relay.client(t, { records: false });
    for (let round = 0; round < 30 && !app.ended; round++) {
      const given = Array.from({ length: 100 }, () => app.post('/given-up'));
      await app.settled();
      relay.clock.advance(150);
      for (const stream of given) app.rstStream(stream, CANCEL);
      await app.settled();
    }
    t.same(app.goaways, []);
    t.equal((await app.answer(app.get('/after'))).status, 200);
    await relay.nothingLeft(t);
  },
);

t.test('rule 21: 10,000 small requests as fast as they go are no flood', async (t) => {
  const origin = await startOrigin(t, 'http2', ({ path }) => ({ body: path }));
  const relay = await startBehind(t, origin.port, 'http2');
  const app = await relay.client(t, { records: false, credits: () => true });
  for (let sent = 0; sent < 10_000 && !app.ended; ) {
    while (sent - app.over < 200 && sent < 10_000) {
      const stream = app.post('/small', [['content-length', '5']]);
      app.data(stream, 'small', true);
      sent++;
    }
    const { over } = app;
    await app.until((now) => now.over > over || now.ended);
  }
  await app.until(({ over, ended }) => over === 10_000 || ended);
  t.same(app.goaways, []);
  t.equal(origin.requests.length, 10_000);
  t.ok([...app.answers.values()].every(({ status, bodyBytes }) => status === 200 && bodyBytes === 6));
  await relay.nothingLeft(t);
});

t.test('rule 21: gRPC streams with a PING for each message that comes are no flood', async (t) => {
  const origin = await startOrigin(t, 'http2', ({ body }) => ({ body, trailers: { 'grpc-status': '0' } }));
  const relay = await startBehind(t, origin.port, 'http2');
  const app = await relay.client(t, { records: false, credits: () => true });
  const fields = [
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ] as const;
  let pinged = 0;
  for (let call = 0; call < 5000 && !app.ended; call++) {
    const stream = app.post('/echo', fields);
    app.data(stream, 'message', true);
    await app.answer(stream);
    // As gRPC for Go measures its bandwidth: one PING for each round trip with DATA.
    app.send(rawFrame(6, 0, 0, Buffer.alloc(8, pinged++ % 256)));
    if (call % 10 === 0) relay.clock.advance(1);
  }
  t.same(app.goaways, []);
  t.equal(app.over, 5000);
  t.ok(
    [...app.answers.values()].every(({ trailers }) =>
      trailers?.some(([name, value]) => name === 'grpc-status' && value === '0'),
    ),
  );
  await relay.nothingLeft(t);
});

t.test('rule 21: an app that gives credit in steps of a few bytes for what it gets is no flood', async (t) => {
  const origin = await startOrigin(t, 'http2', () => ({ body: Buffer.alloc(1_000_000) }));
  const relay = await startBehind(t, origin.port, 'http2');
  const app = await relay.client(t, { records: false, credits: () => true });
  for (let round = 0; round < 20 && !app.ended; round++)
    t.equal((await app.answer(app.get('/big'))).bodyBytes, 1_000_000);
  t.same(app.goaways, []);
  await relay.nothingLeft(t);
});
