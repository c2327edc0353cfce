import type { EndpointSpec } from '../discovery.ts';
import { addressPort } from '../ip-address.ts';
import type { Problem } from './discovery-log.ts';
import type { ServiceFacts, ServicePort, SliceEndpoint, SliceFacts, SlicePort } from './objects.ts';

/** How an endpoint stands: `serving` is terminating and still answers, `leaving` is terminating and does not. */
export type Condition = 'ready' | 'unready' | 'serving' | 'leaving';

export type SelectedEndpoint = {
  readonly spec: EndpointSpec;
  readonly condition: Condition;
  /** The id that it has where only its `otherAddress` is listed, for its slices change one by one; or null. */
  readonly otherId: string | null;
};

export type Selection = {
  /**
   * By `spec.id`, which is `address:port/uid` (`10.0.0.1:8080/5f1c…`), or `address:port` where there is no object with
   * a uid behind the address. So the same address reused by another pod is another endpoint.
   */
  readonly endpoints: ReadonlyMap<string, SelectedEndpoint>;
  /** What keeps endpoints away from this destination, although the Service may have some. */
  readonly problem: Problem | null;
};

export type SelectionInput = {
  readonly service: ServiceFacts;
  /** All slices of the Service. */
  readonly slices: readonly SliceFacts[];
  /** The one that the app named. */
  readonly port: number;
  /** Only the pod of that hostname, or null. */
  readonly hostname: string | null;
  /** Where this sidecar runs, as far as it is known; looked at only where it matters. */
  readonly locality: { readonly nodeName: string | null; readonly zone: string | null };
  /** Which address of a dual-stack pod is dialled first. */
  readonly preferFamily: 4 | 6;
};

/** A slice's endpoint at the port that is meant. */
type Found = {
  readonly endpoint: SliceEndpoint;
  readonly family: 4 | 6;
  readonly port: number;
  readonly appProtocol: string | null;
  readonly condition: Condition;
};

/** An endpoint of the Service: once, however many slices have it. */
type Merged = Found & { readonly other: Found | null };

/** Which of two things said of one endpoint at the same time counts: ready wins, as a stale slice costs a moment only. */
const PREFERENCE: Readonly<Record<Condition, number>> = { ready: 3, serving: 2, unready: 1, leaving: 0 };

function preference({ condition, endpoint }: Found): number {
  return PREFERENCE[condition] * 4 + Number(endpoint.ready) * 2 + Number(endpoint.serving);
}

/** Ports named in one message. */
const MAX_PORTS_TOLD = 8;

/**
 * Which endpoints a destination has, by the rules of kube-proxy (pkg/proxy/topology.go of Kubernetes 1.34) for Services
 * with a ClusterIP and by those of cluster DNS for headless ones. Pure: the same input gives the same answer.
 */
export function selectEndpoints(input: SelectionInput): Selection {
  const { service, slices, hostname } = input;
  const servicePort = service.ports.find(({ port, protocol }) => port === input.port && protocol === 'TCP') ?? null;
  if (servicePort === null && !service.headless)
    return { endpoints: new Map(), problem: noSuchPort(service, input.port) };

  const found = slices.flatMap((slice) => atPort(slice, input, servicePort));
  if (found.length === 0 && servicePort !== null && slices.some(({ endpoints }) => endpoints.length > 0))
    return { endpoints: new Map(), problem: portOfNoPod(service, servicePort) };
  const merged = published(mergeFamilies(mergeSlices(found), input.preferFamily));
  if (hostname !== null) return selection(merged.filter(({ endpoint }) => endpoint.hostname === hostname));
  // The traffic policy is of the ClusterIP, which a headless Service does not have.
  if (service.localOnly && !service.headless) return onThisNode(merged, input);
  return selection(byHints(merged, input.locality));
}

/**
 * The zone of a node, as the slices tell it of an endpoint that runs there.
 * @returns null where none does, or its zone is not told
 */
export function zoneOfNode(slices: Iterable<SliceFacts>, nodeName: string): string | null {
  for (const { endpoints } of slices) {
    const there = endpoints.find((endpoint) => endpoint.nodeName === nodeName && endpoint.zone !== null);
    if (there !== undefined) return there.zone;
  }
  return null;
}

function selection(merged: readonly Merged[], problem: Problem | null = null): Selection {
  return { endpoints: new Map(merged.map((one) => [idOf(one), selected(one)])), problem };
}

function selected(one: Merged): SelectedEndpoint {
  const { endpoint, port, appProtocol, condition, other } = one;
  const { address, zone, hostname, pod } = endpoint;
  const spec = {
    id: idOf(one),
    address,
    port,
    ...(other === null ? {} : { otherAddress: other.endpoint.address }),
    ...(zone === null ? {} : { zone }),
    ...(hostname === null ? {} : { hostname }),
    ...(pod === null ? {} : { pod }),
    ...(appProtocol === null ? {} : { appProtocol }),
  };
  return { spec, condition, otherId: other === null ? null : idOf(other) };
}

function idOf({ endpoint: { address, uid }, port }: Found): string {
  return uid === null ? addressPort(address, port) : `${addressPort(address, port)}/${uid}`;
}

// --- ports

/** The endpoints of one slice with the port's number there: where the target port is a name, pods may differ in it. */
function atPort(slice: SliceFacts, input: SelectionInput, servicePort: ServicePort | null): Found[] {
  const named = slice.ports.find(({ name, protocol }) => protocol === 'TCP' && name === servicePort?.name);
  // Cluster DNS gives the pods' addresses and no ports, so at a headless Service the app's port is the pod's.
  if (input.service.headless) {
    const slicePort = named ?? slice.ports.find(({ port, protocol }) => protocol === 'TCP' && port === input.port);
    return withPort(slice, input.port, slicePort, servicePort);
  }
  return named === undefined ? [] : withPort(slice, named.port ?? input.port, named, servicePort);
}

