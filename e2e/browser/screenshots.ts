import { writeFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { busyShop, EXHAUSTED_NAME, FLAPPING_NAME } from './busy-shop.ts';
import { PROGRAM } from './program.ts';

/**
 * Makes the pictures of docs/status-page.md: of a real sidecar under load, in about two minutes.
 *
 *   make build && node e2e/browser/screenshots.ts [FOLDER]     docs/pictures unless given
 */
const folder = process.argv[2] ?? 'docs/pictures';
const LOAD_SECONDS = 100;

const PICTURES = [
  { name: 'status-page', place: '', colorScheme: 'light', height: 960 },
  { name: 'status-page-dark', place: '', colorScheme: 'dark', height: 960 },
  { name: 'status-destination', place: `#destination=${EXHAUSTED_NAME}`, colorScheme: 'light', height: 960 },
  { name: 'status-endpoints', place: `#destination=${FLAPPING_NAME}`, colorScheme: 'dark', height: 1230 },
  { name: 'status-events', place: '#view=events', colorScheme: 'light', height: 620 },
] as const;

const ends: (() => void | Promise<void>)[] = [];
const sidecar = await busyShop({ teardown: (end) => ends.push(end) }, LOAD_SECONDS);
const browser = await chromium.launch({
  executablePath: PROGRAM,
  args: ['--no-sandbox', '--disable-gpu', '--font-render-hinting=none'],
});
for (const { name, place, colorScheme, height } of PICTURES) {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height } });
  const page = await context.newPage();
  await page.goto(`${sidecar.url}${place}`);
  await page.locator('tr[data-row]').first().waitFor();
  // The heading of a destination has the focus; in a picture that says nothing.
  await page.evaluate('document.activeElement.blur()');
  // WebP: a third of what PNG needs.
  const protocol = await context.newCDPSession(page);
  const { data } = await protocol.send('Page.captureScreenshot', { format: 'webp', quality: 88 });
  writeFileSync(`${folder}/${name}.webp`, Buffer.from(data, 'base64'));
  await context.close();
}
await browser.close();
for (const end of ends.reverse()) await end();
process.stdout.write(`${PICTURES.length} pictures in ${folder}\n`);
