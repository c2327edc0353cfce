import { setTimeout as wait } from 'node:timers/promises';
import { type HeldStreams, holdStreams } from '../load/native-generators.ts';
import type { Peer } from '../peers/peer.ts';
import { hostOf, type Role } from '../peers/roles.ts';
import { type Children, PROXY_CORE, type Running } from '../rig/children.ts';
import { waitUntilAccepting, waitUntilFree } from '../rig/probe.ts';
import { memory } from '../rig/proc.ts';
import type { StalledRow } from './rows.ts';

const CONNECTIONS = 100;
const STREAMS = 100;
const BODY_BYTES = 1 << 20;
/** Between two looks at the memory. */
const LOOK_MS = 100;

export type StalledPlan = {
  /** Seconds for which the streams are held; what a proxy takes, it takes in the first. */
  readonly holdSeconds: number;
  /** Milliseconds before the look at a fresh process. */
  readonly settleMs: number;
};

type Stalled = { readonly freshRssMiB: number; readonly mostRssMiB: number; readonly held: HeldStreams };

/**
 * Memory of one peer while streams stand still: large answers that the app gives no window for, then, in a process of
 * its own, large request bodies that the origin gives none for.
 */
export async function measureStalled(
  children: Children,
  peer: Peer,
  plan: StalledPlan,
  round: number,
): Promise<StalledRow> {
  const common = { kind: 'stalled', scenario: 'stalled', peer: peer.name, round } as const;
  try {
    const answers = await stall(children, peer, 'stalled-answers', plan);
    const bodies = await stall(children, peer, 'stalled-bodies', plan);
    return {
      ...common,
      failed: problemOf(answers.held) ?? problemOf(bodies.held),
      freshRssMiB: answers.freshRssMiB,
      answersRssMiB: answers.mostRssMiB,
      bodiesRssMiB: bodies.mostRssMiB,
      streams: answers.held.open,
      answersBegun: answers.held.heads,
    };
  } catch (problem) {
    const failed = problem instanceof Error ? problem.message : String(problem);
    const nothing = { freshRssMiB: null, answersRssMiB: null, bodiesRssMiB: null, streams: 0, answersBegun: 0 };
    return { ...common, failed, ...nothing };
  }
}

function problemOf({ open, errors }: HeldStreams): string | null {
  if (errors > 0) return `${errors} streams ended`;
  return open < CONNECTIONS * STREAMS ? `only ${open} streams were open` : null;
}

async function stall(children: Children, peer: Peer, role: Role, plan: StalledPlan): Promise<Stalled> {
  const port = peer.port(role);
  await waitUntilFree(port);
  const begun = performance.now();
  const proxy = children.start(peer.name, PROXY_CORE, peer.command(role));
  try {
    await waitUntilAccepting(proxy, port, begun);
    await wait(plan.settleMs);
    const freshRssMiB = memory(proxy.pid).rssMiB;
    const host = hostOf(role);
    const most = new MostMemory(proxy);
    const held = await holdStreams(
      { port, host, target: `http://${host}/` },
      {
        connections: CONNECTIONS,
        streams: STREAMS,
        seconds: plan.holdSeconds,
        post: role === 'stalled-bodies' ? BODY_BYTES : 0,
      },
    ).finally(() => most.stop());
    return { freshRssMiB, mostRssMiB: most.rssMiB, held };
  } finally {
    await children.stop(proxy);
  }
}

/** Looks at a process again and again, and keeps the most. */
class MostMemory {
  rssMiB = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(proxy: Running) {
    this.#timer = setInterval(() => {
      this.rssMiB = Math.max(this.rssMiB, memory(proxy.pid).rssMiB);
    }, LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
