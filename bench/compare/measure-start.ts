import { setTimeout as wait } from 'node:timers/promises';
import type { Peer } from '../peers/peer.ts';
import { type Children, PROXY_CORE } from '../rig/children.ts';
import { ports } from '../rig/ports.ts';
import { probe, waitUntilAccepting, waitUntilFree } from '../rig/probe.ts';
import type { StartRow } from './rows.ts';

const FIRST_ANSWER_DEADLINE_MS = 15_000;

/** One start of one peer: until its port accepts, and until a request through it is answered 200. */
export async function measureStart(children: Children, peer: Peer, round: number): Promise<StartRow> {
  const common = { kind: 'start', scenario: 'start', peer: peer.name, round } as const;
  await waitUntilFree(peer.port('get'));
  const begun = performance.now();
  const proxy = children.start(peer.name, PROXY_CORE, peer.command('get'));
  try {
    const port = peer.port('get');
    const acceptingMs = await waitUntilAccepting(proxy, port, begun);
    await firstAnswer(port, begun);
    return { ...common, failed: null, acceptingMs, firstAnswerMs: performance.now() - begun };
  } catch (problem) {
    const failed = problem instanceof Error ? problem.message : String(problem);
    return { ...common, failed, acceptingMs: null, firstAnswerMs: null };
  } finally {
    await children.stop(proxy);
  }
}

/** Some proxies accept before they serve: asks until one request is answered. @throws what the last one met */
async function firstAnswer(port: number, begun: number): Promise<void> {
  const host = `127.0.0.1:${ports.origin}`;
  const request = { port, method: 'GET', target: `http://${host}/1k`, host, body: Buffer.alloc(0) };
  for (;;) {
    try {
      await probe(request, 1024);
      return;
    } catch (problem) {
      if (performance.now() - begun > FIRST_ANSWER_DEADLINE_MS) throw problem;
      await wait(2);
    }
  }
}
