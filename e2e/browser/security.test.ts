import t from 'tap';
import type { StatusSnapshot } from '../../src/status/types.ts';
import { noChromium, open } from './chromium.ts';
import { madeUpEvent, madeUpRow, madeUpSnapshot } from './made-up.ts';
import { Origin } from './origin.ts';
import { RealSidecar } from './real-sidecar.ts';
import { ScriptedSidecar } from './scripted-sidecar.ts';

const SIZE = { destinations: 2, endpoints: 2, connections: 4 };
const MARKUP = '<img src=x onerror="globalThis.broken = 1"><script>globalThis.broken = 1</script>';

/** Everything that others have a say in is markup. */
function hostile(destination: string | null): StatusSnapshot {
  const snapshot = madeUpSnapshot(SIZE, 0, destination);
  return {
    ...snapshot,
    sidecar: { ...snapshot.sidecar, host: MARKUP, configFile: MARKUP },
    findings: [
      {
        code: MARKUP,
        severity: 'error',
        destination: MARKUP,
        title: MARKUP,
        detail: MARKUP,
        remedies: [MARKUP],
        lines: [MARKUP],
      },
    ],
    destinations: [{ ...madeUpRow(0, 0, SIZE), name: MARKUP, label: MARKUP, signals: [MARKUP] }],
    history: { [MARKUP]: snapshot.history['orders.shop:8080'] ?? { intervalMs: 5000, points: [] } },
    errors: [{ code: 'X', destination: MARKUP, count: 1, status: 502, lastTime: 0, lastMessage: MARKUP, hint: MARKUP }],
    events: [{ ...madeUpEvent(1), destination: MARKUP, text: MARKUP, endpoint: MARKUP, type: MARKUP }],
  };
}

t.test('words of others never become markup', { skip: noChromium }, async (t) => {
  const sidecar = await ScriptedSidecar.start(hostile);
  t.teardown(() => sidecar.stop());
  const { page, complaints } = await open(t);
  const name = encodeURIComponent(MARKUP);
  const places = [
    '',
    'view=events',
    'view=errors',
    'view=sidecar',
    ...['', '&view=events'].map((view) => `destination=${name}${view}`),
  ];
  for (const place of places) {
    await page.goto(`${sidecar.url}#${place}`);
    await page.getByText(MARKUP).first().waitFor();
    t.equal(await page.locator('main img, main script').count(), 0, place);
    t.equal(await page.evaluate(() => 'broken' in globalThis), false);
  }
  t.same(complaints, []);
});

t.test('a host name as strange as the listener admits is shown as it is', { skip: noChromium }, async (t) => {
  const origin = await Origin.start(t);
  const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.test:8080`;
  const strange = "o'rders&lt_$(x).test:8080";
  const sidecar = await RealSidecar.start(t, {
    yaml: `destinations:
  - match: "*.test:8080"
    endpoints: ["${origin.address}"]
  - match: "*.*.*.test:8080"
    endpoints: ["${origin.address}"]`,
  });
  const { page, complaints } = await open(t);
  await page.goto(sidecar.url);
  const status = await sidecar.get(strange);
  t.equal(await sidecar.get(long), 200);
  await page.locator('th.name a', { hasText: long }).click();
  await page.getByRole('heading', { name: long }).waitFor();
  t.equal(await page.evaluate(() => document.documentElement.scrollWidth), 1280);
  if (status === 200) await page.goto(`${sidecar.url}#destination=${encodeURIComponent(strange)}`);
  if (status === 200) await page.getByRole('heading', { name: strange }).waitFor();
  t.same(complaints, []);
});

t.test(
  'the policy lets no inline script or style run, no markup be made and no other host be asked',
  { skip: noChromium },
  async (t) => {
    const sidecar = await RealSidecar.start(t);
    const { page, complaints } = await open(t);
    const answer = await page.goto(sidecar.url);
    t.match(answer?.headers()['content-security-policy'], /default-src 'none'; script-src 'self'; style-src 'self';/);
    await page.locator('.fresh.live').waitFor();
    await page.getByRole('link', { name: 'Configuration' }).click();
    await page.getByText('listener.port').waitFor();
    t.same(complaints, [], 'the page itself needs none of it');

    const tried = await page.evaluate(async (elsewhere) => {
      const script = document.createElement('script');
      const text = 'globalThis.broken = 1';
      const tries: Record<string, string> = {};
      const attempt = async (name: string, act: () => unknown): Promise<void> => {
        try {
          await act();
          tries[name] = 'done';
        } catch {
          tries[name] = 'refused';
        }
      };
      await attempt('script text', () => {
        script.textContent = text;
      });
      await attempt('markup', () => {
        document.body.innerHTML = '<p>broken</p>';
      });
      await attempt('fetch', () => fetch(elsewhere));
      const style = document.createElement('style');
      style.textContent = 'body { display: none }';
      document.head.append(script, style);
      tries.ran = String('broken' in globalThis);
      tries.styled = getComputedStyle(document.body).display;
      return tries;
    }, 'http://127.0.0.1:1/');
    t.same(tried, { 'script text': 'refused', markup: 'refused', fetch: 'refused', ran: 'false', styled: 'block' });
  },
);
