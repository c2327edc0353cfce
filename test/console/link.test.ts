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
  t.match(hear(live, up(598_500), 1000), { restartedAt: null }, 'two clocks do not agree to the millisecond');
  const away = hear(live, problem('gone'), 1000);
  t.match(
    hear(away, up(3_000_000), 3_600_000),
    { restartedAt: 3_600_000 },
    'longer up than before, but not long enough',
  );
  const again = hear(hear(live, up(500), 1000), up(1500), 2000);
  t.match(again, { restartedAt: 1000 }, 'it is remembered');
});
