import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { PlayedCluster, SIDECAR_ADDRESSES } from '../e2e/packaging/played-cluster.ts';
import { Prometheus } from '../e2e/packaging/prometheus.ts';
import { SidecarProcess } from '../e2e/packaging/sidecar-process.ts';
import { startWebhook } from '../e2e/packaging/webhook-process.ts';
import type { Teardown } from '../e2e/teardown.ts';

/** A server whose answers take a while, and may fail. */
class Upstream {
  latencyMs: number;
  failing = false;
  readonly address: string;
  readonly #server = createServer((incoming, response) => {
    incoming.resume();
    const status = this.failing ? 503 : 200;
    setTimeout(() => response.writeHead(status).end('{}'), this.latencyMs * (0.6 + 0.8 * Math.random()));
  });
  #port = 0;

  constructor(address: string, latencyMs: number) {
    this.address = address;
    this.latencyMs = latencyMs;
  }

  static async start(t: Teardown, address: string, latencyMs: number): Promise<Upstream> {
    const upstream = new Upstream(address, latencyMs);
    await upstream.open();
    t.teardown(() => upstream.close());
    return upstream;
  }

  get endpoint(): string {
    return `${this.address}:${this.#port}`;
  }

  /** It listens, at the port that it had before. */
  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, this.address, resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** As a process that is killed. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const SECONDS = 1000;
/** How long it takes, in seconds: what is before `BEGIN` only warms up. */
export const BEGIN = 25;
export const END = 229;

/** Requests a second to each destination, of one sidecar, when it is calm. */
const CALLS = {
  'orders.shop/': 14,
  'payments.shop:8080/': 22,
  'stock.shop:8080/': 10,
  'ledger.shop:8080/': 3,
} as const;

/** The app beside a sidecar: so many requests a second, a little more and a little less by turns. */
function keepCalling(t: Teardown, sidecar: SidecarProcess, phase: number): void {
  const agent = new Agent({ keepAlive: true });
  const owed = new Map<string, number>();
  let before = Date.now();
  const timer = setInterval(() => {
    // A machine that is busy may be late for a moment; what was missed for longer is not made up for.
    const seconds = Math.min(0.5, (Date.now() - before) / SECONDS);
    before = Date.now();
    const swing = 1 + 0.25 * Math.sin(Date.now() / (9 * SECONDS) + phase);
    for (const [call, rate] of Object.entries(CALLS)) {
      let due = (owed.get(call) ?? 0) + rate * swing * seconds;
      for (; due >= 1; due--) {
        const [host = ''] = call.split('/');
        const options = { agent, host: '127.0.0.1', port: sidecar.port, path: `http://${call}`, headers: { host } };
        const outgoing = request(options, (response) => response.resume());
        outgoing.on('error', () => {});
        outgoing.end();
      }
      owed.set(call, due);
    }
  }, 20);
  t.teardown(() => {
    clearInterval(timer);
    agent.destroy();
  });
}

/**
 * Three sidecars of a shop under load, to whom things happen: pods of an upstream are replaced, an endpoint and a whole upstream
 * fail and come back, a sidecar is restarted, an upstream becomes slow and the pools to it are too small, and one sidecar
 * gets a larger one.
 * @returns the Prometheus that has seen it all, and when it began, in seconds since the epoch
 */
export async function play(t: Teardown): Promise<{ readonly prometheus: Prometheus; readonly begun: number }> {
  const cluster = await PlayedCluster.start(t, 6);
  for (const pod of cluster.pods) pod.serve = (_, response) => void setTimeout(() => response.end('{}'), 8);
  const [before, after] = [cluster.pods.slice(0, 3), cluster.pods.slice(3)];
  cluster.serve(before);
  const payments = await Upstream.start(t, '127.0.2.1', 25);
  const [stock, other] = [await Upstream.start(t, '127.0.3.1', 12), await Upstream.start(t, '127.0.3.2', 12)];
  const ledger = await Upstream.start(t, '127.0.4.1', 15);

  const destinations = (maxConnections: number) => [
    { match: 'payments.shop:8080', endpoints: [payments.endpoint], pool: { maxConnections } },
    { match: 'stock.shop:8080', endpoints: [stock.endpoint, other.endpoint], breaker: { failures: 3, recovery: '5s' } },
    { match: 'ledger.shop:8080', endpoints: [ledger.endpoint], breaker: { destinationFailures: 8, recovery: '5s' } },
  ];
  const { discovery, env } = cluster.settings(SIDECAR_ADDRESSES[0]);
  const settings = { discovery, fleet: { coordinator: 'kubernetes', service: 'web' }, destinations: destinations(8) };
  const pods = [
    { workload: 'web', pod: 'web-7d9c-x2k8f' },
    { workload: 'web', pod: 'web-7d9c-q5m4p' },
    { workload: 'cart', pod: 'cart-5f6b-t9w2z' },
  ];
  const sidecars: SidecarProcess[] = [];
  for (const _ of pods) sidecars.push(await SidecarProcess.start(t, settings, env));
  for (const [index, sidecar] of sidecars.entries()) keepCalling(t, sidecar, index * 2);
  const prometheus = await Prometheus.start(
    t,
    [
      ...sidecars.map(({ operatorPort }, index) => ({
        port: operatorPort,
        labels: { namespace: 'shop', ...pods[index] },
      })),
      { port: await startWebhook(t), labels: { namespace: 'carpool-system', pod: 'carpool-webhook-1' } },
    ],
    [],
  );

  const begun = Date.now() / SECONDS;
  const until = (second: number) => wait((begun + second) * SECONDS - Date.now());
  // A rolling replacement: one comes, one goes.
  await until(45);
  for (const [index, pod] of before.entries()) {
    cluster.serve([...after.slice(0, index + 1), ...before.slice(index + 1)], [pod]);
    await until(45 + 8 * (index + 1));
  }
  cluster.serve(after);
  await until(85);
  other.close();
  ledger.failing = true;
  await until(115);
  await other.open();
  ledger.failing = false;
  await until(140);
  await sidecars[1]?.restart();
  await until(160);
  payments.latencyMs = 550;
  await until(190);
  sidecars[0]?.reload({ destinations: destinations(40) });
  await until(END);
  return { prometheus, begun };
}
