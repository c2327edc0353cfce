import { setTimeout as wait } from 'node:timers/promises';

/**
 * Waits for something that another process does, by looking again and again.
 * @returns what `look` found: anything but null and false
 * @throws when that takes longer than `withinMs`, with what was waited for
 */
export async function until<T>(
  what: string,
  look: () => T | null | false | Promise<T | null | false>,
  withinMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for: ${what}`);
    await wait(20);
  }
}
