import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { runCheck } from '../../src/cli/check.ts';
import { readInjectionSettings } from '../../src/injection/settings-schema.ts';
import { chartSchema } from '../../src/packaging/chart-schema.ts';
import { valuesIn } from './values-in-docs.ts';

const PAGES = ['docs/installing.md', 'docs/alerts.md', 'docs/dashboards.md', 'README.md'];

t.test(
  'examples of values in the pages: carpool runs with their configuration, and injects with their settings',
  async (t) => {
    let configurations = 0;
    for (const { page, values } of PAGES.flatMap(valuesIn)) {
      if (values.config !== undefined) {
        configurations++;
        const file = join(t.testdir(), 'carpool.yaml');
        writeFileSync(file, stringify(values.config));
        const problems: string[] = [];
        const code = runCheck(file, { out: () => {}, err: (line) => problems.push(line) });
        t.equal(code, 0, `${page}: ${problems.join('\n')}`);
      }
      if (values.inject !== undefined)
        t.ok(
          'settings' in readInjectionSettings(values.inject, 'carpool:test'),
          `${page}: ${JSON.stringify(values.inject)}`,
        );
    }
    t.ok(configurations > 0, 'there is one at least');
  },
);

t.test('the table of values in the README has a row for each group of the schema', async (t) => {
  const readme = readFileSync(join(import.meta.dirname, '../../charts/carpool/README.md'), 'utf8');
  const { properties } = chartSchema();
  const names = Object.keys(parse(JSON.stringify(properties)));
  for (const name of names.filter((each) => each !== 'global' && each !== 'enabled')) t.match(readme, `| \`${name}`);
});
