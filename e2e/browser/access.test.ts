import axe from 'axe-core';
import type { Page } from 'playwright-core';
import t from 'tap';
import type { Finding, StatusSnapshot } from '../../src/status/types.ts';
import { until } from '../until.ts';
import { noChromium, open, textOf } from './chromium.ts';
import { madeUpSnapshot, madeUpUpdate, nameOf } from './made-up.ts';
import { ScriptedSidecar } from './scripted-sidecar.ts';

const SIZE = { destinations: 60, endpoints: 6, connections: 20 };

const FINDING: Finding = {
  code: 'made_up',
  severity: 'error',
  destination: nameOf(1),
  title: 'The pool is full',
  detail: 'All of its connections are in use.',
  remedies: ['Raise its limit.'],
  lines: ['pool: { maxConnections: 40 }', 'carpool pools'],
};

/** Something of each kind that the page can show. */
function everything(destination: string | null): StatusSnapshot {
  const snapshot = madeUpSnapshot(SIZE, 0, destination);
  return {
    ...snapshot,
    findings: [
      FINDING,
      { ...FINDING, severity: 'warning', destination: null },
      { ...FINDING, severity: 'info', code: 'x' },
    ],
    destinations: snapshot.destinations.map((row, index) => ({
      ...row,
      utilization: [0.5, 0.75, 0.95][index] ?? row.utilization,
      breaker: index === 0 ? 'open' : 'closed',
      paused: index === 1,
      pending: index === 2 ? 3 : 0,
    })),
    errors: [
      {
        code: 'ACQUIRE_TIMEOUT',
        destination: nameOf(1),
        count: 3,
        status: 504,
        lastTime: 0,
        lastMessage: 'words',
        hint: 'a hint',
      },
    ],
  };
}

const VIEWS = [
  ['#', 'Last 5 min'],
  ['#view=events', 'What happened, and why'],
  ['#view=errors', 'a hint'],
  ['#view=configuration', 'listener.port'],
  ['#view=sidecar', 'Requests under way'],
  [`#destination=${nameOf(1)}`, 'Idle time'],
  [`#destination=${nameOf(1)}&view=connections`, 'Why it closes'],
] as const;

for (const colorScheme of ['light', 'dark'] as const)
  t.test(`axe finds nothing against any view, ${colorScheme}`, { skip: noChromium }, async (t) => {
    const sidecar = await ScriptedSidecar.start(everything);
    t.teardown(() => sidecar.stop());
    // What axe itself does is not the page's doing.
    const { page } = await open(t, { colorScheme, bypassCSP: true, reducedMotion: 'reduce' });
    for (const [place, words] of VIEWS) {
      await page.goto(`${sidecar.url}${place}`);
      await page.getByText(words).first().waitFor();
      await page.evaluate(axe.source);
      const found = await page.evaluate(
        'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => html + failureSummary)]))',
      );
      t.same(found, [], place);
    }
  });

t.test('everything is reached by the keyboard, and one sees where one is', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(everything);
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.goto(sidecar.url);
  await page.locator('.fresh.live').waitFor();
  const met: string[] = [];
  for (let step = 0; step < 45; step++) {
    await page.keyboard.press('Tab');
    const { name, outlined } = await focused(page);
    t.ok(outlined, `${name} shows its focus`);
    met.push(name);
  }
  for (const name of [
    'Skip to content',
    'Copy',
    `Look at ${nameOf(1)}`,
    'Events',
    'Filter destinations',
    'Requests/s',
    nameOf(0),
  ])
    t.ok(
      met.some((each) => each.startsWith(name)),
      name,
    );

  await page.keyboard.press('/');
  t.equal((await focused(page)).name, 'Filter destinations');
  await page.keyboard.type(nameOf(4));
  await page.keyboard.press('Escape');
  await page.getByText('1 of 60').waitFor();
  const link = page.locator('th.name a', { hasText: nameOf(4) });
  await link.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: nameOf(4) }).waitFor();
  await until('focus on the heading', async () => (await focused(page)).name === nameOf(4));
  await page.keyboard.press('Escape');
  await page.getByRole('searchbox').waitFor();
});

t.test('a row keeps the focus while its numbers change and it moves', { skip: noChromium }, async (t) => {
  const size = { ...SIZE, destinations: 12 };
  const sidecar = await ScriptedSidecar.start((destination) => madeUpSnapshot(size, 0, destination));
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.goto(sidecar.url);
  await page.getByRole('button', { name: 'Requests/s' }).click();
  const names = () => page.locator('th.name a').allTextContents();
  const before = await names();
  await page.locator('th.name a', { hasText: nameOf(5) }).focus();
  for (let step = 5; step <= 15; step += 5) sidecar.update(() => madeUpUpdate(size, step, null));
  await until('another place', async () => (await names()).indexOf(nameOf(5)) !== before.indexOf(nameOf(5)));
  t.equal((await focused(page)).name, nameOf(5));
});

t.test('a new finding is announced once; numbers that change are not', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start((destination) => madeUpSnapshot(SIZE, 0, destination));
  t.teardown(() => sidecar.stop());
  const { page } = await open(t);
  await page.goto(sidecar.url);
  await page.locator('.fresh.live').waitFor();
  const status = page.locator('#page > .frame > [role=status]');
  t.equal(await textOf(status), '');
  const spoken = await page.evaluateHandle(() => {
    const words: string[] = [];
    const region = document.querySelector('#page > .frame > [role=status]');
    if (region !== null)
      new MutationObserver(() => words.push(region.textContent ?? '')).observe(region, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    return words;
  });
  for (let step = 1; step <= 3; step++)
    sidecar.update(() => ({
      ...madeUpUpdate(SIZE, step, null),
      findings: [{ ...FINDING, title: `${step} of 3 in use` }],
    }));
  await until('the announcement', async () => (await spoken.jsonValue()).length > 0);
  t.same(await spoken.jsonValue(), ['New error: 1 of 3 in use']);
  await page.getByText('3 of 3 in use').waitFor();
  t.match(await page.title(), /^\(1\) /);
});

async function focused(page: Page): Promise<{ readonly name: string; readonly outlined: boolean }> {
  return await page.evaluate(() => {
    const element = document.activeElement;
    if (element === null) return { name: '', outlined: false };
    const style = getComputedStyle(element);
    const label = element.getAttribute('aria-label') ?? element.textContent ?? '';
    return {
      name: label.trim(),
      outlined: style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 2,
    };
  });
}
