import t from 'tap';
import { madeUpEvent, madeUpRow, madeUpSidecar, madeUpSnapshot } from '../../e2e/browser/made-up.ts';
import { fromSnapshot, withUpdate } from '../../src/page/model.ts';
import type { EventRow } from '../../src/status/types.ts';

const SIZE = { destinations: 3, endpoints: 2, connections: 2 };
const FIRST = 'orders.shop:8080';
const SECOND = 'payments.shop:8080';
const model = () => fromSnapshot(madeUpSnapshot(SIZE, 0, FIRST), null);
const nothing = { time: 1, sidecar: madeUpSidecar(1) };
const POINT = { requests: 7, failed: 1, utilization: 0.5, pending: 2 };

t.test('what an update does not name stays the same object', async (t) => {
  const before = model();
  const after = withUpdate(before, nothing);
  t.equal(after.rows, before.rows);
  t.equal(after.history, before.history);
  t.equal(after.findings, before.findings);
  t.equal(after.events, before.events);
  t.equal(after.errors, before.errors);
  t.equal(after.detail, before.detail);
  t.equal(after.beat, before.beat);
  t.equal(after.sidecar, nothing.sidecar);
});

t.test('a row that changed is another object, the others are not', async (t) => {
  const before = model();
  const changed = { ...madeUpRow(0, 9, SIZE), pending: 4 };
  const after = withUpdate(before, { ...nothing, destinations: [changed] });
  t.equal(after.rows.get(FIRST), changed);
  t.equal(after.rows.get(SECOND), before.rows.get(SECOND));
  t.same([...after.rows.keys()], [...before.rows.keys()]);
  t.equal(after.beat, before.beat, 'which alone sorts no table anew');
});

t.test('rows come and go, with their history', async (t) => {
  const gone = withUpdate(model(), { ...nothing, removed: [FIRST] });
  t.equal(gone.rows.has(FIRST), false);
  t.equal(gone.history.has(FIRST), false);
  t.equal(gone.beat, model().beat + 1);
  const back = withUpdate(gone, { ...nothing, destinations: [madeUpRow(0, 0, SIZE)], points: { [FIRST]: POINT } });
  t.same(back.history.get(FIRST)?.points, [POINT]);
});

t.test('a row that goes and comes in one message has its new history', async (t) => {
  const after = withUpdate(model(), {
    ...nothing,
    removed: [FIRST],
    destinations: [madeUpRow(0, 5, SIZE)],
    points: { [FIRST]: POINT },
  });
  t.ok(after.rows.has(FIRST));
  t.same(after.history.get(FIRST)?.points, [POINT]);
});

t.test('points go to the end of a history of at most sixty', async (t) => {
  const before = model();
  const after = withUpdate(before, { ...nothing, points: { [SECOND]: POINT } });
  const points = after.history.get(SECOND)?.points ?? [];
  t.equal(points.length, 60);
  t.equal(points.at(-1), POINT);
  t.equal(points[0], before.history.get(SECOND)?.points[1]);
  t.equal(after.history.get(FIRST), before.history.get(FIRST));
  t.equal(after.beat, before.beat + 1);
});

t.test('new events stand before the others, two hundred in all', async (t) => {
  let now = model();
  const events = Array.from({ length: 190 }, (_, index): EventRow => ({ ...madeUpEvent(0), sequence: 1000 - index }));
  now = withUpdate(now, { ...nothing, events });
  t.equal(now.events.length, 200);
  t.equal(now.events[0]?.sequence, 1000);
  t.equal(now.events[190]?.sequence, model().events[0]?.sequence);
});

t.test('an event that came again takes the place of what it was', async (t) => {
  const before: EventRow = { ...madeUpEvent(0), sequence: 1000 };
  const again: EventRow = { ...before, sequence: 1005, first: 1000, count: 2 };
  const more: EventRow = { ...before, sequence: 1010, first: 1000, count: 3 };
  let now = model();
  const known = now.events.length;
  for (const event of [before, again, more]) now = withUpdate(now, { ...nothing, events: [event] });
  t.equal(now.events.length, Math.min(known + 1, 200));
  t.same(now.events[0], more);
});

t.test('detail that is null is taken, detail that is absent is not', async (t) => {
  t.not(withUpdate(model(), nothing).detail, null);
  t.equal(withUpdate(model(), { ...nothing, detail: null }).detail, null);
});

t.test('a second snapshot replaces all, and its tables are sorted anew', async (t) => {
  const before = model();
  const after = fromSnapshot(madeUpSnapshot({ ...SIZE, destinations: 1 }, 0, null), before);
  t.same([...after.rows.keys()], [FIRST]);
  t.equal(after.history.size, 1);
  t.equal(after.beat, before.beat + 1);
});
