import t from 'tap';
import {
  FLOOD_CONTROL,
  FLOOD_EMPTY_DATA,
  FLOOD_RESET,
  FLOOD_TINY_CONTINUATION,
  FLOOD_WINDOW_UPDATE,
  FloodBudget,
  type FloodKind,
} from '../../../src/protocol/http2/flood-budget.ts';

const START = 1_000_000;

/** How many notes of `kind` at one moment pass before the first that does not; `most` when all do. */
function passing(budget: FloodBudget, kind: FloodKind, now: number, most = 100_000): number {
  for (let count = 0; count < most; count++) if (!budget.note(kind, now)) return count;
  return most;
}

t.test('rule 21: PING, SETTINGS, PRIORITY and unknown frames: 1,000 in 10 s are free', async (t) => {
  const budget = new FloodBudget();
  t.equal(passing(budget, FLOOD_CONTROL, START), 1000);
  t.notOk(budget.note(FLOOD_CONTROL, START + 9999), 'and it stays so');
});

t.test('rule 21: empty DATA: 500 in 10 s are free', async (t) => {
  t.equal(passing(new FloodBudget(), FLOOD_EMPTY_DATA, START), 500);
});

t.test('rule 21: WINDOW_UPDATE: 1,000 in 10 s are free', async (t) => {
  t.equal(passing(new FloodBudget(), FLOOD_WINDOW_UPDATE, START), 1000);
});

t.test('rule 21: small CONTINUATIONs: 100 in 10 s are free, and several may be noted at once', async (t) => {
  const budget = new FloodBudget();
  t.ok(budget.note(FLOOD_TINY_CONTINUATION, START, 31));
  t.ok(budget.note(FLOOD_TINY_CONTINUATION, START, 69));
  t.notOk(budget.note(FLOOD_TINY_CONTINUATION, START, 1));
});

t.test('kinds are counted apart', async (t) => {
  const budget = new FloodBudget();
  passing(budget, FLOOD_CONTROL, START);
  t.equal(passing(budget, FLOOD_WINDOW_UPDATE, START), 1000);
  t.equal(passing(budget, FLOOD_EMPTY_DATA, START), 500);
});

t.test('a new window begins after 10 s', async (t) => {
  const budget = new FloodBudget();
  t.equal(passing(budget, FLOOD_CONTROL, START, 1000), 1000);
  t.notOk(budget.note(FLOOD_CONTROL, START + 9999.9));
  t.equal(passing(budget, FLOOD_CONTROL, START + 10_000), 1000);
});

t.test('a PING each 15 ms for an hour is no flood', async (t) => {
  const budget = new FloodBudget();
  for (let at = 0; at < 3_600_000; at += 15)
    if (!budget.note(FLOOD_CONTROL, START + at)) {
      t.fail(`after ${at} ms`);
      return;
    }
});

t.test('gRPC that measures its bandwidth with a PING for each DATA frame is no flood', async (t) => {
  const budget = new FloodBudget();
  let honest = true;
  for (let frame = 0; frame < 200_000; frame++) {
    budget.dataSent();
    honest &&= budget.note(FLOOD_CONTROL, START + frame / 20);
  }
  t.ok(honest);
  t.notOk(passing(budget, FLOOD_CONTROL, START + 10_000) > 201_000, 'two for each frame would be');
});

t.test('credit for the stream and the connection after each DATA frame, in halves, is no flood', async (t) => {
  const budget = new FloodBudget();
  let honest = true;
  for (let frame = 0; frame < 50_000; frame++) {
    budget.dataSent();
    for (let update = 0; update < 4; update++) honest &&= budget.note(FLOOD_WINDOW_UPDATE, START + frame / 10);
  }
  t.ok(honest);
  t.equal(passing(budget, FLOOD_WINDOW_UPDATE, START + 5000), 1000, 'and what is free is left');
});

t.test('a slow reader may credit what was sent in the window before, but not what is older', async (t) => {
  const budget = new FloodBudget();
  budget.note(FLOOD_CONTROL, START);
  for (let frame = 0; frame < 5000; frame++) budget.dataSent();
  t.equal(passing(budget, FLOOD_WINDOW_UPDATE, START + 10_000), 21_000);
  t.equal(passing(budget, FLOOD_WINDOW_UPDATE, START + 20_000), 1000);
});

t.test('a larger window and a flush for each stream are no flood', async (t) => {
  const budget = new FloodBudget();
  for (let stream = 0; stream < 10_000; stream++) budget.streamOpened(START);
  t.equal(passing(budget, FLOOD_WINDOW_UPDATE, START), 21_000);
  t.equal(passing(budget, FLOOD_EMPTY_DATA, START), 20_500);
});

t.test('rule 21: rapid reset: who resets all streams as soon as they are open is stopped after 500', async (t) => {
  const budget = new FloodBudget();
  let resets = 0;
  for (; resets < 10_000; resets++) {
    const now = START + resets / 10;
    budget.streamOpened(now);
    if (!budget.peerReset(now, now)) break;
  }
  t.equal(resets, 500);
});

t.test('rule 21: who makes us reset streams is stopped in the same way, however old they are', async (t) => {
  const budget = new FloodBudget();
  for (let stream = 0; stream < 600; stream++) budget.streamOpened(START);
  t.equal(passing(budget, FLOOD_RESET, START + 5000), 500);
});

t.test('resets of both kinds share one budget', async (t) => {
  const budget = new FloodBudget();
  t.equal(passing(budget, FLOOD_RESET, START, 400), 400);
  let more = 0;
  while (more < 1000 && budget.peerReset(START, START)) more++;
  t.equal(more, 100);
});

t.test('hedged calls, one of two given up at once, are no flood', async (t) => {
  const budget = new FloodBudget();
  let honest = true;
  for (let pair = 0; pair < 100_000; pair++) {
    const now = START + pair / 5;
    budget.streamOpened(now);
    budget.streamOpened(now);
    honest &&= budget.peerReset(now, now);
  }
  t.ok(honest);
});

t.test('all that was open, given up at once, is no flood', async (t) => {
  const budget = new FloodBudget();
  for (let stream = 0; stream < 500; stream++) budget.streamOpened(START);
  let honest = true;
  for (let stream = 0; stream < 500; stream++) honest &&= budget.peerReset(START + 1, START);
  t.ok(honest);
});

t.test('calls that are given up at their deadlines are no flood, however many', async (t) => {
  const budget = new FloodBudget();
  let honest = true;
  for (let call = 0; call < 20_000; call++) {
    const now = START + call / 5;
    budget.streamOpened(now);
    honest &&= budget.peerReset(now + 101, now);
  }
  t.ok(honest);
  t.equal(passing(budget, FLOOD_RESET, START + 4000, 10_000), 10_000, 'half of what was opened is left');
});

t.test('streams of long ago do not pay for resets', async (t) => {
  const budget = new FloodBudget();
  for (let stream = 0; stream < 100_000; stream++) budget.streamOpened(START);
  budget.streamOpened(START + 10_000);
  t.equal(passing(budget, FLOOD_RESET, START + 20_000), 500);
});
