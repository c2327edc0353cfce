import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { runOpenLoop, runWrk } from '../load/generators.ts';
import type { Peer } from '../peers/peer.ts';
import { type Children, PROXY_CORE } from '../rig/children.ts';
import type { OriginConnections } from '../rig/origins.ts';
import { ports } from '../rig/ports.ts';
import { probe, waitUntilAccepting } from '../rig/probe.ts';
import { cpuSeconds, memory } from '../rig/proc.ts';
import { median } from '../rig/statistics.ts';

export type PoolingPlan = {
  readonly tls: boolean;
  readonly rate: number;
  readonly seconds: number;
  readonly warmFactor: number;
};

/** What a variant did in one round. Times in microseconds unless named otherwise. */
export type PoolingRow = {
  readonly round: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly rps: number;
  readonly cpuUs: number;
  readonly rssMiB: number;
  /** Connections that the origin accepted, for each 1,000 requests of the fixed rate. */
  readonly openedPerThousand: number;
  readonly generatorLateUs: number | null;
};

/**
 * One variant, started afresh: latency and connections at a fixed rate first, then throughput with 50 clients, then the
 * memory that is left. @throws when a request fails: such a run is no result
 */
export async function measurePooling(
  children: Children,
  peer: Peer,
  connections: OriginConnections,
  plan: PoolingPlan,
  round: number,
): Promise<PoolingRow> {
  const begun = performance.now();
  const proxy = children.start(peer.name, PROXY_CORE, peer.command('get'));
  try {
    const host = `127.0.0.1:${plan.tls ? ports.originTls : ports.origin}`;
    const target = { port: peer.port('get'), host, target: `${plan.tls ? 'https' : 'http'}://${host}/1k` };
    await waitUntilAccepting(proxy, target.port, begun);
    await probe({ ...target, method: 'GET', body: Buffer.alloc(0) }, 1024);
    const closedLoop = { connections: 50, method: 'GET', bodyFile: null, close: false } as const;
    if (plan.warmFactor > 0) await runWrk(target, { ...closedLoop, seconds: peer.warmSeconds * plan.warmFactor });

    const openedBefore = await connections.accepted();
    const paced = await runOpenLoop(target, { rate: plan.rate, seconds: plan.seconds, connections: 50 });
    const opened = (await connections.accepted()) - openedBefore;

    const cpuBefore = cpuSeconds(proxy.pid);
    const saturated = await runWrk(target, { ...closedLoop, seconds: plan.seconds });
    const cpu = cpuSeconds(proxy.pid) - cpuBefore;
    const errors = paced.errors + saturated.errors;
    if (errors > 0) throw new Error(`${peer.name}: ${errors} errors`);
    return {
      round,
      p50Us: paced.p50Us,
      p99Us: paced.p99Us,
      rps: saturated.requests / saturated.seconds,
      cpuUs: (cpu / saturated.requests) * 1e6,
      rssMiB: memory(proxy.pid).rssMiB,
      openedPerThousand: (opened / paced.requests) * 1000,
      generatorLateUs: paced.lateP99Us,
    };
  } finally {
    await children.stop(proxy);
  }
}

/** What one new connection to the origin costs in time: the median of 50, in microseconds, with TLS where asked. */
export async function connectionTimeUs(tls: boolean): Promise<number | null> {
  const times: number[] = [];
  for (let i = 0; i < 50; i++) times.push(await oneConnection(tls));
  return median(times);
}

function oneConnection(tls: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const socket = tls
      ? connectTls({ port: ports.originTls, host: '127.0.0.1', rejectUnauthorized: false })
      : connect({ port: ports.origin, host: '127.0.0.1' });
    socket.setTimeout(5000, () => socket.destroy(new Error('the origin does not answer')));
    socket.once('error', reject);
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      const took = (performance.now() - begun) * 1000;
      socket.destroy();
      resolve(took);
    });
  });
}
