import { readFileSync } from 'node:fs';
import t from 'tap';
import { DURATION_BUCKETS } from '../../src/observer.ts';
import { METRICS } from '../../src/telemetry/metric-definitions.ts';

const PAGE = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');

t.test('the page lists every metric with its type and its labels, and no other', (t) => {
  const rows = PAGE.split('\n')
    .filter((line) => line.startsWith('| `carpool_'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, name = '', type = '', labels = '']) => ({
      name: name.replaceAll('`', ''),
      type,
      labels: labels === '' ? [] : labels.split(',').map((label) => label.trim().replaceAll('`', '')),
    }));
  const listed = new Map(rows.map((row) => [row.name, row]));
  t.equal(listed.size, rows.length, 'each once');
  for (const { name, type, labels } of METRICS) t.same(listed.get(name), { name, type, labels: [...labels] });
  t.equal(rows.length, METRICS.length);
  t.end();
});

t.test('the page names the buckets that there are', (t) => {
  t.same(DURATION_BUCKETS, [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30], 'change docs/metrics.md with them');
  t.match(PAGE, /buckets 1, 5, 25, 100 and 500 milliseconds, 1, 5 and 30 seconds/);
  t.end();
});

t.test('metrics are named as the conventions want it', (t) => {
  for (const { name, type, labels } of METRICS) {
    t.match(name, /^carpool_[a-z][a-z_]*[a-z]$/);
    t.equal(name.endsWith('_total'), type === 'counter', name);
    if (type === 'histogram') t.match(name, /_seconds$/);
    for (const label of labels) t.match(label, /^[a-z_]+$/);
  }
  t.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
  t.end();
});
