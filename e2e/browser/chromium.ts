import { existsSync } from 'node:fs';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from 'playwright-core';
import tap, { type Test } from 'tap';
import { PROGRAM } from './program.ts';

/** Why there can be no browser here, or false. For tap's `skip`. */
export const noChromium: string | false = existsSync(PROGRAM) ? false : `no Chromium at ${PROGRAM} (e2e/setup.sh)`;

let started: Promise<Browser> | null = null;

/** One browser for all tests of a file; its processes end with the last of them. */
async function browser(): Promise<Browser> {
  if (started === null) {
    // As root it has no sandbox of its own, and in containers little shared memory.
    const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'];
    started = chromium.launch({ executablePath: PROGRAM, args });
    tap.teardown(async () => await (await started)?.close());
  }
  return await started;
}

/** What went wrong in a page while a test looked at it. */
export type Watched = { readonly page: Page; readonly context: BrowserContext; readonly complaints: readonly string[] };

/**
 * A page of a context of its own. Its complaints are uncaught errors and what the console calls an error: a violation of the
 * content security policy is one.
 */
export async function open(t: Test, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await (await browser()).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // That a stream ended is said there too; the tests that end it know.
    if (message.type() === 'error' && !message.text().includes('Failed to load resource'))
      complaints.push(message.text());
  });
  return { page, context, complaints };
}

/** The words of an element that is there. */
export async function textOf(element: Locator): Promise<string> {
  return (await element.textContent()) ?? '';
}
