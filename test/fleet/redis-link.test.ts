import t, { type Test } from 'tap';
import { LEASE_SCRIPT, LEASE_SHA } from '../../src/fleet/lease-script.ts';
import { redisFailure } from '../../src/fleet/redis-failure.ts';
import { type RedisConnection, RedisLink } from '../../src/fleet/redis-link.ts';
import { TestClock } from '../test-clock.ts';

const KEY = { key: 'k', args: ['beat', 'id'] };

/** A connection that does what the test says. */
class Scripted implements RedisConnection {
  readonly opening = Promise.withResolvers<void>();
  readonly sent: (readonly string[])[] = [];
  readonly answers: Promise<unknown>[] = [];
  readonly lost: (error: unknown) => void;
  destroyed = 0;

  constructor(lost: (error: unknown) => void) {
    this.lost = lost;
    this.opening.promise.catch(() => {});
  }

  open(): Promise<void> {
    return this.opening.promise;
  }

  send(args: readonly string[]): Promise<unknown> {
    this.sent.push(args);
    return this.answers.shift() ?? new Promise(() => {});
  }

  destroy(): void {
    this.destroyed++;
  }
}

function linked(t: Test, { connect }: { connect?: () => RedisConnection } = {}) {
  const clock = new TestClock();
  const made: Scripted[] = [];
  const failures: string[] = [];
  let opened = 0;
  const link = new RedisLink({
    where: 'there:6379',
    connect: (onLost) => {
      if (connect !== undefined) return connect();
      const connection = new Scripted(onLost);
      made.push(connection);
      return connection;
    },
    clock,
    random: () => 1,
    onOpen: () => opened++,
    onFailure: ({ message }) => failures.push(message),
  });
  t.teardown(() => link.close([]));
  const last = (): Scripted => {
    const connection = made.at(-1);
    if (connection === undefined) throw new Error('none was made');
    return connection;
  };
  const open = async (): Promise<Scripted> => {
    clock.advance(0);
    last().opening.resolve();
    await turn();
    return last();
  };
  return { link, clock, made, failures, last, open, opened: () => opened };
}

const turn = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};
const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:6379'), { code: 'ECONNREFUSED' });

t.test('the script goes out whole only to a Redis that does not know it', async (t) => {
  const { link, open } = linked(t);
  const connection = await open();
  connection.answers.push(
    Promise.reject(new Error('NOSCRIPT No matching script.')),
    Promise.resolve([1, 1, 0]),
    Promise.resolve([2, 1, 0]),
  );
  t.same(await link.run([KEY]), [[1, 1, 0]]);
  t.same(await link.run([KEY]), [[2, 1, 0]]);
  t.same(
    connection.sent.map((args) => args.slice(0, 2)),
    [
      ['EVALSHA', LEASE_SHA],
      ['EVAL', LEASE_SCRIPT],
      ['EVALSHA', LEASE_SHA],
    ],
  );
});

t.test('a connect that comes to nothing is tried again, each time later, and for ever', async (t) => {
  const { clock, made, last, failures } = linked(t);
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    const before = made.length;
    let waited = 0;
    while (made.length === before) {
      clock.advance(50);
      waited += 50;
    }
    waits.push(waited);
    last().opening.reject(refused);
    await turn();
    t.equal(last().destroyed, 1);
  }
  t.same(waits, [50, 100, 200, 400, 800, 1600, 3000, 3000]);
  t.match(
    failures[0],
    /Redis at there:6379: nothing listens there: look at fleet.redis.url and at Redis \(ECONNREFUSED\)/,
  );
});

t.test('a connect without an answer is given up after 2 s', async (t) => {
  const { clock, made, failures } = linked(t);
  clock.advance(0);
  clock.advance(1999);
  t.equal(failures.length, 0);
  clock.advance(1);
  t.match(failures, [/has not answered for 2000 ms/]);
  t.equal(made[0]?.destroyed, 1);
  clock.advance(100);
  t.equal(made.length, 2);
});

