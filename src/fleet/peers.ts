import type { Clock, Timer } from '../clock.ts';
import type { FollowedService } from '../discovery/kubernetes/kubernetes-discovery.ts';
import type { SliceFacts } from '../discovery/kubernetes/objects.ts';

/** How many sidecars there are, and which of them this one is. */
export type PeerCount = {
  /** This one among them. */
  readonly peers: number;
  /** Its place in an order that all see alike; null: it is not listed, or not to be told from another. */
  readonly rank: number | null;
};

/** How often a Service is asked for again that cannot be followed yet, for the namespace is not known. */
const RETRY_MS = 1000;

export type PeersOptions = {
  /** `name` or `name.namespace`. */
  readonly service: string;
  readonly follow: (service: string, changed: () => void) => FollowedService | null;
  /** The pod's own addresses. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  readonly changed: () => void;
};

/**
 * Counts the pods of the workload's own Service. Every pod that its EndpointSlices list counts, ready or not, in any zone:
 * each has a sidecar with connections. Were only the ready ones counted, a fault that makes all of them unready would give
 * each sidecar the whole budget.
 */
export class Peers {
  readonly #options: PeersOptions;
  #followed: FollowedService | null = null;
  #retry: Timer | null = null;
  #count: PeerCount | null = null;

  constructor(options: PeersOptions) {
    this.#options = options;
    this.#begin();
  }

  /** As known last; null: not known yet. It stays over an outage of the API server. */
  get count(): PeerCount | null {
    return this.#count;
  }

  /** What keeps it from its best, in words, or null. */
  get problem(): string | null {
    const { service } = this.#options;
    if (this.#followed === null)
      return `the Service ${service} cannot be followed: Kubernetes discovery is off, or its namespace is neither the pod’s own nor listed in discovery.kubernetes.namespaces`;
    const problem = this.#followed.problem();
    if (problem !== null) return `${problem.message}. ${problem.hint}`;
    if (this.#count !== null) return null;
    return this.#followed.slices() === null
      ? `the API server has not told of the Service ${service} yet`
      : `the Service ${service} has no endpoints: fleet.service is to name the Service that selects the pods of this workload`;
  }

  close(): void {
    this.#retry?.cancel();
    this.#followed?.close();
  }

  #begin(): void {
    const { follow, service, clock } = this.#options;
    this.#retry = null;
    this.#followed = follow(service, () => this.#recount());
    if (this.#followed === null) this.#retry = clock.setTimer(() => this.#begin(), RETRY_MS);
    else this.#recount();
  }

  #recount(): void {
    const slices = this.#followed?.slices() ?? null;
    const next = slices === null ? null : countPeers(slices, this.#options.addresses);
    // None at all is a Service by a wrong name, or one that was deleted: what was known is better.
    if (next === null) return;
    if (next.peers === this.#count?.peers && next.rank === this.#count.rank) return;
    this.#count = next;
    this.#options.changed();
  }
}

/** @param own the pod's own addresses @returns null where there is nobody */
export function countPeers(slices: readonly SliceFacts[], own: readonly string[]): PeerCount | null {
  const pods = new Map<string, boolean>();
  for (const { endpoints } of slices) {
    for (const { uid, address } of endpoints) {
      const id = uid ?? address;
      pods.set(id, pods.get(id) === true || own.includes(address));
    }
  }
  if (pods.size === 0) return null;
  const order = [...pods].sort(([a], [b]) => (a < b ? -1 : 1));
  const mine = order.filter(([, isOwn]) => isOwn).length;
  const rank = mine === 1 ? order.findIndex(([, isOwn]) => isOwn) : null;
  // Not listed yet: the others do not count it, but it is there.
  return { peers: mine === 0 ? pods.size + 1 : pods.size, rank };
}
