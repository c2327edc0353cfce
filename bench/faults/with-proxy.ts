import { type Children, PROXY_CORE } from '../rig/children.ts';
import { waitUntilAccepting } from '../rig/probe.ts';
import { EndpointProcess } from './endpoint-process.ts';
import type { EndpointScript } from './endpoint-script.ts';
import type { FaultPeer } from './fault-peers.ts';

/** The script of a healthy endpoint that answers at once and keeps its connections. */
const HEALTHY: Omit<EndpointScript, 'port'> = {
  behaviour: 'ok',
  backlog: 4096,
  answerAfterMs: 0,
  idleCloseMs: 0,
  closeLagMs: 0,
  faultShare: 0,
};

/** Starts the peer's endpoints (the first by its own script) and the proxy, runs the work, ends them all. */
export async function withProxy<T>(
  children: Children,
  peer: FaultPeer,
  first: Partial<EndpointScript>,
  others: Partial<EndpointScript>,
  prepare: (first: EndpointProcess) => Promise<void>,
  work: (endpoints: readonly EndpointProcess[]) => Promise<T>,
): Promise<T> {
  const endpoints: EndpointProcess[] = [];
  try {
    for (const port of peer.endpoints) {
      const own = endpoints.length === 0 ? first : others;
      endpoints.push(await EndpointProcess.start(children, { ...HEALTHY, ...own, port }));
    }
    const [broken] = endpoints;
    if (broken !== undefined) await prepare(broken);
    const begun = performance.now();
    const proxy = children.start(peer.name, PROXY_CORE, peer.command());
    try {
      await waitUntilAccepting(proxy, peer.port, begun);
      return await work(endpoints);
    } finally {
      await children.stop(proxy);
    }
  } finally {
    for (const endpoint of endpoints) await endpoint.end();
  }
}
