import { createClient } from '@redis/client';
import fc from 'fast-check';
import t from 'tap';
import { LEASE_SCRIPT } from '../../src/fleet/lease-script.ts';
import { type Beat, LeaseTable } from '../../test/fleet/lease-table.ts';
import { RedisServer, whyNoRedis } from './redis-server.ts';

const skip = whyNoRedis();

/** Time comes with the call, so that both sides have the same. */
const TIMED = LEASE_SCRIPT.replace(`redis.call('TIME')`, '{ARGV[13], ARGV[14]}');

t.test('the script and its twin in TypeScript say the same of everything', skip === null ? {} : { skip }, async (t) => {
  t.not(TIMED, LEASE_SCRIPT);
  const redis = await RedisServer.start(t);
  const client = createClient({ url: redis.url, RESP: 2 });
  client.on('error', () => {});
  await client.connect();
  t.teardown(() => client.destroy());
  const step = fc.record({
    who: fc.nat(6),
    what: fc.constantFrom('beat', 'beat', 'beat', 'beat', 'beat', 'leave', 'stale'),
    fast: fc.nat(60),
    slow: fc.nat(60),
    held: fc.nat(30),
    limit: fc.option(fc.nat(30), { nil: null }),
    known: fc.constantFrom(0, 0, 0, 3, 6),
    after: fc.constantFrom(0, 50, 500, 500, 500, 1500, 2500, 6000),
  });
  let table = 0;
  let beats = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 8 }),
      fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }),
      async (budget, minShare, steps) => {
        const key = `test:${++table}`;
        const twin = new LeaseTable();
        const limits = new Map<string, number>();
        let now = 1_700_000_000_000;
        let seq = 0;
        for (const { who, what, fast, slow, held, limit, known, after } of steps) {
          const id = `id-${who}`;
          now += after;
          if (what === 'leave') {
            twin.leave(id);
            await client.sendCommand(['EVAL', TIMED, '1', key, 'leave', id]);
            continue;
          }
          const number = what === 'stale' ? seq : ++seq;
          const beat: Beat = {
            id,
            seq: number,
            ttl: 5000,
            budget,
            minShare,
            limit: limit ?? limits.get(id) ?? 0,
            held,
            fast,
            slow: Math.max(fast, slow),
            known,
            silence: 2000,
          };
          const own = twin.beat(beat, now);
          const numbers = [
            beat.seq,
            beat.ttl,
            budget,
            minShare,
            beat.limit,
            held,
            fast,
            beat.slow,
            known,
            beat.silence,
            Math.floor(now / 1000),
            (now % 1000) * 1000,
          ];
          const answer = await client.sendCommand(['EVAL', TIMED, '1', key, 'beat', id, ...numbers.map(String)]);
          beats++;
          limits.set(id, own.share);
          const expected = [own.share, own.peers, own.calm ? 1 : 0];
          if (JSON.stringify(answer) !== JSON.stringify(expected))
            throw new Error(
              `${JSON.stringify(beat)}: ${JSON.stringify(answer)}, and the twin says ${JSON.stringify(expected)}`,
            );
        }
        return true;
      },
    ),
    { numRuns: 100 },
  );
  t.comment(`${beats} calls`);
  t.ok(Number(await client.sendCommand(['PTTL', 'test:1'])) > 0, 'and what it leaves ends by itself');
});
