import { parseArgs } from 'node:util';
import { median } from './rig/statistics.ts';
import { figure, formatTable } from './rig/table.ts';
import { busySidecar, makeBusy } from './views/busy-sidecar.ts';
import { type ScrapeCost, Scraper } from './views/scrape-cost.ts';

const USAGE = `What one look costs a busy sidecar, in this process: /metrics in both formats, /stats, /status.
  --destinations N   destinations (default 50)
  --endpoints N      endpoints of each (default 50)
  --requests N       requests to each before (default 200)
  --rounds N         scrapes of each kind (default 15)
  --json             one line of JSON instead of a table`;

const OPEN_METRICS = { accept: 'application/openmetrics-text; version=1.0.0' };
const KINDS: readonly { readonly name: string; readonly path: string; readonly headers: Record<string, string> }[] = [
  { name: '/metrics', path: '/metrics', headers: {} },
  { name: '/metrics, OpenMetrics', path: '/metrics', headers: OPEN_METRICS },
  { name: '/metrics, gzip', path: '/metrics', headers: { 'accept-encoding': 'gzip' } },
  { name: '/stats', path: '/stats', headers: {} },
  { name: '/status', path: '/status', headers: {} },
  { name: '/status?history=none', path: '/status?history=none', headers: {} },
  { name: '/status/endpoints', path: '/status/endpoints', headers: {} },
];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      destinations: { type: 'string', default: '50' },
      endpoints: { type: 'string', default: '50' },
      requests: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '15' },
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
  const scraper = new Scraper();
  try {
    await makeBusy(sidecar, Number(values.requests));
    const figures = [];
    for (const { name, path, headers } of KINDS) {
      const costs: ScrapeCost[] = [];
      // The first ones load and compile code.
      for (let round = 0; round < Number(values.rounds) + 5; round++)
        costs.push(await scraper.fetch(sidecar.operatorPort, path, headers));
      const counted = costs.slice(5);
      figures.push({
        name,
        totalMs: median(counted.map(({ totalMs }) => totalMs)),
        sliceMs: median(counted.map(({ sliceMs }) => sliceMs)),
        firstMs: costs[0]?.totalMs ?? 0,
        bytes: counted[0]?.bytes ?? 0,
        series: counted[0]?.series ?? 0,
      });
    }
    if (values.json) {
      console.log(JSON.stringify(figures));
      return;
    }
    const rows = figures.map(({ name, totalMs, sliceMs, firstMs, bytes, series }) => [
      name,
      figure(totalMs),
      figure(sliceMs),
      figure(firstMs),
      String(bytes),
      name.startsWith('/metrics') && !name.endsWith('gzip') ? String(series) : '',
    ]);
    console.log(
      `# node ${process.version}, ${values.destinations} destinations × ${values.endpoints} endpoints, ${values.requests} requests to each\n`,
    );
    console.log(formatTable(['', 'total ms', 'longest slice ms', 'first total ms', 'bytes', 'series'], rows));
  } finally {
    await scraper.close();
    await sidecar.close();
  }
}

main().catch((problem: unknown) => {
  console.error(problem instanceof Error ? problem.message : problem);
  process.exitCode = 1;
});
