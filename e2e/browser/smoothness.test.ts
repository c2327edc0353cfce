import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { at, listAt, textAt } from '../cluster/json.ts';
import { noChromium, open } from './chromium.ts';
import { madeUpSnapshot, madeUpUpdate, nameOf } from './made-up.ts';
import { ScriptedSidecar } from './scripted-sidecar.ts';

/** As large as a sidecar gets; every number of every row changes with each message. */
const SIZE = { destinations: 100, endpoints: 50, connections: 1000 };
const SECONDS = 6;
/** From here on a person sees that the page stands still. */
const LONG_TASK_MS = 50;

const PLACES = ['', 'view=events', `destination=${nameOf(0)}`, `destination=${nameOf(0)}&view=connections`];

for (const place of PLACES)
  t.test(`a hundred busy destinations do not make the page stutter: #${place}`, { skip: noChromium }, async (t) => {
    const sidecar = await ScriptedSidecar.start((destination) => madeUpSnapshot(SIZE, 0, destination));
    t.teardown(() => sidecar.stop());
    const { page, context } = await open(t);
    await page.goto(`${sidecar.url}#${place}`);
    await page.locator('tr[data-row]').nth(10).waitFor();
    // Of events all are drawn: they are as high as their words need.
    if (place !== 'view=events') t.ok((await page.locator('tr[data-row]').count()) <= 60, 'only what is seen is drawn');

    const second = async (step: number, scrolls: boolean): Promise<void> => {
      sidecar.update((destination) => madeUpUpdate(SIZE, step, destination));
      for (let turn = 0; turn < 10; turn++) {
        if (scrolls) await page.mouse.wheel(0, step % 4 === 0 ? -400 : 130);
        await wait(100);
      }
    };
    const browser = context.browser();
    for (const scrolls of [false, true]) {
      await browser?.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] });
      for (let step = 1; step <= SECONDS; step++) await second(scrolls ? SECONDS + step : step, scrolls);
      const tasks = tasksOf(await browser?.stopTracing());
      const share = tasks.reduce((sum, task) => sum + task, 0) / (SECONDS * 1000);
      const longest = Math.max(...tasks);
      const words = scrolls ? 'while one scrolls' : 'while one reads';
      t.comment(`${words}: ${(share * 100).toFixed(1)} % of a processor, the longest task ${longest.toFixed(0)} ms`);
      t.ok(longest < LONG_TASK_MS, `no task of ${LONG_TASK_MS} ms ${words}`);
      t.ok(share < (scrolls ? 0.4 : 0.1), `the share of a processor ${words}`);
    }
  });

/**
 * Milliseconds of processor time of each task of the page's main thread. Not of the clock: what other programs of a busy machine
 * take in between is not the page's doing.
 */
function tasksOf(trace: Buffer | undefined): readonly number[] {
  const events = listAt(JSON.parse(trace?.toString() ?? ''), 'traceEvents');
  const threads = new Set(
    events.filter((event) => textAt(event, 'args', 'name') === 'CrRendererMain').map((event) => threadOf(event)),
  );
  return events
    .filter((event) => textAt(event, 'name') === 'RunTask' && threads.has(threadOf(event)))
    .map((event) => Number(at(event, 'tdur') ?? 0) / 1000);
}

function threadOf(event: unknown): string {
  return `${at(event, 'pid')} ${at(event, 'tid')}`;
}