function withPort(
  { endpoints, family }: SliceFacts,
  port: number,
  slicePort: SlicePort | undefined,
  servicePort: ServicePort | null,
): Found[] {
  const appProtocol = slicePort?.appProtocol ?? servicePort?.appProtocol ?? null;
  return endpoints.map((endpoint) => ({ endpoint, family, port, appProtocol, condition: conditionOf(endpoint) }));
}

/** A terminating endpoint that is `ready` (publishNotReadyAddresses says so of all) is to be used, but not for long. */
function conditionOf({ ready, serving, terminating }: SliceEndpoint): Condition {
  if (terminating) return serving || ready ? 'serving' : 'leaving';
  return ready ? 'ready' : 'unready';
}

/**
 * Where unready endpoints are published as ready and none of the ready ones serves, those that terminate and serve are
 * no worse: kube-proxy would use all of them.
 */
function published(merged: readonly Merged[]): readonly Merged[] {
  const ready = merged.filter(({ condition }) => condition === 'ready');
  if (ready.length === 0 || ready.some(({ endpoint }) => endpoint.serving)) return merged;
  return merged.map((one) =>
    one.condition === 'serving' && one.endpoint.ready && one.endpoint.serving ? { ...one, condition: 'ready' } : one,
  );
}

function noSuchPort({ namespace, name, ports }: ServiceFacts, port: number): Problem {
  const told = ports.slice(0, MAX_PORTS_TOLD).map(nameOfPort);
  if (ports.length > told.length) told.push(`${ports.length - told.length} more`);
  const last = told.pop();
  const all = told.length === 0 ? last : `${told.join(', ')} and ${last}`;
  return {
    message: `Service ${namespace}/${name} has no port ${port}; it has ${all ?? 'none at all'}`,
    hint: `Call a TCP port that it has, or add ${port} to the Service's ports.`,
  };
}

function nameOfPort({ port, name, protocol }: ServicePort): string {
  const words = [name, protocol === 'TCP' ? '' : protocol].filter((word) => word !== '');
  return words.length === 0 ? `${port}` : `${port} (${words.join(', ')})`;
}

function portOfNoPod({ namespace, name }: ServiceFacts, port: ServicePort): Problem {
  return {
    message: `no endpoint of Service ${namespace}/${name} has its port ${nameOfPort(port)}`,
    hint: "Let the Service's targetPort name a port that the containers of its pods declare.",
  };
}

// --- the same endpoint more than once

/** An endpoint may stand in two slices for a moment, while the control plane moves it. */
function mergeSlices(found: readonly Found[]): Found[] {
  const byId = new Map<string, Found>();
  for (const one of found) {
    const id = idOf(one);
    const before = byId.get(id);
    if (before === undefined || preference(one) > preference(before)) byId.set(id, one);
  }
  return [...byId.values()];
}

/** A dual-stack pod is one endpoint with two addresses. Without a uid nothing says that two addresses are one pod. */
function mergeFamilies(found: readonly Found[], preferFamily: 4 | 6): Merged[] {
  const groups = Map.groupBy(found, (one) =>
    one.endpoint.uid === null ? idOf(one) : `${one.port}/${one.endpoint.uid}`,
  );
  return [...groups.values()].flatMap((group): Merged[] => {
    const [one, two, ...more] = group.toSorted(
      (a, b) => Number(b.family === preferFamily) - Number(a.family === preferFamily),
    );
    // Several addresses in one family (hand-made slices): which of them belong together, nobody says.
    if (one === undefined || two === undefined || more.length > 0 || one.family === two.family)
      return group.map((single) => ({ ...single, other: null }));
    const better = preference(two) > preference(one) ? two : one;
    return [
      {
        ...one,
        endpoint: { ...better.endpoint, address: one.endpoint.address },
        condition: better.condition,
        other: two,
      },
    ];
  });
}

// --- where they are

/** `internalTrafficPolicy: Local`. Where nothing is on this node nothing is selected: that is what the policy asks for. */
function onThisNode(merged: readonly Merged[], { service, locality }: SelectionInput): Selection {
  if (locality.nodeName !== null)
    return selection(merged.filter(({ endpoint }) => endpoint.nodeName === locality.nodeName));
  return selection(merged, {
    message: `Service ${service.namespace}/${service.name} keeps traffic on the node (internalTrafficPolicy: Local), and the node's name is not known: all endpoints are used`,
    hint: 'Set NODE_NAME in the sidecar from spec.nodeName by the downward API.',
  });
}

/** Leaves out what the hints give to other nodes or zones, if they are complete and leave something here. */
function byHints(merged: readonly Merged[], locality: SelectionInput['locality']): readonly Merged[] {
  return (
    hinted(merged, 'forNodes', () => locality.nodeName) ?? hinted(merged, 'forZones', () => locality.zone) ?? merged
  );
}

function hinted(merged: readonly Merged[], key: 'forNodes' | 'forZones', where: () => string | null): Merged[] | null {
  const ready = merged.filter(({ condition }) => condition === 'ready');
  if (!ready.every(({ endpoint }) => endpoint[key] !== null)) return null;
  const here = where();
  if (here === null) return null;
  if (!ready.some(({ endpoint }) => endpoint[key]?.includes(here))) return null;
  // Only ready endpoints are given hints. The others are no choice now, but what is known of them goes on counting.
  return merged.filter(({ endpoint, condition }) => condition !== 'ready' || endpoint[key]?.includes(here));
}
