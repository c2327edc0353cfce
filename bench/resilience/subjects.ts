import type { FaultPeer } from '../faults/fault-peers.ts';
import { carpool } from '../peers/carpool.ts';
import { isPeer } from '../peers/peer.ts';
import { ports } from '../rig/ports.ts';

/** How the app names the destination. */
const HOST = 'faults.test:8080';

/** The preset for APIs on the internet, with waits that fit a measurement of a few seconds. */
export const EXTERNAL_API = 'preset: external-api, retry: { backoffBase: 20ms }';

/** The same, and time-outs of 200 ms that are tried again. */
export const IMPATIENT = 'preset: external-api, retry: { backoffBase: 20ms }, timeouts: { response: 200ms }';

/**
 * carpool in front of scripted endpoints as one destination.
 * @param endpoints how many of the rig's
 * @param policy YAML inside of the destination's entry; empty: the defaults
 * @throws where there is no build
 */
export function subject(name: string, endpoints: number, policy: string, entry?: string): FaultPeer {
  const used = ports.faultEndpoints.slice(0, endpoints);
  const addresses = used.map((port) => `"127.0.0.1:${port}"`).join(', ');
  const more = policy === '' ? '' : `, ${policy}`;
  const yaml = `destinations: [{ match: "${HOST}", endpoints: [${addresses}]${more} }]\n`;
  const candidate = carpool({ name, yaml, ...(entry === undefined ? {} : { entry }) });
  if (!isPeer(candidate)) throw new Error(candidate.missing);
  const port = candidate.port('get');
  return { name, port, host: HOST, endpoints: used, balances: true, command: () => candidate.command('get') };
}

/** Every mechanism of docs/resilience.md that a request passes, for a destination that is well. */
export const EVERYTHING = `preset: external-api,
    balancer: sticky,
    breaker: { destinationFailures: 50 },
    healthCheck: { enabled: true, interval: 1s },
    rateLimit: { requestsPerMinute: 100000000, burst: 1000000 },
    pool: { scaling: load, minConnections: auto },
    headers: { set: { x-team: bench } }`;
