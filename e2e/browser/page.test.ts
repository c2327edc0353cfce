import type { Locator } from 'playwright-core';
import t from 'tap';
import type { DestinationRow, StatusSnapshot } from '../../src/status/types.ts';
import { until } from '../until.ts';
import { noChromium, open, textOf } from './chromium.ts';
import { madeUpRow, madeUpSnapshot, madeUpUpdate, nameOf } from './made-up.ts';
import { ScriptedSidecar } from './scripted-sidecar.ts';

const SIZE = { destinations: 12, endpoints: 6, connections: 20 };
const well = (destination: string | null): StatusSnapshot => madeUpSnapshot(SIZE, 0, destination);

function withRows(rows: readonly Partial<DestinationRow>[]): (destination: string | null) => StatusSnapshot {
  return (destination) => ({
    ...well(destination),
    destinations: rows.map((changes, index) => ({ ...madeUpRow(index, 0, SIZE), ...changes })),
  });
}

t.test('a destination has an address of its own, and back leads back', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page, complaints } = await open(t);
  await page.goto(`${sidecar.url}#destination=${nameOf(2)}&view=connections`);
  await page.getByRole('heading', { name: nameOf(2) }).waitFor();
  await page.getByRole('columnheader', { name: 'Why it closes' }).waitFor();
  t.equal(await page.locator('tr', { hasText: 'draining' }).locator('td.reason').textContent(), 'max age');
  await page.getByRole('link', { name: 'All destinations' }).click();
  await page.locator('th.name a', { hasText: nameOf(3) }).click();
  await page.getByRole('columnheader', { name: 'Endpoint' }).waitFor();
  t.equal(new URL(page.url()).hash, `#destination=${nameOf(3)}`);
  await page.goBack();
  await page.getByRole('searchbox').waitFor();
  await page.goBack();
  await page.getByRole('heading', { name: nameOf(2) }).waitFor();
  t.same(complaints, []);
});

t.test(
  'a link by a metric’s label leads to the destination, or to those that share it',
  { skip: noChromium },
  async (t) => {
    const rows = [
      { name: 'a.shop:80', label: 'alone' },
      { name: 'b.shop:80', label: 'both' },
      { name: 'c.shop:80', label: 'both' },
    ];
    const sidecar = await ScriptedSidecar.start(withRows(rows));
    t.teardown(() => sidecar.stop());
    const { page } = await open(t);
    await page.goto(`${sidecar.url}#destination=alone`);
    await page.getByRole('heading', { name: 'a.shop:80' }).waitFor();
    await page.getByText('Balanced by').waitFor();
    await page.goto(`${sidecar.url}#destination=both`);
    await page.getByText('2 of 3').waitFor();
    t.same(await page.locator('th.name a').allTextContents(), ['b.shop:80', 'c.shop:80']);
  },
);

t.test(
  'the table is filtered and sorted, and stands still between two points of the history',
  { skip: noChromium },
  async (t) => {
    const rows = [
      { name: 'a.shop:80', label: 'a', requestsPerSecond: 5 },
      { name: 'b.shop:80', label: 'b', requestsPerSecond: 50 },
      { name: 'c.mail:80', label: 'c', requestsPerSecond: 20 },
    ];
    const sidecar = await ScriptedSidecar.start(withRows(rows));
    t.teardown(() => sidecar.stop());
    const { page } = await open(t);
    await page.goto(sidecar.url);
    const names = () => page.locator('th.name a').allTextContents();
    await page.getByRole('button', { name: 'Requests/s' }).click();
    t.same(await names(), ['b.shop:80', 'c.mail:80', 'a.shop:80']);
    t.equal(await page.getByRole('columnheader', { name: 'Requests/s' }).getAttribute('aria-sort'), 'descending');

    const faster = { ...madeUpRow(0, 0, SIZE), name: 'a.shop:80', label: 'a', requestsPerSecond: 99 };
    sidecar.update(() => ({ ...madeUpUpdate(SIZE, 1, null), destinations: [faster] }));
    await page.locator('tr', { hasText: 'a.shop:80' }).getByText('99', { exact: true }).waitFor();
    t.same(await names(), ['b.shop:80', 'c.mail:80', 'a.shop:80']);
    sidecar.update(() => ({ ...madeUpUpdate(SIZE, 5, null), destinations: [] }));
    await until('the new order', async () => (await names())[0] === 'a.shop:80');

    await page.keyboard.press('/');
    await page.keyboard.type('SHOP');
    await page.getByText('2 of 3').waitFor();
    t.same(await names(), ['a.shop:80', 'b.shop:80']);
  },
);

