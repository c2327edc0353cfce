import t from 'tap';
import { LostSpans } from '../../src/status/lost-spans.ts';

t.test('spans that were lost are counted for ten minutes, from counters that only rise', async (t) => {
  const lost = new LostSpans();
  lost.note(undefined, 0);
  lost.note({ failed: 0, dropped: 0 }, 1000);
  t.equal(lost.lately(1000), 0);
  lost.note({ failed: 3, dropped: 2 }, 2000);
  lost.note({ failed: 3, dropped: 2 }, 3000);
  t.equal(lost.lately(3000), 5, 'each once');
  lost.note({ failed: 4, dropped: 2 }, 300_000);
  t.equal(lost.lately(300_000), 6);
  t.equal(lost.lately(650_000), 1);
  t.equal(lost.lately(950_000), 0);
});
