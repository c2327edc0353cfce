import { readFileSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { type App, startApp } from '../http2/apps.ts';
import { type RawApp, rawApp } from '../http2/raw-app.ts';
import { type Sidecar, startSidecar } from '../sidecar.ts';
import { eventually } from './relay-fixture.ts';

const AUTHORITY = 'orders.test:80';

/** An HTTP/2 server that answers `name connection`, and holds streams to /long open until it is told. */
type Server = {
  readonly name: string;
  /** Shuts down all connections that it has now in order, as a server does that restarts: GOAWAY, and what it had taken finishes. */
  goAway(): void;
  readonly port: number;
  calls: number;
  connections: number;
  readonly long: http2.ServerHttp2Stream[];
};

async function namedServer(t: Test, name: string): Promise<Server> {
  const server = http2.createServer();
  const sessions = new Map<unknown, number>();
  const all: http2.ServerHttp2Session[] = [];
  const long: http2.ServerHttp2Stream[] = [];
  server.on('session', (session) => {
    sessions.set(session, made.connections++);
    all.push(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/long') {
      stream.write('begin ');
      long.push(stream);
      return;
    }
    made.calls++;
    stream.resume().on('end', () => stream.end(`${name} ${sessions.get(stream.session)}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  t.teardown(() => {
    for (const session of all) session.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const made: Server = {
    name,
    port: address.port,
    calls: 0,
    connections: 0,
    long,
    goAway: () => {
      for (const session of all.splice(0)) session.close();
    },
  };
  return made;
}

/** Apps that make one call after the other, over one HTTP/2 connection each. */
class Calls {
  readonly failures: string[] = [];
  readonly answers = new Map<string, number>();
  total = 0;
  #running = true;
  readonly #loops: Promise<void>[] = [];
  #waiters: (() => void)[] = [];

  constructor(t: Test, port: number, apps: number, each: number) {
    for (let index = 0; index < apps; index++) {
      const app = startApp(t, 'http2', port);
      for (let loop = 0; loop < each; loop++) this.#loops.push(this.#loop(app, loop % 2 === 0));
    }
  }

  async #loop(app: App, get: boolean): Promise<void> {
    const body = get ? undefined : 'a message';
    while (this.#running) {
      const sent = app.send({ authority: AUTHORITY, method: get ? 'GET' : 'POST', body });
      const answer = await sent.catch((error: unknown) => ({ status: 0, body: String(error) }));
      this.total++;
      const text = answer.body.toString();
      if (answer.status === 200) this.answers.set(text, (this.answers.get(text) ?? 0) + 1);
      else this.failures.push(`${answer.status} ${text}`);
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const waiter of waiters) waiter();
    }
  }

  /** Resolves when so many more calls have been answered. @returns the answers among them, by their server */
  async more(count: number): Promise<ReadonlyMap<string, number>> {
    const before = this.byServer();
    const enough = this.total + count;
    while (this.total < enough) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    const after = this.byServer();
    for (const [name, calls] of before) after.set(name, (after.get(name) ?? 0) - calls);
    return after;
  }

  byServer(): Map<string, number> {
    const sums = new Map<string, number>();
    for (const [answer, calls] of this.answers) {
      const name = answer.split(' ')[0] ?? '';
      sums.set(name, (sums.get(name) ?? 0) + calls);
    }
    return sums;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }
}

const endpointsOf = (servers: readonly Server[]): string[] => servers.map(({ port }) => `127.0.0.1:${port}`);

type Load = {
  readonly sidecar: Sidecar;
  readonly calls: Calls;
  /** An app with long streams of its own. */
  readonly streams: RawApp;
  /** Moves the clock by seconds, with calls in each of them. */
  pass(seconds: number): Promise<void>;
  /** Writes other endpoints into the configuration file, and has it read. */
  endpoints(servers: readonly Server[]): Promise<void>;
};

async function underLoad(t: Test, servers: readonly Server[], policy: Record<string, unknown> = {}): Promise<Load> {
  const sidecar = await startSidecar(t, {
    destinations: [{ match: AUTHORITY, protocol: 'http2', endpoints: endpointsOf(servers), ...policy }],
  });
  const streams = await rawApp(t, sidecar.port, AUTHORITY);
  const calls = new Calls(t, sidecar.port, 2, 10);
  return {
    sidecar,
    calls,
    streams,
    async pass(seconds) {
      for (let second = 0; second < seconds; second++) {
        sidecar.clock.advance(1000);
        await calls.more(20);
      }
    },
    async endpoints(next) {
      const config: { destinations: { endpoints: string[] }[] } = parse(readFileSync(sidecar.configFile, 'utf8'));
      for (const entry of config.destinations) entry.endpoints = endpointsOf(next);
      writeFileSync(sidecar.configFile, stringify(config));
      t.match(await sidecar.app.steering.reload(), { applied: true });
    },
  };
}

/** Opens long streams, and waits until they have begun. */
async function openLong(app: RawApp, count: number): Promise<number[]> {
  const ids = Array.from({ length: count }, () => app.get('/long'));
  await app.until(() => ids.every((id) => app.answerOf(id).bodyBytes > 0));
  return ids;
}

/** Ends the long streams of the servers, and asserts that the app got each whole. */
async function endLong(t: Test, app: RawApp, ids: readonly number[], servers: readonly Server[]): Promise<void> {
  for (const { long } of servers) for (const stream of long.splice(0)) stream.end('end');
  for (const id of ids) {
    const answer = await app.answer(id);
    t.same([Buffer.concat(answer.pieces).toString(), answer.ended, answer.reset], ['begin end', true, null]);
  }
}

const closedFor = async ({ sidecar }: Load, reason: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${sidecar.operatorPort}/metrics`)).text();
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith('carpool_pool_connections_closed_total') && line.includes(`reason="${reason}"`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
};

/** How many calls came on a connection of a server so far. */
const on = (load: Load, name: string, connection: number): number =>
  load.calls.answers.get(`${name} ${connection}`) ?? 0;

t.test(
  'connections are retired by age under calls and long streams: no call fails, and a long stream ends where it began',
  async (t) => {
    const a = await namedServer(t, 'a');
    const load = await underLoad(t, [a], { pool: { maxAge: '60s' } });
    await load.calls.more(200);
    t.equal(a.connections, 1);
    const long = await openLong(load.streams, 5);
    await load.pass(70);
    t.equal(a.connections, 2, 'a new one was opened');
    const before = on(load, 'a', 0);
    await load.pass(70);
    t.equal(on(load, 'a', 0), before, 'one that is too old takes no new call');
    t.ok(a.connections >= 3);
    t.equal(await closedFor(load, 'max_age'), a.connections - 2, 'and those without a stream are closed');
    await endLong(t, load.streams, long, [a]);
    await eventually(() => load.sidecar.app.destinations()[0]?.draining === 0);
    await load.calls.stop();
    t.same(load.calls.failures, []);
    t.equal(a.calls, load.calls.total, 'each call came once');
    t.same(load.streams.goaways, [], 'the app’s own connections are left alone');
  },
);

t.test('pool.maxRequests retires connections under calls and long streams, and no call fails', async (t) => {
  const a = await namedServer(t, 'a');
  const load = await underLoad(t, [a], { pool: { maxRequests: 50 } });
  const long = await openLong(load.streams, 3);
  await load.calls.more(1000);
  await endLong(t, load.streams, long, [a]);
  await load.calls.stop();
  t.same(load.calls.failures, []);
  t.equal(a.calls, load.calls.total);
  for (const [answer, calls] of load.calls.answers) t.ok(calls <= 50, `${answer}: ${calls}`);
  t.ok((await closedFor(load, 'max_requests')) >= 1000 / 50 - 2);
});

t.test('evict closes what is idle and drains what is busy: no call fails, long streams finish', async (t) => {
  const [a, b] = [await namedServer(t, 'a'), await namedServer(t, 'b')];
  const load = await underLoad(t, [a, b]);
  await load.calls.more(200);
  const long = await openLong(load.streams, 6);
  const before = [...load.calls.answers.keys()];
  for (let round = 0; round < 5; round++) {
    t.ok((load.sidecar.app.steering.evict({ destination: AUTHORITY, idleOnly: false }) ?? 0) >= 1);
    await load.calls.more(100);
  }
  t.ok(a.connections + b.connections > before.length + 4, 'calls went to new connections');
  const held = before.map((answer) => load.calls.answers.get(answer));
  await load.calls.more(200);
  t.same(
    before.map((answer) => load.calls.answers.get(answer)),
    held,
    'none to those that were evicted',
  );
  await endLong(t, load.streams, long, [a, b]);
  await eventually(() => load.sidecar.app.destinations()[0]?.draining === 0);
  await load.calls.stop();
  t.same(load.calls.failures, []);
  t.equal(a.calls + b.calls, load.calls.total);
});

t.test(
  'an endpoint that discovery takes away gets no new call and loses none, and its long streams may finish',
  async (t) => {
    const [a, b, c] = [await namedServer(t, 'a'), await namedServer(t, 'b'), await namedServer(t, 'c')];
    const load = await underLoad(t, [a, b, c]);
    await load.calls.more(300);
    const long = await openLong(load.streams, 9);
    t.ok(c.long.length > 0, 'it has some of the long streams');
    await load.endpoints([a, b]);
    // What was sent before the change may still be on its way to it.
    await load.calls.more(40);
    const before = c.calls;
    await load.pass(10);
    t.equal(c.calls, before);
    await endLong(t, load.streams, long, [a, b, c]);
    await load.calls.stop();
    t.same(load.calls.failures, []);
    t.equal(a.calls + b.calls + c.calls, load.calls.total);
    t.equal(await closedFor(load, 'endpoint_removed'), 1);
  },
);

t.test('all endpoints change under 20 calls at a time, again and again, and none fails', async (t) => {
  const servers: Server[] = [];
  for (const name of ['a', 'b', 'c', 'd']) servers.push(await namedServer(t, name));
  const load = await underLoad(t, servers.slice(0, 2));
  for (let round = 0; round < 10; round++) {
    await load.calls.more(100);
    await load.endpoints(round % 2 === 0 ? servers.slice(2) : servers.slice(0, 2));
  }
  await load.calls.more(100);
  await load.calls.stop();
  t.same(load.calls.failures, []);
  t.equal(
    servers.reduce((sum, { calls }) => sum + calls, 0),
    load.calls.total,
  );
});

t.test('rule 23: servers that shut their connections down by GOAWAY, again and again, fail no call', async (t) => {
  const servers = [await namedServer(t, 'a'), await namedServer(t, 'b')];
  const load = await underLoad(t, servers);
  const long = await openLong(load.streams, 4);
  for (let round = 0; round < 20; round++) {
    await load.calls.more(50);
    servers[round % 2]?.goAway();
  }
  await load.calls.more(50);
  await endLong(t, load.streams, long, servers);
  await load.calls.stop();
  t.same(load.calls.failures, []);
  t.ok(servers.every(({ connections }) => connections > 5));
});

const share = (answers: ReadonlyMap<string, number>, name: string): number => {
  let all = 0;
  for (const calls of answers.values()) all += calls;
  return (answers.get(name) ?? 0) / all;
};

for (const balancer of ['p2c', 'round_robin', 'least_loaded'] as const) {
  t.test(`calls over one HTTP/2 connection of the app are balanced one by one: ${balancer}`, async (t) => {
    const servers = [await namedServer(t, 'a'), await namedServer(t, 'b'), await namedServer(t, 'c')];
    const load = await underLoad(t, servers, { balancer });
    const answers = await load.calls.more(3000);
    for (const { name } of servers) {
      const part = share(answers, name);
      t.ok(part > 0.8 / 3 && part < 1.2 / 3, `${name} has ${part}`);
    }
    t.ok(
      servers.every(({ connections }) => connections === 1),
      'over one connection each',
    );
    await load.calls.stop();
    t.same(load.calls.failures, []);
  });
}

t.test('a new endpoint has its share of the calls at once', async (t) => {
  const servers = [await namedServer(t, 'a'), await namedServer(t, 'b'), await namedServer(t, 'c')];
  const load = await underLoad(t, servers.slice(0, 2));
  const long = await openLong(load.streams, 4);
  await load.calls.more(500);
  await load.endpoints(servers);
  const part = share(await load.calls.more(1500), 'c');
  t.ok(part > 0.8 / 3 && part < 1.2 / 3, `the new one has ${part}`);
  await endLong(t, load.streams, long, servers);
  await load.calls.stop();
  t.same(load.calls.failures, []);
});
