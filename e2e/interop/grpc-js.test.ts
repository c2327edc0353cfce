import { once } from 'node:events';
import { Metadata, status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { until } from '../until.ts';
import { ended, MirrorClient } from './mirror-client.ts';
import { type Mirror, startMirror } from './mirror-service.ts';
import { type LoneSidecar, startSidecar } from './sidecar.ts';

const NAME = 'mirror.test:9000';
const BIG = 5 << 20;

/** `sidecar` is null where there is none. */
type Parts = { readonly mirror: Mirror; readonly client: MirrorClient; readonly sidecar: LoneSidecar | null };

/** Opens a client whose calls go through carpool. */
type Open = (t: Test) => Promise<Parts>;

async function byLocalPort(t: Test): Promise<Parts> {
  const mirror = await startMirror(t);
  const sidecar = await startSidecar(t, [{ match: NAME, origin: mirror.port, protocol: 'http2' }]);
  return { mirror, sidecar, client: MirrorClient.open(t, `127.0.0.1:${sidecar.local(NAME)}`, null) };
}

async function byProxy(t: Test): Promise<Parts> {
  const mirror = await startMirror(t);
  const sidecar = await startSidecar(t, [{ match: NAME, origin: mirror.port, protocol: 'auto' }]);
  return { mirror, sidecar, client: MirrorClient.open(t, NAME, sidecar.port) };
}

/** Without carpool: what it is to be like. */
async function direct(t: Test): Promise<Parts> {
  const mirror = await startMirror(t);
  return { mirror, sidecar: null, client: MirrorClient.open(t, `127.0.0.1:${mirror.port}`, null) };
}

const metadata = (fields: Readonly<Record<string, string | Buffer>>): Metadata => {
  const made = new Metadata();
  for (const [name, value] of Object.entries(fields)) made.add(name, value);
  return made;
};

for (const [how, open] of [
  ['without a proxy', direct],
  ['by a local port', byLocalPort],
  ['by CONNECT, from grpc_proxy', byProxy],
] as const) {
  t.test(`grpc-js ${how}`, (t) => calls(t, open));
}

async function calls(t: Test, open: Open): Promise<void> {
  const { mirror, client, sidecar } = await open(t);

  t.test('one message goes and comes, with metadata as they were in head and trailers', async (t) => {
    const raw = Buffer.from([0, 1, 2, 0xff, 0xfe, 0x0a]);
    const sent = metadata({ 'x-text': 'a, b;c=" d', 'x-raw-bin': raw });
    sent.add('x-text', 'second');
    const call = client.unary('once', Buffer.from('hello'), sent);
    const outcome = await call.outcome;
    t.equal(outcome.status.code, status.OK);
    t.same(outcome.messages, [Buffer.from('hello')]);
    for (const got of [outcome.metadata, outcome.status.metadata]) {
      t.equal(got.get('x-text').join(', '), 'a, b;c=" d, second');
      t.same(got.get('x-raw-bin'), [raw]);
    }
  });

  t.test('an empty message and one of five mebibytes arrive whole', async (t) => {
    t.same((await client.unary('once', Buffer.alloc(0)).outcome).messages, [Buffer.alloc(0)]);
    const big = Buffer.alloc(BIG);
    for (let index = 0; index < BIG; index += 4) big.writeUInt32LE(index, index);
    const [answer] = (await client.unary('once', big).outcome).messages;
    t.ok(answer?.equals(big), 'byte for byte');
  });

  t.test('streams go either way, and both', async (t) => {
    const pieces = Array.from({ length: 200 }, (_, index) => Buffer.alloc(index * 37, index));
    t.ok((await client.gather(pieces)).equals(Buffer.concat(pieces)), 'many in, one out');
    const bytes = Buffer.from(Array.from({ length: 300 }, (_, index) => index % 256));
    const { messages, status: end } = await client.stream('spread', bytes);
    t.equal(end.code, status.OK);
    t.ok(Buffer.concat(messages).equals(bytes) && messages.length === 300, 'one in, many out');
    const call = client.duplex('both');
    const outcome = ended(call);
    for (let round = 0; round < 20; round++) {
      const came = once(call, 'data');
      call.write(Buffer.from(`round ${round}`));
      t.same(await came, [Buffer.from(`round ${round}`)]);
    }
    call.end();
    t.equal((await outcome).status.code, status.OK, 'each was answered before the next went');
  });

  t.test('a call that fails says why, without a message or behind one', async (t) => {
    const details = 'no such thing: ü, %41, €, and a line\n';
    const asked = metadata({ 'x-status': String(status.NOT_FOUND), 'x-message-bin': Buffer.from(details) });
    const early = await client.unary('fail', Buffer.alloc(0), asked).outcome;
    t.match(early.status, { code: status.NOT_FOUND, details });
    t.same(early.messages, []);
    t.same(early.status.metadata.get('x-status'), [String(status.NOT_FOUND)]);
    const late = await client.stream('failLate', Buffer.from('first'), asked);
    t.match(late.status, { code: status.NOT_FOUND, details });
    t.same(late.messages, [Buffer.from('first')]);
    t.equal((await client.nowhere()).status.code, status.UNIMPLEMENTED);
  });

  t.test('a deadline that passes is told to both ends', async (t) => {
    const before = mirror.cancelled;
    const call = client.unary('wait', Buffer.alloc(0), new Metadata(), { deadline: Date.now() + 300 });
    t.equal((await call.outcome).status.code, status.DEADLINE_EXCEEDED);
    await until('the server to hear of it', () => mirror.cancelled === before + 1);
    t.pass('the server has heard of it');
  });

  t.test('a call that is cancelled is cancelled at the server', async (t) => {
    const before = mirror.cancelled;
    const call = client.duplex('hold');
    const outcome = ended(call);
    call.write(Buffer.from('first'));
    await once(call, 'data');
    call.cancel();
    t.equal((await outcome).status.code, status.CANCELLED);
    await until('the server to hear of it', () => mirror.cancelled === before + 1);
    t.equal((await client.unary('once', Buffer.from('next')).outcome).status.code, status.OK, 'the others go on');
  });

  t.test('three hundred calls at once are all answered, each with its own', async (t) => {
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, index) => client.unary('once', Buffer.from(`call ${index}`)).outcome),
    );
    const own = outcomes.filter(({ messages }, index) => messages[0]?.toString() === `call ${index}`);
    t.equal(own.length, 300);
  });

  t.test('carpool has seen each call, not bytes of a tunnel', { skip: sidecar === null }, async (t) => {
    const seen = (await sidecar?.metrics())?.sum('carpool_requests_total', { protocol: 'http2' }) ?? 0;
    t.ok(seen > 300, `${seen} requests`);
  });
}
