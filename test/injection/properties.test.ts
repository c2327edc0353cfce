import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { injectPod, type PodObject } from '../../src/injection/inject.ts';
import { removeInjection } from '../../src/injection/remove.ts';
import type { InjectionSettings } from '../../src/injection/settings.ts';
import { frozen, pods, SETTINGS } from './pods.ts';
import { shapeTemplates } from './shapes.ts';
import { hasRecord, stale, withoutOurs } from './untouched.ts';

const MODES = ['keep', 'replace'] as const;

const same = (a: unknown, b: unknown): boolean => {
  // Order of keys, too: a rollout must not come of a difference that means nothing.
  return JSON.stringify(a) === JSON.stringify(b);
};

/** Runs a check on every shape and on made-up pods. */
function onPods(t: Test, check: (pod: PodObject, settings: InjectionSettings) => boolean): void {
  for (const { name, template, settings } of shapeTemplates()) t.ok(check(frozen(template), settings), name);
  const variants: InjectionSettings[] = [
    SETTINGS,
    { ...SETTINGS, mode: 'legacy', httpsProxy: true },
    { ...SETTINGS, java: true, apiAccess: false, env: { CARPOOL_TELEMETRY_LOG_LEVEL: 'debug' } },
  ];
  fc.assert(
    fc.property(pods, fc.constantFrom(...variants), (pod, settings) => check(frozen(pod), settings)),
    { numRuns: 400 },
  );
}

for (const existing of MODES) {
  const inject = (pod: PodObject, settings: InjectionSettings) => injectPod(pod, settings, { version: '1', existing });

  t.test(`injected twice is injected once (${existing})`, (t) => {
    onPods(t, (pod, settings) => {
      const once = inject(pod, settings);
      const twice = inject(frozen(once.pod), settings);
      return twice.pod === once.pod && twice.outcome === (once.outcome === 'injected' ? 'unchanged' : once.outcome);
    });
    t.end();
  });

  t.test(`taken out again a pod is what it was (${existing})`, (t) => {
    onPods(t, (pod, settings) => {
      const { pod: after, outcome } = inject(pod, settings);
      // Some shapes are injected already, or have the record of another pod.
      return (
        outcome !== 'injected' || isDeepStrictEqual(removeInjection(frozen(after)), removeInjection(pod)) || stale(pod)
      );
    });
    t.end();
  });

  t.test(`nothing else of a pod changes (${existing})`, (t) => {
    onPods(t, (pod, settings) => {
      const { pod: after, outcome } = inject(pod, settings);
      if (outcome !== 'injected') return after === pod || existing === 'replace';
      return hasRecord(pod) || same(withoutOurs(after, pod), withoutOurs(pod, pod));
    });
    t.end();
  });
}

t.test('the two ways give the same for a pod that has nothing of carpool', (t) => {
  onPods(t, (pod, settings) => {
    if (hasRecord(pod)) return true;
    const [kept, replaced] = MODES.map((existing) => injectPod(pod, settings, { version: '1', existing }));
    return same(kept, replaced);
  });
  t.end();
});
