import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { AS_KUBERNETES } from '../../src/cli/inject-edit.ts';
import type { PodObject } from '../../src/injection/inject.ts';
import type { InjectionSettings } from '../../src/injection/settings.ts';
import { readInjectionSettings } from '../../src/injection/settings-schema.ts';
import { workloadsIn } from '../../src/injection/workloads.ts';
import { runCli } from '../cli/run-cli.ts';

/**
 * The shapes of pods that injection is tested with: `shapes/NAME.yaml` goes in, `shapes/NAME.golden.yaml` must come out, with what
 * is said on standard error as comments at its head. `NAME.settings.yaml` has the settings where they are not the defaults.
 */

export const SHAPES_FOLDER = join(import.meta.dirname, 'shapes');

/** In the goldens, so that they outlive a release. */
export const GOLDEN_VERSION = '0.0.0';

const fileOf = (name: string, kind: string): string => join(SHAPES_FOLDER, `${name}${kind}.yaml`);

export const SHAPES: readonly string[] = readdirSync(SHAPES_FOLDER)
  .filter((file) => /^[a-z-]+\.yaml$/.test(file))
  .map((file) => file.slice(0, -'.yaml'.length))
  .sort();

export const shapeText = (name: string): string => readFileSync(fileOf(name, ''), 'utf8');
export const goldenFile = (name: string): string => fileOf(name, '.golden');
export const settingsFile = (name: string): string | null => {
  const file = fileOf(name, '.settings');
  return existsSync(file) ? file : null;
};

/** The arguments of `carpool inject` for a text of a shape. */
export function injectArguments(name: string, more: readonly string[] = []): readonly string[] {
  const settings = settingsFile(name);
  return ['inject', ...(settings === null ? [] : ['--settings', settings]), ...more];
}

/** What `carpool inject` makes of a shape, as its golden file has it. */
export async function madeGolden(name: string): Promise<string> {
  const { code, out, err } = await runCli(injectArguments(name, ['-f', fileOf(name, '')]), { version: GOLDEN_VERSION });
  if (code !== 0) throw new Error(`${name}: exit code ${code}: ${err}`);
  return `${err.replaceAll(`${SHAPES_FOLDER}/`, '').replace(/^(?=.)/gm, '# ')}${out}`;
}

/** The settings that a shape is injected with. */
export function settingsOf(name: string): InjectionSettings {
  const file = settingsFile(name);
  const tree: unknown = file === null ? {} : parse(readFileSync(file, 'utf8'));
  const read = readInjectionSettings(tree, `carpool:${GOLDEN_VERSION}`);
  if ('problems' in read) throw new Error(`${name}: ${read.problems.join('; ')}`);
  return read.settings;
}

/** Every pod template of the shapes, with the settings that it is injected with. */
export function shapeTemplates(): readonly {
  readonly name: string;
  readonly template: PodObject;
  readonly settings: InjectionSettings;
}[] {
  return SHAPES.flatMap((name) =>
    parseAllDocuments(shapeText(name), AS_KUBERNETES).flatMap((document) =>
      workloadsIn(document.toJS()).map(({ template }) => ({ name, template, settings: settingsOf(name) })),
    ),
  );
}
