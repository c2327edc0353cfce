import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import t from 'tap';
import { BodyReader } from '../../src/webhook/request-body.ts';
import { TestClock } from '../test-clock.ts';

const MIB = 1024 * 1024;

/** A request whose body comes as it is pushed. */
const request = (): IncomingMessage => new IncomingMessage(new Socket());

/** Pushes so much of a body, and waits until it has been read. */
async function push(incoming: IncomingMessage, bytes: number): Promise<void> {
  incoming.push(Buffer.alloc(bytes, ' '));
  await new Promise((resolve) => setImmediate(resolve));
}

t.test('all bodies together have one budget, which comes back when they have been read', async (t) => {
  const clock = new TestClock();
  const reader = new BodyReader(clock);
  const held = Array.from({ length: 8 }, request);
  const bodies = held.map((each) => reader.read(each));
  for (const each of held) await push(each, 3 * MIB);
  t.equal(reader.heldBytes, 24 * MIB);

  const late = request();
  const refused = reader.read(late);
  await push(late, 1);
  late.push(null);
  t.same(await refused, { none: 'busy' }, 'one byte more is refused');

  for (const each of held) each.push(null);
  for (const body of await Promise.all(bodies)) t.equal(typeof body === 'string' && body.length, 3 * MIB);
  t.equal(reader.heldBytes, 0);
  const next = request();
  const read = reader.read(next);
  await push(next, 5);
  next.push(null);
  t.equal(await read, '     ');
  t.equal(clock.waiting, 0, 'no timer is left');
});

t.test('a body that does not come gives its share back', async (t) => {
  const clock = new TestClock();
  const reader = new BodyReader(clock);
  const [slow, gone] = [request(), request()];
  const answers = [reader.read(slow), reader.read(gone)];
  await push(slow, MIB);
  await push(gone, MIB);
  gone.destroy();
  t.same(await answers[1], { none: 'gone' });
  t.equal(reader.heldBytes, MIB);
  clock.advance(10_000);
  t.same(await answers[0], { none: 'timeout' });
  t.equal(reader.heldBytes, 0);
});
