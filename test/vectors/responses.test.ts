import t from 'tap';
import { ResponseLanes } from './response-lanes.ts';
import { llhttp, withoutVectors } from './vector-files.ts';

/** Also splits the answers to HEAD and to HTTP/1.0 at every offset. */
const ALL_SPLITS = process.env.CARPOOL_ALL_SPLITS === '1';

// Very many connections: on a busy machine they take their time.
t.setTimeout(240_000);

t.test('responses of llhttp, whole and split at every byte', { skip: withoutVectors }, async (t) => {
  t.setTimeout(200_000);
  const inputs = llhttp().filter(({ type }) => type.startsWith('response'));
  const lanes = await ResponseLanes.start(t);
  const others = ALL_SPLITS ? null : [];
  await lanes.run(
    inputs.flatMap(({ name, bytes }) => [
      { name, bytes, ask: 'GET' as const, splits: null },
      { name, bytes, ask: 'HEAD' as const, splits: others },
      { name, bytes, ask: 'GET 1.0' as const, splits: others },
    ]),
  );
  t.test(
    'each comes to the client as a strict reader finds it, or as a 502 or a cut, and the next request gets its own answer',
    async (t) => {
      t.same(lanes.failures, []);
      t.ok(lanes.sent > inputs.length * 50, `${lanes.sent} runs of ${inputs.length} inputs`);
    },
  );
  t.test('what a strict reader can read is relayed', async (t) => {
    const lost = lanes.outcomes.filter(({ readable, got }) => readable && got !== 'same');
    t.same(
      lost.map((outcome) => [outcome.case.name, outcome.case.ask, outcome.got]),
      [],
    );
    t.ok(lanes.outcomes.filter(({ got }) => got === 'same').length > 100);
  });
  t.test('no connection is left but idle ones', async (t) => lanes.reconcile(t));
});