t.test(
  'a call without an answer is given up after 1 s, with its connection, whose late answers are nobody’s',
  async (t) => {
    const { link, open, clock, made, failures } = linked(t);
    const connection = await open();
    const late = Promise.withResolvers<unknown>();
    connection.answers.push(late.promise);
    const result = link.run([KEY]);
    clock.advance(1000);
    t.match(await result, [{ message: /has not answered for 1000 ms/ }]);
    t.equal(connection.destroyed, 1);
    t.equal(link.isOpen, false);
    t.equal(failures.length, 1);
    late.resolve([9, 1, 0]);
    clock.advance(100);
    t.equal(made.length, 2);
    t.match(await link.run([KEY]), [{ message: /is not connected/ }], 'and nothing is queued meanwhile');
  },
);

t.test('a connection that is lost is opened again; one that was lost long ago has no say', async (t) => {
  const { open, clock, made, last, link, opened } = linked(t);
  const first = await open();
  first.lost(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  t.equal(link.isOpen, false);
  clock.advance(100);
  last().opening.resolve();
  await turn();
  t.equal(opened(), 2);
  first.lost(new Error('again'));
  t.equal(link.isOpen, true);
  t.equal(made.length, 2);
});

t.test('what Redis answers decides whether another connection may help', async (t) => {
  for (const [answer, reconnects] of [
    ['LOADING Redis is loading the dataset in memory', true],
    ["READONLY You can't write against a read only replica.", true],
    ['NOAUTH Authentication required.', true],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', false],
    ["OOM command not allowed when used memory > 'maxmemory'.", false],
    ["ERR The user executing the script can't run this command or subcommand script: f7c6, on @user_script:85.", false],
    ["NOPERM User app has no permissions to run the 'evalsha' command", false],
    ['MOVED 1234 10.0.0.2:6379', false],
    ['ERR something that nobody has thought of', true],
  ] as const) {
    const { link, open } = linked(t);
    const connection = await open();
    connection.answers.push(Promise.reject(new Error(answer)));
    const [failure] = await link.run([KEY]);
    t.ok(failure instanceof Error);
    t.equal(link.isOpen, !reconnects, answer);
  }
});

t.test('one call that fails leaves the answers of the others', async (t) => {
  const { link, open, failures } = linked(t);
  const connection = await open();
  connection.answers.push(Promise.resolve([1, 1, 0]), Promise.reject(new Error('WRONGTYPE no')));
  const [good, bad] = await link.run([KEY, { ...KEY, key: 'other' }]);
  t.same(good, [1, 1, 0]);
  t.match(bad, { message: /has something else under the key: set another fleet.redis.prefix/ });
  t.equal(failures.length, 1);
});

t.test('files that cannot be read are a failure like any other', async (t) => {
  let tries = 0;
  const { clock, failures } = linked(t, {
    connect: () => {
      tries++;
      throw new Error('no such file');
    },
  });
  clock.advance(0);
  clock.advance(5000);
  t.ok(tries > 3);
  t.match(failures[0], /no such file/);
});

t.test('the last word is sent before the connection closes, and is not waited for for long', async (t) => {
  const { link, open, clock } = linked(t);
  const connection = await open();
  link.close([{ key: 'k', args: ['leave', 'id'] }]);
  t.same(connection.sent, [['EVALSHA', LEASE_SHA, '1', 'k', 'leave', 'id']]);
  t.equal(connection.destroyed, 0);
  clock.advance(1000);
  t.equal(connection.destroyed, 1);
  t.equal(clock.waiting, 0);
});

t.test('when it closes nothing of it goes on', async (t) => {
  const waiting = linked(t);
  waiting.link.close([]);
  t.equal(waiting.clock.waiting, 0);
  const connecting = linked(t);
  connecting.clock.advance(0);
  connecting.link.close([]);
  t.equal(connecting.last().destroyed, 1);
  t.equal(connecting.clock.waiting, 0);
  connecting.last().opening.resolve();
  await turn();
  t.equal(connecting.opened(), 0);
});

t.test('no failure repeats what was sent', async (t) => {
  const { message } = redisFailure(new Error('WRONGPASS invalid username-password pair: secret'), 'there:1');
  t.notMatch(message, /secret/);
  t.match(message, /fleet.redis.passwordFile/);
  t.match(
    redisFailure(Object.assign(new Error('x'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' }), 'there:1').message,
    /fleet.redis.ca/,
  );
});

t.test('what is no Redis at all is told as such', async (t) => {
  t.equal(
    redisFailure(new Error('Unknown RESP type 72 "H"'), 'there:80').message,
    'Redis at there:80: what answers there is not Redis: look at fleet.redis.url (Unknown RESP type 72 "H")',
  );
});
