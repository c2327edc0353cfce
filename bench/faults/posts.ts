import { setTimeout as wait } from 'node:timers/promises';
import type { Children } from '../rig/children.ts';
import type { EndpointProcess } from './endpoint-process.ts';
import type { EndpointScript } from './endpoint-script.ts';
import type { FaultPeer } from './fault-peers.ts';
import { Lane, type Tally } from './lanes.ts';
import { withProxy } from './with-proxy.ts';

export type PostRow = {
  readonly peer: string;
  readonly gets: Tally;
  readonly posts: Tally;
  /** POSTs that their client saw fail although the endpoint had acted on them. */
  readonly failedButApplied: number;
  /** POSTs that were acted on more than once: money paid twice. */
  readonly appliedTwice: number;
  /** Connections that the endpoint accepted. */
  readonly connections: number;
};

export type PostPlan = {
  /** Clients of each method. */
  readonly lanes: number;
  /** Requests of each client. */
  readonly requests: number;
  /** The idle time after which the endpoint closes, T; 0: it does not. */
  readonly idleCloseMs: number;
};

const ANSWER_AFTER_MS = 20;
/** Stands for a network between proxy and endpoint; inside a cluster it is shorter, and the race is met less often. */
const CLOSE_LAG_MS = 5;
/**
 * When clients ask again, from T. The endpoint counts its idle time from an answer that the client sees later, by what
 * the proxy and the timers take; beginning well before T, each proxy meets the closing whatever it takes.
 */
const SPREAD_MS = { from: -30, to: 10 };

/**
 * The idle-close race: all clients ask at once, over as many upstream connections, then fall silent for about T, then
 * ask again just when the endpoint closes. Which requests fail?
 */
export function measureIdleClose(children: Children, peer: FaultPeer, plan: PostPlan): Promise<PostRow> {
  const script = { answerAfterMs: ANSWER_AFTER_MS, idleCloseMs: plan.idleCloseMs, closeLagMs: CLOSE_LAG_MS };
  return run(children, peer, plan, script, async (lanes) => {
    await Promise.all(lanes.map((lane) => lane.ask()));
    for (let burst = 1; burst < plan.requests; burst++) {
      const asked = lanes.map(async (lane, i) => {
        // Evenly over the spread and the same for every peer; GETs and POSTs take turns in it.
        const share = ((i * 37 + burst * 11) % lanes.length) / (lanes.length - 1);
        await wait(plan.idleCloseMs + SPREAD_MS.from + share * (SPREAD_MS.to - SPREAD_MS.from));
        await lane.ask();
      });
      await Promise.all(asked);
    }
  });
}

/**
 * An endpoint that acts on every fifth request and closes without an answer: the proxy cannot know whether the request was
 * applied. A GET may be asked again; a POST must not.
 */
export function measureApplied(children: Children, peer: FaultPeer, plan: PostPlan): Promise<PostRow> {
  return run(children, peer, plan, { behaviour: 'apply-then-close' }, async (lanes) => {
    const work = lanes.map(async (lane) => {
      for (let i = 0; i < plan.requests; i++) await lane.ask();
    });
    await Promise.all(work);
  });
}

function run(
  children: Children,
  peer: FaultPeer,
  plan: PostPlan,
  script: Partial<EndpointScript>,
  work: (lanes: readonly Lane[]) => Promise<void>,
): Promise<PostRow> {
  const nothing = async (): Promise<void> => {};
  return withProxy(children, peer, script, script, nothing, async (endpoints) => {
    const gets: Tally = { sent: 0, failed: 0 };
    const posts: Tally = { sent: 0, failed: 0 };
    const lanes = Array.from({ length: plan.lanes * 2 }, (_, i) =>
      i % 2 === 0 ? new Lane(peer, 'GET', `g${i}`, gets) : new Lane(peer, 'POST', `p${i}`, posts),
    );
    await work(lanes);
    for (const lane of lanes) lane.close();
    return { peer: peer.name, gets, posts, ...(await applied(endpoints, lanes)) };
  });
}

async function applied(
  endpoints: readonly EndpointProcess[],
  lanes: readonly Lane[],
): Promise<Pick<PostRow, 'failedButApplied' | 'appliedTwice' | 'connections'>> {
  const times = new Map<string, number>();
  let connections = 0;
  for (const endpoint of endpoints) {
    const report = await endpoint.report();
    connections += report.connections;
    for (const [path, count] of report.applied) times.set(path, (times.get(path) ?? 0) + count);
  }
  const failed = lanes.flatMap((lane) => lane.failedPaths);
  return {
    failedButApplied: failed.filter((path) => times.has(path)).length,
    appliedTwice: [...times.values()].filter((count) => count > 1).length,
    connections,
  };
}
