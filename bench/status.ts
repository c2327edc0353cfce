import { setTimeout as passed } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median } from './rig/statistics.ts';
import { figure, formatTable } from './rig/table.ts';
import { type BusySidecar, busySidecar } from './views/busy-sidecar.ts';
import { StreamReader } from './views/stream-reader.ts';

const USAGE = `What an open status page costs: processor time of this process, sidecar and traffic, with a reader of
/status/stream and without one, in turns.
  --destinations N   destinations (default 100)
  --endpoints N      endpoints of each (default 50)
  --rate N           requests a second over all (default 200)
  --seconds N        how long a turn is (default 10)
  --rounds N         turns of each kind (default 6)
  --detail           the reader looks at one destination
  --json             one line of JSON instead of a table`;

/** Milliseconds of the processor that this thread has used. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Asks all destinations in their turn, at a fixed rate, until it is stopped. */
function traffic({ ask, names }: BusySidecar, rate: number): () => void {
  let next = 0;
  const timer = setInterval(() => {
    for (let each = 0; each < rate / 20; each++) void ask(names[next++ % names.length] ?? '', '/200');
  }, 50);
  return () => clearInterval(timer);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      destinations: { type: 'string', default: '100' },
      endpoints: { type: 'string', default: '50' },
      rate: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '6' },
      detail: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const sidecar = await busySidecar({
    destinations: Number(values.destinations),
    endpoints: Number(values.endpoints),
  });
  // All of them are there from the start.
  for (const name of sidecar.names) await sidecar.ask(name, '/200');
  const stop = traffic(sidecar, Number(values.rate));
  const reader = new StreamReader();
  const query = values.detail ? `?destination=${sidecar.names[0]}` : '';
  const shares: Record<'without' | 'with', number[]> = { without: [], with: [] };
  let bytes = 0;
  try {
    const turn = async (): Promise<number> => {
      const begun = threadMs();
      const at = performance.now();
      await passed(Number(values.seconds) * 1000);
      return (100 * (threadMs() - begun)) / (performance.now() - at);
    };
    await turn();
    for (let round = 0; round < Number(values.rounds); round++) {
      shares.without.push(await turn());
      await reader.open(sidecar.operatorPort, query);
      // The snapshot is no update.
      await passed(1500);
      const before = await reader.bytes();
      shares.with.push(await turn());
      bytes = ((await reader.bytes()) - before) / Number(values.seconds);
      await reader.leave();
    }
  } finally {
    stop();
    await reader.close();
    await sidecar.close();
  }
  const pairs = shares.with.map((share, round) => share - (shares.without[round] ?? 0));
  const figures = {
    without: median(shares.without),
    with: median(shares.with),
    more: median(pairs),
    bytesPerSecond: Math.round(bytes),
  };
  if (values.json) {
    console.log(JSON.stringify({ ...figures, pairs }));
    return;
  }
  console.log(
    `# node ${process.version}, ${values.destinations} destinations × ${values.endpoints} endpoints, ${values.rate} requests/s, ${values.rounds} rounds of ${values.seconds} s\n`,
  );
  console.log(
    formatTable(
      ['percent of a processor', 'without', 'with', 'more (median of pairs)', 'bytes/s'],
      [
        [
          'status page open',
          figure(figures.without, 2),
          figure(figures.with, 2),
          figure(figures.more, 2),
          String(figures.bytesPerSecond),
        ],
      ],
    ),
  );
}

main().catch((problem: unknown) => {
  console.error(problem instanceof Error ? problem.message : problem);
  process.exitCode = 1;
});
