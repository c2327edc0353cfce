import { nodeHttpProxy, undiciProxy } from './baselines.ts';
import { carpool } from './carpool.ts';
import { direct } from './direct.ts';
import { envoy } from './envoy.ts';
import { haproxy } from './haproxy.ts';
import { nginx } from './nginx.ts';
import type { Candidate } from './peer.ts';
import { squid } from './squid.ts';

/** Another build of carpool that runs beside (an older bundle, a branch), as `--entry NAME=FILE` gives it. */
export type ExtraEntry = { readonly name: string; readonly entry: string };

/** Every peer in the order in which a round runs them; what is not there says so and is left out. */
export function allPeers(extra: readonly ExtraEntry[], nodeFlags: readonly string[]): readonly Candidate[] {
  return [
    carpool({ nodeFlags }),
    ...extra.map(({ name, entry }) => carpool({ name, entry, nodeFlags })),
    nginx(),
    haproxy(),
    envoy(),
    squid(),
    undiciProxy(),
    nodeHttpProxy(),
    direct(),
  ];
}
