import t from 'tap';
import { hear, type Link } from '../../src/console/link.ts';
import { sidecar, snapshot } from './status-fixture.ts';

const up = (uptimeMs: number) => ({ kind: 'answer', snapshot: snapshot({ sidecar: sidecar({ uptimeMs }) }) }) as const;
const problem = (text: string) => ({ kind: 'problem', problem: text }) as const;
const ASKING: Link = { state: 'asking' };

t.test('a sidecar is lost since the first question without an answer', async (t) => {
  const lost = hear(hear(hear(ASKING, up(1000), 0), problem('one'), 1000), problem('two'), 2000);
  t.match(lost, { state: 'lost', problem: 'two', since: 1000, last: { at: 0 } });
  t.match(hear(lost, up(4000), 3000), { state: 'live', at: 3000, restartedAt: null });
  t.match(hear(ASKING, problem('one'), 5), { state: 'lost', since: 5, last: null });
});

t.test('a restart is seen by an uptime that is too short, also after a long absence', async (t) => {
  const live = hear(ASKING, up(600_000), 0);
  t.match(hear(live, up(500), 1000), { restartedAt: 1000 });
  t.match(hear(live, up(601_000), 1000), { restartedAt: null });
  t.match(hear(live, up(600_500), 3000), { restartedAt: null }, 'an answer may be late');
  t.match(hear(hear(ASKING, up(2000), 0), up(900), 1000), { restartedAt: 1000 }, 'one that lived for a moment only');
  const away = hear(live, problem('gone'), 1000);
  t.match(
    hear(away, up(3_000_000), 3_600_000),
    { restartedAt: 3_600_000 },
    'longer up than before, but not long enough',
  );
  const again = hear(hear(live, up(500), 1000), up(1500), 2000);
  t.match(again, { restartedAt: 1000 }, 'it is remembered');
});

t.test('a restart after a short life is seen by when it started; a clock that is set is none', async (t) => {
  const at = (time: number, uptimeMs: number) =>
    ({ kind: 'answer', snapshot: snapshot({ time, sidecar: sidecar({ uptimeMs }) }) }) as const;
  const young = hear(ASKING, at(10_000, 300), 0);
  t.match(hear(young, at(11_500, 600), 1500), { restartedAt: 1500 });
  t.match(hear(young, at(11_000, 1300), 1000), { restartedAt: null });
  t.match(hear(young, at(70_000, 1300), 1000), { restartedAt: null }, 'the clock was put forward');
  t.match(hear(young, at(11_000, 1300), 2500), { restartedAt: null }, 'the answer was late');
});
