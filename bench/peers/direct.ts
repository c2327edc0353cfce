import type { Peer } from './peer.ts';
import { roles } from './roles.ts';

/** No proxy at all: what load generator and origin take by themselves, which is the floor of every latency. */
export function direct(): Peer {
  return {
    name: 'direct',
    warmSeconds: 1,
    version: 'no proxy: the floor',
    lacks: (role) => (role === 'get' || role === 'h2' ? null : 'nothing but latency to compare'),
    port: (role) => roles[role].port,
    // Something has to run in the proxy's place, so that direct is measured like every peer.
    command: () => ({ argv: ['sleep', '3600'] }),
  };
}
