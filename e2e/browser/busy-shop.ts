import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { Teardown } from '../teardown.ts';
import { Origin } from './origin.ts';
import { RealSidecar } from './real-sidecar.ts';

/** A destination of the shop: its endpoints, how long they take for an answer, how often it is called. */
type Stall = {
  readonly name: string;
  readonly endpoints: number;
  readonly delayMs: number;
  readonly perSecond: number;
  readonly more?: string;
};

/** At 110 ms each, four connections serve 36 requests a second. */
const FULL: Stall = {
  name: 'payments.shop:8080',
  endpoints: 3,
  delayMs: 110,
  perSecond: 44,
  more: 'pool: { maxConnections: 4, acquireTimeout: 500ms }, protocol: http1',
};
const FLAPPING: Stall = {
  name: 'inventory.shop:8080',
  endpoints: 4,
  delayMs: 9,
  perSecond: 25,
  more: 'healthCheck: { enabled: true, interval: 1s, timeout: 500ms, threshold: 1 }',
};
const STALLS: readonly Stall[] = [
  FULL,
  FLAPPING,
  { name: 'orders.shop:8080', endpoints: 3, delayMs: 14, perSecond: 40 },
  { name: 'customers.shop:8080', endpoints: 2, delayMs: 6, perSecond: 18 },
  { name: 'pricing.shop:8080', endpoints: 6, delayMs: 3, perSecond: 30 },
  { name: 'search.shop:9200', endpoints: 3, delayMs: 35, perSecond: 12 },
  { name: 'mail.shop:8025', endpoints: 1, delayMs: 60, perSecond: 3 },
];

/**
 * A real sidecar before real servers, under an open-loop load that comes in waves: one pool is exhausted when the wave is high, one
 * endpoint goes and comes back, and the others are well.
 * @returns after so many seconds; the load goes on until the end
 */
export async function busyShop(t: Teardown, seconds: number): Promise<RealSidecar> {
  let yaml = 'destinations:\n';
  let flapping: Origin | null = null;
  for (const { name, endpoints, delayMs, more } of STALLS) {
    const origins: Origin[] = [];
    for (let made = 0; made < endpoints; made++) origins.push(await Origin.start(t, delayMs));
    if (name === FLAPPING.name) flapping = origins[1] ?? null;
    const list = origins.map(({ address }) => `"${address}"`).join(', ');
    yaml += `  - { match: "${name}", endpoints: [${list}]${more === undefined ? '' : `, ${more}`} }\n`;
  }
  const sidecar = await RealSidecar.start(t, { yaml });
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  const begun = performance.now();
  const timers = STALLS.map(({ name, perSecond }) => every(begun, perSecond, () => call(agent, sidecar.port, name)));
  t.teardown(() => {
    for (const timer of timers) clearInterval(timer);
    agent.destroy();
  });
  for (let second = 0; second < seconds; second += 8) {
    await flapping?.down();
    await wait(3000);
    await flapping?.up();
    await wait(5000);
  }
  await flapping?.down();
  await wait(2500);
  return sidecar;
}

/** Calls at that rate on average: half of it in the trough of a wave of forty seconds, half as much again on its crest. */
function every(begun: number, perSecond: number, act: () => void): NodeJS.Timeout {
  let owed = 0;
  let before = begun;
  return setInterval(() => {
    const now = performance.now();
    owed += ((now - before) / 1000) * perSecond * (1 - 0.5 * Math.cos((now - begun) / 6400));
    before = now;
    for (; owed >= 1; owed--) act();
  }, 20);
}

function call(agent: Agent, port: number, host: string): void {
  const options = { agent, host: '127.0.0.1', port, path: `http://${host}/`, headers: { host } };
  const sent = request(options, (response) => response.resume());
  sent.once('error', () => {});
  sent.end();
}

export const EXHAUSTED_NAME = FULL.name;
export const FLAPPING_NAME = FLAPPING.name;
