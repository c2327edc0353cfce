import type { Locator } from 'playwright-core';
import t from 'tap';
import { noChromium, open } from './chromium.ts';
import { madeUpEvent, madeUpSnapshot, nameOf } from './made-up.ts';
import { ScriptedSidecar } from './scripted-sidecar.ts';

const SIZE = { destinations: 4, endpoints: 3, connections: 5 };
const WIDTHS = [360, 768, 1000, 1280] as const;
const LONG_KEY = 'destinations[a-service-with-a-long-name.a-team.svc.cluster.local:8080].healthCheck.enabled';
const LONG_TEXT = `${'It was closed because of a reason that takes its time to tell. '.repeat(4)}And so it ended.`;

/** Whether all that an element says is on the screen. */
async function whole(element: Locator): Promise<boolean> {
  return await element.evaluate((each) => {
    const box = each.getBoundingClientRect();
    const words = document.createRange();
    words.selectNodeContents(each);
    const { left, right, bottom } = words.getBoundingClientRect();
    const inside = right <= box.right + 1 && left >= box.left - 1 && bottom <= box.bottom + 1;
    return inside && box.width > 0 && left >= 0 && right <= innerWidth && each.scrollHeight <= each.clientHeight + 1;
  });
}

for (const width of WIDTHS)
  t.test(`settings, events and figures can be read at ${width} pixels`, { skip: noChromium }, async (t) => {
    const sidecar = await ScriptedSidecar.start((destination) => {
      const snapshot = madeUpSnapshot(SIZE, 0, destination);
      return { ...snapshot, events: [{ ...madeUpEvent(90), text: LONG_TEXT }, ...snapshot.events] };
    });
    t.teardown(() => sidecar.stop());
    const { page } = await open(t, { viewport: { width, height: 800 } });
    const settings = [
      { path: LONG_KEY, value: true, origin: 'environment', where: 'CARPOOL_DESTINATIONS_HEALTH_CHECK_ENABLED' },
      { path: 'security.allowAddresses', value: 'x'.repeat(200), origin: 'file', where: '/etc/carpool/carpool.yaml' },
    ];
    await page.route('**/debug/config?sources', (route) => route.fulfill({ json: { settings } }));

    await page.goto(`${sidecar.url}#view=configuration`);
    const rows = page.locator('.settings tr[data-row]');
    await rows.nth(1).waitFor();
    for (const row of await rows.all())
      for (const part of ['path', 'value', 'origin']) t.ok(await whole(row.locator(`.${part}`)), part);
    const value = await rows.first().locator('.value').boundingBox();
    t.ok((value?.width ?? 0) >= 180, `a value has ${value?.width} pixels`);

    await page.goto(`${sidecar.url}#view=events`);
    const events = page.locator('.events tr[data-row]');
    await events.first().waitFor();
    t.ok(await whole(events.first().locator('.text')), 'the reason of an event');
    t.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);

    // The tiles fill their rows, and none stands alone in a row of several.
    for (const place of ['', `#destination=${nameOf(0)}`]) {
      await page.goto(`${sidecar.url}${place}`);
      await page.locator('.figure').first().waitFor();
      const lines = await page.locator('.figure').evaluateAll((tiles) => {
        const byTop = new Map<number, number[]>();
        for (const tile of tiles) {
          const { top, right } = tile.getBoundingClientRect();
          byTop.set(Math.round(top), [...(byTop.get(Math.round(top)) ?? []), Math.round(right)]);
        }
        return [...byTop.values()].map((rights) => ({ tiles: rights.length, right: Math.max(...rights) }));
      });
      const ends = lines.map(({ right }) => right);
      t.ok(Math.max(...ends) - Math.min(...ends) <= 2, `${place}: rows end at ${ends.join(', ')}`);
      t.ok(lines.length === 1 || (lines.at(-1)?.tiles ?? 0) > 1, `${place}: none alone in the last row`);
    }
  });
