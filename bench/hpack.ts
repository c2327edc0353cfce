import { parseArgs } from 'node:util';
import { blockWorks } from './micro/block-works.ts';
import { frameWorks } from './micro/frame-works.ts';
import { measureWork } from './micro/rounds.ts';
import { figure, formatTable } from './rig/table.ts';

const USAGE = `HTTP/2's codecs by themselves, in this process: nanoseconds for one head or frame.
  --rounds N         rounds (default 15)
  --json             one line of JSON instead of a table`;

/** What reading and writing field blocks and frames costs without a socket. See docs/benchmarks.md. */
function main(): void {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '15' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds wants a whole number above 0');
  const figures = measureWork([...blockWorks(), ...frameWorks()], rounds);
  if (values.json) {
    console.log(JSON.stringify(figures));
    return;
  }
  const rows = figures.map(({ name, medianNs, minimumNs }) => [name, figure(medianNs), figure(minimumNs)]);
  console.log(`# node ${process.version}, ${rounds} rounds\n\n${formatTable(['', 'median ns', 'least ns'], rows)}`);
}

try {
  main();
} catch (problem) {
  console.error(problem instanceof Error ? problem.message : problem);
  process.exitCode = 1;
}
