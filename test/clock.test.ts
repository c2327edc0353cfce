import t from 'tap';
import { systemClock } from '../src/clock.ts';

t.test('a wait whose time is over already ends at once, without a warning of Node’s', async (t) => {
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.name);
  process.on('warning', listen);
  t.teardown(() => process.off('warning', listen));
  await new Promise<void>((resolve) => {
    // A timer that keeps the process alive, for the clock's own do not.
    const alive = setTimeout(() => {}, 60_000);
    systemClock.setTimer(() => {
      clearTimeout(alive);
      resolve();
    }, -0.001);
  });
  // Warnings are told in a turn of their own.
  await new Promise((resolve) => setImmediate(resolve));
  t.same(warnings, []);
});
