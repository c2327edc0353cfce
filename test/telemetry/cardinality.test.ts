import { Agent, get } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import type { DestinationObserver } from '../../src/observer.ts';
import { configuredLabel, DestinationLabels } from '../../src/telemetry/destination-labels.ts';
import { call } from '../admin/call.ts';
import { startSidecar } from '../sidecar.ts';
import { TestClock } from '../test-clock.ts';
import { testConfig } from './fake-inspector.ts';

/** Names enough that whatever grows by name would show. A million behave the same, and take half a minute. */
const NAMES = 200_000;

/** What the metrics may have: of each label 120 series, and 200 of the sidecar as a whole. */
const mostSeries = (labels: number): number => 120 * labels + 200;

const seriesOf = (text: string): number =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;

t.test('however many host names there are, they make fifty labels and one for the rest', (t) => {
  const clock = new TestClock();
  const labels = new DestinationLabels({ clock, maxDestinations: 50 });
  const policy = testConfig().defaults;
  const entry = {
    name: null,
    match: { host: '*.shop', port: 80 },
    policy,
    endpoints: null,
    to: null,
    localPort: null,
    basePath: '',
    mode: null,
    fleet: { maxConnections: null },
  };
  const open: DestinationObserver[] = [];
  let labelled = 0;
  for (let index = 0; index < NAMES; index++) {
    const configured = index % 2 === 0;
    const name = configured ? `pod-${index}.shop:80` : `host-${index}.example:80`;
    const observer = labels.open(name, configured ? configuredLabel(entry) : null);
    observer.requestEnded(0, 200, 1);
    observer.error('NO_ROUTE');
    if (observer.label !== 'other') labelled++;
    // As many as the router keeps: the oldest goes.
    const oldest = open[index % 10_000];
    if (oldest !== undefined) labels.close(oldest);
    open[index % 10_000] = observer;
    if (index % 50_000 === 0) labels.collect();
  }
  labels.collect();
  const names = [...labels.groups()].map(({ label }) => label);
  t.equal(names.length, 52, 'fifty names, the pattern, and the rest');
  t.ok(names.includes('*.shop:80') && names.includes('other'));
  t.equal(labels.totals().requestDuration.total, NAMES, 'and nothing is lost');
  t.ok(labelled >= NAMES / 2);
  t.end();
});

/** Asks for so many addresses of which none answers: each is a destination of its own. */
async function askForAddresses(port: number, from: number, to: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  let next = from;
  const one = async (): Promise<void> => {
    while (next < to) {
      const index = next++;
      const host = `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}:1`;
      await new Promise<void>((resolve, reject) => {
        get({ host: '127.0.0.1', port, path: `http://${host}/`, headers: { host }, agent }, (answer) =>
          answer.resume().on('end', resolve),
        ).on('error', reject);
      });
    }
  };
  await Promise.all([one(), one(), one(), one()]);
  agent.destroy();
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

t.test('thousands of destinations through a real listener keep series and memory in their bounds', async (t) => {
  const { operatorPort, port, clock } = await startSidecar(t, {
    limits: { destinations: 300 },
    telemetry: { logLevel: 'error' },
  });
  const where = { port: operatorPort };
  const scrape = async () => seriesOf((await call(where, '/metrics')).body);
  const round = async (from: number, to: number) => {
    await askForAddresses(port, from, to);
    clock.advance(6000);
    t.ok((await scrape()) <= mostSeries(51), `${await scrape()} series`);
    const status = JSON.parse((await call(where, '/status')).body);
    t.ok(status.destinations.length <= 300 && Object.keys(status.history).length <= 200);
    t.ok(status.errors.length <= 500 && status.events.length <= 200);
    return heapBytes();
  };
  const before = await round(0, 1000);
  const after = await round(1000, 3000);
  t.ok(after - before < 4_000_000, `${after - before} bytes more`);
});