t.test('a refused stream is made up for by asking, and found again', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  sidecar.refuseStreams(true);
  const { page } = await open(t);
  await page.goto(sidecar.url);
  await page.locator('.fresh.asking').waitFor();
  await page.locator('th.name a', { hasText: nameOf(0) }).waitFor();
  sidecar.snapshot = withRows([{ name: 'later.shop:80' }]);
  await page.locator('th.name a', { hasText: 'later.shop:80' }).waitFor();
  sidecar.refuseStreams(false);
  await page.locator('.fresh.live').waitFor({ timeout: 30_000 });
});

t.test('a stream that ends is opened again, and what came meanwhile is there', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.goto(sidecar.url);
  await page.locator('.fresh.live').waitFor();
  sidecar.snapshot = withRows([{ name: 'new.shop:80' }]);
  sidecar.cut();
  await page.locator('th.name a', { hasText: 'new.shop:80' }).waitFor();
  t.equal(await page.locator('tbody th.name').count(), 1);
  t.equal(sidecar.readers, 1);
});

t.test('the colours follow the system, or the choice that is remembered', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page } = await open(t, { colorScheme: 'dark' });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto(sidecar.url);
  const choice = page.getByRole('combobox', { name: 'Colours' });
  await choice.waitFor();
  const dark = await ground();
  await choice.selectOption('light');
  const light = await ground();
  t.not(light, dark);
  await page.reload();
  await choice.waitFor();
  t.equal(await ground(), light);
  t.equal(await choice.inputValue(), 'light');
  await choice.selectOption('auto');
  t.equal(await ground(), dark);
  await page.emulateMedia({ colorScheme: 'light' });
  t.equal(await ground(), light);
});

t.test('nothing is wider than a screen of 320 pixels', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start((destination) => ({
    ...well(destination),
    findings: [
      {
        code: 'made_up',
        severity: 'error',
        destination: nameOf(0),
        title: `A title with ${'a-very-long-name.'.repeat(12)}`,
        detail: 'x'.repeat(300),
        remedies: ['y'.repeat(300)],
        lines: ['z'.repeat(300)],
      },
    ],
  }));
  t.teardown(() => sidecar.stop());
  const { page } = await open(t, { viewport: { width: 320, height: 700 } });
  const places = ['', 'view=events', 'view=errors', 'view=configuration', 'view=sidecar', `destination=${nameOf(0)}`];
  for (const place of places) {
    await page.goto(`${sidecar.url}#${place}`);
    await page.locator('.finding').waitFor();
    t.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320, place);
  }
  await page.goto(sidecar.url);
  const name = page.locator('th.name a').first();
  t.equal(await name.isVisible(), true);
  t.match(await textOf(page.locator('td.requests').first()), /\d/);
});

t.test('the configuration in force is shown with where it comes from', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.goto(`${sidecar.url}#view=configuration`);
  const row = page.getByRole('row', { name: /listener\.port/ });
  t.match(await textOf(row), /14140environment CARPOOL_LISTENER_PORT/);
  t.equal(await page.getByText('defaults.pool.maxAge').count(), 0);
  await page.getByRole('checkbox', { name: 'defaults too' }).check();
  await page.getByText('defaults.pool.maxAge').waitFor();
});

t.test('a page that nobody looks at lets go of the stream after a minute', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.clock.install();
  await page.goto(sidecar.url);
  await page.locator('.fresh.live').waitFor();
  const show = (shown: boolean) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, !shown);
  await show(false);
  for (let second = 0; second < 12; second++) {
    await page.clock.runFor(5000);
    sidecar.update(() => madeUpUpdate(SIZE, second, null));
  }
  await page.locator('.fresh.asleep').waitFor();
  await until('its leaving', () => sidecar.readers === 0);
  await show(true);
  await page.locator('.fresh.live').waitFor();
  t.equal(sidecar.readers, 1);
});

