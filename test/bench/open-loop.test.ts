import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { OpenLoop, type OpenLoopOptions } from '../../bench/load/open-loop.ts';
import type { Ticker } from '../../bench/load/ticker.ts';
import { TestClock } from '../test-clock.ts';

/** Ticks when the test says so. */
class HandTicker implements Ticker {
  #tick: (lateMs: number) => void = () => {};
  stopped = false;
  start(_intervalMs: number, tick: (lateMs: number) => void): void {
    this.#tick = tick;
  }
  stop(): void {
    this.stopped = true;
  }
  tick(lateMs = 0): void {
    this.#tick(lateMs);
  }
}

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const request = Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n');

async function serve(t: Test, onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address: string | AddressInfo | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function options(port: number, more: Partial<OpenLoopOptions>): OpenLoopOptions {
  return { port, rate: 100, seconds: 0.02, connections: 1, timeoutMs: 60_000, request: () => request, ...more };
}

t.test('latency counts from when a request was due, though it had to wait for the answer before it', async (t) => {
  const clock = new TestClock();
  const ticker = new HandTicker();
  const arrived: Socket[] = [];
  let told: () => void = () => {};
  const port = await serve(t, (socket) => {
    socket.on('data', () => {
      arrived.push(socket);
      told();
    });
  });
  const next = (): Promise<void> => new Promise((resolve) => (told = resolve));

  // Two requests, 10 ms apart, over one connection; the first is answered after 500 ms.
  let one = next();
  const run = new OpenLoop(options(port, {}), clock, ticker).run();
  ticker.tick();
  await one;
  clock.advance(10);
  ticker.tick();
  t.equal(ticker.stopped, true, 'all requests are under way or waiting');
  clock.advance(490);
  one = next();
  arrived.shift()?.write(ANSWER);
  await one;
  arrived.shift()?.write(ANSWER);

  const result = await run;
  t.equal(result.answered, 2);
  t.strictSame(result.failures, {});
  t.equal(result.p50Us, 490_000, 'the second was due at 10 ms and answered at 500 ms');
  t.equal(result.maxUs, 500_000);
  t.equal(clock.waiting, 0, 'no timer is left');
});

t.test('a late tick starts all that is due, and its lateness is reported', async (t) => {
  const clock = new TestClock();
  const ticker = new HandTicker();
  const port = await serve(t, (socket) => socket.on('data', () => socket.write(ANSWER)));
  const run = new OpenLoop(options(port, { seconds: 0.03, connections: 3 }), clock, ticker).run();
  ticker.tick(5);
  clock.advance(35);
  ticker.tick();
  const result = await run;
  t.equal(result.offered, 3);
  t.equal(result.answered, 3);
  t.equal(result.lateP99Us, 30_000, 'the second was due 5 ms after the first tick, which itself was 5 ms late');
});

t.test('requests of the warm-up are answered but their latency is left out', async (t) => {
  const clock = new TestClock();
  const ticker = new HandTicker();
  const port = await serve(t, (socket) => socket.on('data', () => socket.write(ANSWER)));
  const run = new OpenLoop(options(port, { seconds: 0.01, warmSeconds: 0.02, connections: 3 }), clock, ticker).run();
  ticker.tick(1000);
  const result = await run;
  t.equal(result.offered, 3);
  t.equal(result.answered, 3);
  t.equal(result.maxUs, 980_000, 'the third alone');
});

const failing: readonly { readonly kind: string; readonly act: (socket: Socket) => void }[] = [
  { kind: '503', act: (socket) => socket.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n') },
  { kind: 'closed', act: (socket) => socket.end() },
  { kind: 'reset', act: (socket) => socket.resetAndDestroy() },
  { kind: 'truncated', act: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok') },
];

for (const { kind, act } of failing) {
  t.test(`an exchange that ends so is a failure of the kind ${kind}`, async (t) => {
    const ticker = new HandTicker();
    const port = await serve(t, (socket) => socket.on('data', () => act(socket)));
    const run = new OpenLoop(options(port, { seconds: 0.01 }), new TestClock(), ticker).run();
    ticker.tick();
    const result = await run;
    t.strictSame(result.failures, { [kind]: 1 });
    t.equal(result.answered, 0);
    t.equal(result.p50Us, null);
  });
}

t.test('a client gives up after its time-out, and the request that waited gets a new connection', async (t) => {
  const clock = new TestClock();
  const ticker = new HandTicker();
  let connections = 0;
  const arrived = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const port = await serve(t, (socket) => {
    if (++connections > 1) {
      socket.on('data', () => socket.write(ANSWER));
      return;
    }
    socket.on('data', () => arrived.resolve());
    socket.on('close', () => left.resolve());
  });
  const run = new OpenLoop(options(port, { seconds: 0.03, timeoutMs: 1000 }), clock, ticker).run();
  ticker.tick();
  await arrived.promise;
  clock.advance(10);
  ticker.tick();
  clock.advance(990);
  await left.promise;
  ticker.tick();
  const result = await run;
  t.strictSame(result.failures, { timeout: 1 });
  t.equal(result.answered, 2);
  t.equal(result.maxUs, 990_000);
  t.equal(connections, 2);
});

t.test('a port where nothing listens is a failure of its own kind', async (t) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server.close();
  await once(server, 'close');
  const ticker = new HandTicker();
  const run = new OpenLoop(options(port, { seconds: 0.01 }), new TestClock(), ticker).run();
  ticker.tick();
  t.strictSame((await run).failures, { unconnected: 1 });
});
