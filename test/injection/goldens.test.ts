import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { AS_KUBERNETES } from '../../src/cli/inject-edit.ts';
import { injectPod } from '../../src/injection/inject.ts';
import { readInjectionSettings } from '../../src/injection/settings-schema.ts';
import { workloadsIn } from '../../src/injection/workloads.ts';
import {
  GOLDEN_VERSION,
  goldenFile,
  madeGolden,
  SHAPES,
  SHAPES_FOLDER,
  settingsFile,
  settingsOf,
  shapeText,
} from './shapes.ts';

t.test('every shape comes out as its golden file has it, with the same words', async (t) => {
  t.ok(SHAPES.length >= 36);
  for (const name of SHAPES) t.equal(await madeGolden(name), readFileSync(goldenFile(name), 'utf8'), name);
});

t.test('no golden file and no settings are without their shape', (t) => {
  const known = SHAPES.flatMap((name) => [`${name}.yaml`, `${name}.golden.yaml`, settingsFile(name) ?? '']);
  for (const file of readdirSync(SHAPES_FOLDER))
    t.ok(known.includes(file) || existsSync(`${SHAPES_FOLDER}/${file.replace('.settings.yaml', '.yaml')}`), file);
  t.end();
});

t.test('what the command writes is what the function gives', (t) => {
  const trees = (text: string): unknown[] => parseAllDocuments(text, AS_KUBERNETES).map((document) => document.toJS());
  for (const name of SHAPES) {
    const after = trees(readFileSync(goldenFile(name), 'utf8')).flatMap((tree) => workloadsIn(tree));
    const before = trees(shapeText(name)).flatMap((tree) => workloadsIn(tree));
    t.ok(before.length > 0, name);
    const made = before.map(
      ({ template }) => injectPod(template, settingsOf(name), { version: GOLDEN_VERSION, existing: 'replace' }).pod,
    );
    t.strictSame(
      after.map(({ template }) => template),
      made,
      name,
    );
  }
  t.end();
});

t.test('the settings of the shapes are right', (t) => {
  for (const name of SHAPES) t.ok('settings' in readInjectionSettings(settingsOf(name)), name);
  t.end();
});
