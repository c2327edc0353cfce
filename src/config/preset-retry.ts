import type { Origin } from './layers.ts';

const STATUSES = ['retry.statusCodes', 'retry.unsafeStatuses'] as const;

/**
 * Takes a preset's statuses out of a policy whose `attempts` or `on` leave no room for them: who wrote those has said
 * that statuses are not to be tried again.
 * @param values raw values of one policy
 * @param prefix of their paths in `values`
 * @param origin where the value of a path (without the prefix) is from
 * @param moved takes each path that is empty now, and whose word that is
 */
export function dropPresetStatuses(
  values: Map<string, unknown>,
  prefix: string,
  origin: (path: string) => Origin | undefined,
  moved: (path: string, by: Origin) => void,
): void {
  const attempts = values.get(`${prefix}retry.attempts`);
  const on = values.get(`${prefix}retry.on`);
  const by =
    typeof attempts === 'number' && attempts < 2
      ? origin('retry.attempts')
      : Array.isArray(on) && !on.includes('status')
        ? origin('retry.on')
        : undefined;
  if (by === undefined) return;
  for (const path of STATUSES) {
    if (origin(path)?.kind !== 'preset') continue;
    values.set(prefix + path, []);
    moved(path, by);
  }
}
