import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureBroken } from './resilience/broken.ts';
import { measureCost } from './resilience/cost.ts';
import { measureFlaky, measureIdleResets } from './resilience/flaky.ts';
import { measureGuide } from './resilience/guide.ts';
import { measureOutage } from './resilience/outage.ts';
import { brokenTable, costTable, flakyTable, guideTable, idleResetTable, outageTable } from './resilience/tables.ts';
import { Children, findProgram, pinSelf } from './rig/children.ts';
import { machine } from './rig/machine.ts';
import { startOrigins } from './rig/origins.ts';

const PARTS = ['broken', 'flaky', 'idle-resets', 'outage', 'guide', 'cost'] as const;

const USAGE = `What clients see while upstreams fail, what pooling is worth then, and what the mechanisms cost where nothing fails.
  --parts A,B        of ${PARTS.join(' ')} (default all)
  --seconds N        of each measurement (default 8)
  --rounds N         paired rounds of the cost (default 20)
  --entry FILE       another build of carpool than dist/carpool.js
  --json FILE        every row
  --quick            shorter and fewer, to see that it works`;

/** `make bench-resilience`. See docs/benchmarks.md. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      parts: { type: 'string' },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      entry: { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const { quick, entry } = values;
  const seconds = Number(values.seconds ?? (quick ? 2 : 8));
  const chosen = values.parts?.split(',') ?? null;
  for (const part of chosen ?? [])
    if (!PARTS.some((each) => each === part)) throw new Error(`there is no part ${part}: ${PARTS.join(' ')}`);
  const wanted = (part: (typeof PARTS)[number]): boolean => chosen === null || chosen.includes(part);
  pinSelf();
  const children = new Children();
  const rows: Record<string, unknown> = {};
  const tell = <T>(part: string, title: string, result: T, table: (result: T) => string): void => {
    rows[part] = result;
    console.log(`\n## ${title}\n\n${table(result)}`);
  };

  if (wanted('broken'))
    tell(
      'broken',
      'one of three endpoints is broken, 500 GET/s',
      await measureBroken(children, seconds, entry),
      brokenTable,
    );
  if (wanted('flaky'))
    tell(
      'flaky',
      'all endpoints fail now and then, 500 GET/s',
      await measureFlaky(children, seconds * 2, entry),
      flakyTable,
    );
  if (wanted('idle-resets'))
    tell(
      'idle-resets',
      'a tenth of the connections is reset just after an answer',
      await measureIdleResets(children, quick ? 30 : 200, entry),
      idleResetTable,
    );
  if (wanted('outage'))
    tell(
      'outage',
      'nothing works, 200 GET/s',
      await measureOutage(children, Math.max(seconds, quick ? 2 : 12), entry),
      outageTable,
    );
  if (wanted('guide')) {
    const result = await measureGuide(children, quick ? 1 : Math.min(seconds, 5), entry);
    tell(
      'guide',
      'with and without a pool, while a share fails (response time-out 200 ms, 3 tries)',
      result,
      guideTable,
    );
  }
  if (wanted('cost')) {
    if (findProgram('wrk') === null) throw new Error('wrk is missing: run bench/setup.sh');
    await startOrigins(children);
    const rounds = Number(values.rounds ?? (quick ? 2 : 20));
    tell(
      'cost',
      'CPU of a request with everything on, against off',
      await measureCost(children, rounds, quick ? 1 : 3, entry),
      costTable,
    );
  }
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify({ at: new Date(), machine: machine(), rows }, null, 1)}\n`);
}

try {
  await main();
  process.exit(0);
} catch (problem) {
  console.error(problem instanceof Error ? problem.message : problem);
  process.exit(1);
}
