import { ports } from '../rig/ports.ts';
import type { Peer } from './peer.ts';

/** No proxy at all: what load generator and origin take by themselves, which is the floor of every latency. */
export function direct(): Peer {
  return {
    name: 'direct',
    warmSeconds: 1,
    version: 'no proxy: the floor',
    port: (role) => (role === 'post' ? ports.postOrigin : ports.origin),
    // Something has to run in the proxy's place, so that direct is measured like every peer.
    command: () => ({ argv: ['sleep', '3600'] }),
  };
}
