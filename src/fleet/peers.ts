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
 * Counts the ready pods of the workload's own Service, in any zone. One that turns unready counts on while it is listed: its
 * sidecar still has connections, and a fault that makes all pods unready must not give each of them the whole budget.
 */
export class Peers {
  readonly #options: PeersOptions;
  #followed: FollowedService | null = null;
  #retry: Timer | null = null;
  #count: PeerCount | null = null;
  /** Pods that are listed and were ready once, as far as this sidecar has seen. */
  #known: ReadonlySet<string> = new Set();

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
    const next = slices === null ? null : countPeers(slices, this.#options.addresses, this.#known);
    // None at all is a Service by a wrong name, or one that was deleted: what was known is better.
    if (next === null) return;
    this.#known = next.known;
    if (next.peers === this.#count?.peers && next.rank === this.#count.rank) return;
    this.#count = { peers: next.peers, rank: next.rank };
    this.#options.changed();
  }
}

type Pod = { readonly own: boolean; readonly ready: boolean };

/** The pods that slices list, each once whatever its families and slices are. @param own the pod's own addresses */
export function podsOf(slices: readonly SliceFacts[], own: readonly string[]): ReadonlyMap<string, Pod> {
  const pods = new Map<string, Pod>();
  for (const { endpoints } of slices) {
    for (const { uid, address, ready } of endpoints) {
      const id = uid ?? address;
      const pod = pods.get(id) ?? { own: false, ready: false };
      pods.set(id, { own: pod.own || own.includes(address), ready: pod.ready || ready });
    }
  }
  return pods;
}

/**
 * @param own the pod's own addresses
 * @param before pods that were ready once
 * @returns null where there is nobody; `known`: the pods that count
 */
export function countPeers(
  slices: readonly SliceFacts[],
  own: readonly string[],
  before: ReadonlySet<string>,
): (PeerCount & { readonly known: ReadonlySet<string> }) | null {
  const pods = podsOf(slices, own);
  if (pods.size === 0) return null;
  const listed = [...pods];
  const serving = listed.filter(([id, { ready }]) => ready || before.has(id));
  // None was ever ready: they are all there, though.
  const known = new Set((serving.length > 0 ? serving : listed).map(([id]) => id));
  const counted = listed.filter(([id, pod]) => known.has(id) || pod.own).sort(([a], [b]) => (a < b ? -1 : 1));
  const mine = counted.filter(([, pod]) => pod.own).length;
  // Who counts beside the ready ones is not the same for all: only among ready ones has everybody the same order.
  const alike = counted.every(([, { ready }]) => ready);
  const rank = mine === 1 && alike ? counted.findIndex(([, pod]) => pod.own) : null;
  // Not listed yet: the others do not count it, but it is there.
  return { peers: mine === 0 ? counted.length + 1 : counted.length, rank, known };
}