t.test('a page that was opened behind others lets go of the stream, too', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.clock.install();
  await page.addInitScript(() => Object.defineProperty(document, 'hidden', { value: true, configurable: true }));
  await page.goto(sidecar.url);
  await page.locator('.fresh.live').waitFor();
  await page.clock.runFor(62_000);
  await page.locator('.fresh.asleep').waitFor();
  await until('its leaving', () => sidecar.readers === 0);
});

t.test('a stream that is taken and never answered is asked for again', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.clock.install();
  let asked = 0;
  await page.route('**/status/stream', async (route) => {
    asked++;
    if (asked > 1) await route.continue();
  });
  await page.goto(sidecar.url);
  await page.getByText('Connecting …').first().waitFor();
  await page.clock.runFor(16_000);
  await page.locator('.fresh.live').waitFor();
  t.equal(asked, 2);
});

t.test('a configuration that the sidecar refuses to tell is not taken for one', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.route('**/debug/config?sources', (route) => route.fulfill({ status: 503, json: { code: 'BUSY' } }));
  await page.goto(`${sidecar.url}#view=configuration`);
  await page.getByText('It could not be read: Error: the sidecar answered 503').waitFor();
  t.equal(await page.locator('tr[data-row]').count(), 0);
  t.equal(await page.getByText('all values are defaults').count(), 0);
});

t.test('a sidecar that has said nothing for five seconds is not told to be well', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page, complaints } = await open(t);
  await page.clock.install();
  await page.goto(sidecar.url);
  const calm = page.getByRole('heading', { name: 'All is well' });
  await calm.waitFor();
  const figures = page.locator('.figures');
  const opacity = () => figures.evaluate((element) => Number(getComputedStyle(element).opacity));
  t.equal(await opacity(), 1);

  await page.clock.runFor(7000);
  const silence = page.getByRole('heading', { name: /^No answer from the sidecar for 7/ });
  await silence.waitFor();
  t.equal(await calm.isVisible(), false);
  t.equal(await page.getByText('Nothing needs attention').isVisible(), false);
  t.ok((await opacity()) < 0.5, 'old figures are pale');
  t.equal(await textOf(page.locator('.standing .badge')), 'no answer');
  const box = page.locator('.silence');
  t.match(await textOf(box), /may have been stopped or restarted.*port-forward/s);
  t.ok(await box.getByText('kubectl get pod', { exact: false }).isVisible());
  t.ok(await box.getByText('carpool stats', { exact: true }).isVisible());

  sidecar.update(() => madeUpUpdate(SIZE, 1, null));
  await calm.waitFor();
  t.equal(await silence.count(), 0);
  t.equal(await opacity(), 1);
  t.same(complaints, []);
});

t.test('a page that never had an answer says so, too', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(well);
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.clock.install();
  await page.route('**/status*', (route) => route.abort());
  await page.route('**/status/stream', (route) => route.abort());
  await page.goto(sidecar.url);
  await page.locator('.fresh.gone').waitFor();
  await page.clock.runFor(9000);
  await page.getByRole('heading', { name: 'No answer from the sidecar for 9' }).waitFor();
  t.equal(await page.getByText('What stands below').count(), 0);
});

t.test(
  'a filter without a match says so, and what was not sent has no share of failures',
  { skip: noChromium },
  async (t) => {
    const idle = { requestsPerSecond: 0, failedShare: 0, reuseShare: null, p50Ms: null, p99Ms: null };
    const rows = [
      { name: 'idle.shop:80', ...idle },
      { name: 'half.shop:80', requestsPerSecond: 10, failedShare: 0.07 },
    ];
    const sidecar = await ScriptedSidecar.start(withRows(rows));
    t.teardown(() => sidecar.stop());
    const { page } = await open(t);
    await page.goto(sidecar.url);
    const failed = (name: string) => page.locator('tr', { hasText: name }).locator('td.failed');
    t.equal(await textOf(failed('idle.shop:80')), '–');
    const colour = (element: Locator) => element.evaluate((each) => getComputedStyle(each).color);
    const tile = page.locator('.figure', { hasText: 'of all requests' }).locator('.value');
    t.equal(await colour(failed('half.shop:80')), await colour(tile));
    await page.goto(`${sidecar.url}#view=configuration`);
    await page.getByRole('row', { name: /listener\.port/ }).waitFor();
    await page.getByRole('searchbox').fill('no such thing');
    await page.getByText('No setting has that in its name or value.').waitFor();
    t.equal(await page.getByText('all values are defaults').count(), 0);
  },
);
