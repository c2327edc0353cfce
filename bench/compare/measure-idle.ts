import { setTimeout as wait } from 'node:timers/promises';
import { runWrk } from '../load/generators.ts';
import { IdleClients } from '../load/idle-clients.ts';
import type { Peer } from '../peers/peer.ts';
import { type Children, PROXY_CORE } from '../rig/children.ts';
import { manyAddresses, ports } from '../rig/ports.ts';
import { waitUntilAccepting, waitUntilFree } from '../rig/probe.ts';
import { establishedTo, memory } from '../rig/proc.ts';
import type { IdleRow } from './rows.ts';

export type IdlePlan = {
  readonly clients: number;
  readonly loadSeconds: number;
  /** Milliseconds before each look, in which allocators and collectors settle. */
  readonly settleMs: number;
};

/** Memory of one peer: just started, holding idle connections, and after a load when those have gone. */
export async function measureIdle(children: Children, peer: Peer, plan: IdlePlan, round: number): Promise<IdleRow> {
  const common = { kind: 'idle', scenario: 'idle', peer: peer.name, round } as const;
  const port = peer.port('many');
  await waitUntilFree(port);
  const begun = performance.now();
  const proxy = children.start(peer.name, PROXY_CORE, peer.command('many'));
  const clients = new IdleClients();
  try {
    await waitUntilAccepting(proxy, port, begun);
    await wait(plan.settleMs);
    const fresh = memory(proxy.pid);

    const upstreamBefore = establishedTo(ports.origin);
    await clients.open(port, plan.clients, (i) => {
      const host = `${manyAddresses[i % manyAddresses.length]}:${ports.origin}`;
      return { host, url: `http://${host}/1k` };
    });
    await wait(plan.settleMs);
    const idle = memory(proxy.pid);
    const downstream = clients.held();
    const upstream = establishedTo(ports.origin) - upstreamBefore;
    clients.close();

    const host = `${manyAddresses[0]}:${ports.origin}`;
    const load = { connections: 50, seconds: plan.loadSeconds, method: 'GET', bodyFile: null, close: false } as const;
    const result = await runWrk({ port, host, target: `http://${host}/1k` }, load);
    await wait(plan.settleMs);
    const loaded = memory(proxy.pid);

    const errors = clients.bad + result.errors;
    return {
      ...common,
      failed: errors > 0 ? `${errors} errors` : null,
      freshRssMiB: fresh.rssMiB,
      freshPssMiB: fresh.pssMiB,
      idleRssMiB: idle.rssMiB,
      idlePssMiB: idle.pssMiB,
      loadedRssMiB: loaded.rssMiB,
      loadedPssMiB: loaded.pssMiB,
      downstream,
      upstream,
    };
  } catch (problem) {
    const nothing = { freshRssMiB: null, freshPssMiB: null, idleRssMiB: null, idlePssMiB: null };
    const noLoad = { loadedRssMiB: null, loadedPssMiB: null, downstream: 0, upstream: 0 };
    return { ...common, failed: problem instanceof Error ? problem.message : String(problem), ...nothing, ...noLoad };
  } finally {
    clients.close();
    await children.stop(proxy);
  }
}
