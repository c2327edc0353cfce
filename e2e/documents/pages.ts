import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasCommands, type Place, type Step, stepsOf } from './page.ts';

/** The folder of the project. */
export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** The pages each of whose commands is run, in the order in which they are followed. */
const FOLLOWED = ['docs/getting-started.md', 'docs/tasks/*.md', 'docs/concepts/*.md'];

export type Page = { readonly name: string; readonly steps: readonly Step[] };

/** What there is to do in one place, page by page. */
export function pagesOf(place: Place): readonly Page[] {
  return FOLLOWED.flatMap((pattern) => globSync(pattern, { cwd: PROJECT }).toSorted())
    .map((name) => ({ name, text: readFileSync(join(PROJECT, name), 'utf8') }))
    .filter(({ text }) => hasCommands(text))
    .map(({ name, text }) => ({ name, steps: stepsOf(name, text).filter((step) => step.place === place) }))
    .filter(({ steps }) => steps.length > 0);
}
