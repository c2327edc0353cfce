import fc from 'fast-check';
import t from 'tap';
import type { EndpointSink, EndpointSpec } from '../../../src/discovery/discovery.ts';
import { EndpointDiff } from '../../../src/discovery/kubernetes/endpoint-diff.ts';
import type { ServiceFacts, SliceEndpoint, SliceFacts } from '../../../src/discovery/kubernetes/objects.ts';
import { readSlice } from '../../../src/discovery/kubernetes/read-objects.ts';
import {
  type SelectedEndpoint,
  type Selection,
  selectEndpoints,
} from '../../../src/discovery/kubernetes/select-endpoints.ts';

/** How many times as many runs; 100 and more find rarer things. */
const TIMES = Number(process.env.CARPOOL_FUZZ ?? 1);

const SERVICE: ServiceFacts = {
  namespace: 'shop',
  name: 'orders',
  uid: 'u',
  externalName: null,
  headless: false,
  hasSelector: true,
  ports: [{ name: 'http', port: 80, protocol: 'TCP', appProtocol: null }],
  clientIpAffinity: false,
  localOnly: false,
};

/** Pods by their uid, and the last part of their address in either family; two of them have the same, one after the other. */
const PODS = [
  ['u1', '1'],
  ['u2', '2'],
  ['u3', '1'],
  [null, '1'],
  [null, '3'],
] as const;

/** Few pods and places, so that they meet. `steady`: a pod keeps its address. */
const endpoint = (family: 4 | 6, steady: boolean): fc.Arbitrary<SliceEndpoint> =>
  fc
    .record({
      ready: fc.boolean(),
      serving: fc.boolean(),
      terminating: fc.boolean(),
      hostname: fc.constantFrom(null, 'db-0', 'db-1'),
      nodeName: fc.constantFrom(null, 'n1', 'n2'),
      zone: fc.constantFrom(null, 'a', 'b'),
      pod: fc.constantFrom(null, 'orders-0'),
      forZones: fc.constantFrom(null, ['a'], ['b'], ['a', 'b']),
      forNodes: fc.constantFrom(null, null, ['n1'], ['n2']),
    })
    .chain((rest) =>
      fc.tuple(fc.constantFrom(...PODS), fc.constantFrom('1', '2', '3')).map(([[uid, own], any]) => {
        const last = steady ? own : any;
        return { ...rest, uid, address: family === 4 ? `10.0.0.${last}` : `fd00::${last}` };
      }),
    );

const slice = (family: 4 | 6, steady: boolean): fc.Arbitrary<SliceFacts> =>
  fc.record({
    namespace: fc.constant('shop'),
    name: fc.constant('orders-x'),
    service: fc.constant('orders'),
    family: fc.constant(family),
    ports: fc
      .constantFrom(8080, 8080, 8080, 8081, null)
      .map((port) => [{ name: 'http', port, protocol: 'TCP', appProtocol: null }]),
    endpoints: fc.array(endpoint(family, steady), { maxLength: 4 }),
    problems: fc.constant([]),
  });

const slicesOf = (steady: boolean) => fc.array(fc.oneof(slice(4, steady), slice(6, steady)), { maxLength: 3 });
const slices = slicesOf(false);

const place = fc.record({
  service: fc.record({ headless: fc.boolean(), localOnly: fc.boolean() }).map((more) => ({ ...SERVICE, ...more })),
  port: fc.constant(80),
  hostname: fc.constantFrom(null, null, null, 'db-0'),
  locality: fc.record({ nodeName: fc.constantFrom(null, 'n1'), zone: fc.constantFrom(null, 'a') }),
  preferFamily: fc.constantFrom(4 as const, 6 as const),
});

type Known = { readonly spec: EndpointSpec; readonly state: string };

/** A sink that has a request waiting at every moment, and sees whether one of its endpoints would take it. */
class ModelSink implements EndpointSink {
  readonly known = new Map<string, Known>();
  calls = 0;
  /** Whether there was a moment without an endpoint that takes requests. */
  starved = false;

  get serves(): boolean {
    return [...this.known.values()].some(({ state }) => state === 'ready' || state === 'serving');
  }

  add(spec: EndpointSpec): void {
    this.known.set(spec.id, { spec, state: 'ready' });
    this.#called();
  }

  suspend(): void {
    throw new Error('slices suspend nothing');
  }

  unready(id: string): void {
    this.#change(id, 'unready');
  }

  terminating(id: string, serving: boolean): void {
    this.#change(id, serving ? 'serving' : 'leaving');
  }

  remove(id: string): void {
    if (!this.known.delete(id)) throw new Error(`${id} was never told`);
    this.#called();
  }

  affinity(): void {}

  settled(): void {}

  #change(id: string, state: string): void {
    const before = this.known.get(id);
    if (before === undefined) throw new Error(`${id} was never told`);
    this.known.set(id, { ...before, state });
    this.#called();
  }

  #called(): void {
    this.calls++;
    if (!this.serves) this.starved = true;
  }
}

function addresses({ address, otherAddress }: EndpointSpec): string[] {
  return otherAddress === undefined ? [address] : [address, otherAddress];
}

/** What the sink knows of an endpoint of the selection, maybe by its other address: then uid and port are the same. */
function knownOf(sink: ModelSink, { spec }: SelectedEndpoint): Known | undefined {
  const slash = spec.id.indexOf('/');
  if (slash < 0) return sink.known.get(spec.id);
  const uid = spec.id.slice(slash);
  return [...sink.known.values()].find((known) => known.spec.port === spec.port && known.spec.id.endsWith(uid));
}

/** Why the sink does not stand as the selection says, or null. */
function difference(sink: ModelSink, { endpoints }: Selection): string | null {
  const accounted = new Set<Known>();
  for (const one of endpoints.values()) {
    const same = knownOf(sink, one);
    if (same === undefined) {
      if (one.condition === 'ready' || one.condition === 'serving') return `${one.spec.id} is missing`;
      continue;
    }
    accounted.add(same);
    if (same.state !== one.condition) return `${one.spec.id} is ${same.state} and not ${one.condition}`;
    const missing = addresses(one.spec).find((address) => !addresses(same.spec).includes(address));
    if (missing !== undefined && one.condition === 'ready') return `${one.spec.id} has no address ${missing}`;
  }
  const left = [...sink.known.values()].find((known) => !accounted.has(known));
  return left === undefined ? null : `${left.spec.id} should be gone`;
}

t.test('whatever slices come one after the other, the sink ends as the last selection says', async () => {
  fc.assert(
    fc.property(fc.array(slicesOf(true), { minLength: 1, maxLength: 6 }), place, (states, where) => {
      const sink = new ModelSink();
      const diff = new EndpointDiff(sink);
      for (const state of states) {
        const selection = selectEndpoints({ ...where, slices: state });
        diff.apply(selection.endpoints);
        const wrong = difference(sink, selection);
        if (wrong !== null) throw new Error(wrong);
        const { calls } = sink;
        diff.apply(selection.endpoints);
        if (sink.calls !== calls) throw new Error('the same selection was told twice');
      }
      diff.clear();
      return sink.known.size === 0;
    }),
    { numRuns: 3000 * TIMES },
  );
});

t.test('slices that make no sense are told once and can be taken back whole', async () => {
  fc.assert(
    fc.property(fc.array(slices, { minLength: 1, maxLength: 6 }), place, (states, where) => {
      const sink = new ModelSink();
      const diff = new EndpointDiff(sink);
      for (const state of states) {
        const { endpoints } = selectEndpoints({ ...where, slices: state });
        diff.apply(endpoints);
        const { calls } = sink;
        diff.apply(endpoints);
        if (sink.calls !== calls) throw new Error('the same selection was told twice');
        const told = [...sink.known.values()].filter(({ state }) => state === 'ready').length;
        if (told !== [...endpoints.values()].filter(({ condition }) => condition === 'ready').length)
          throw new Error('other endpoints are ready than are selected');
      }
      diff.clear();
      return sink.known.size === 0;
    }),
    { numRuns: 3000 * TIMES },
  );
});

t.test('between two selections that both serve there is no moment without an endpoint', async () => {
  let both = 0;
  fc.assert(
    fc.property(slices, slices, place, (before, after, where) => {
      const sink = new ModelSink();
      const diff = new EndpointDiff(sink);
      diff.apply(selectEndpoints({ ...where, slices: before }).endpoints);
      const served = sink.serves;
      sink.starved = false;
      diff.apply(selectEndpoints({ ...where, slices: after }).endpoints);
      if (!served || !sink.serves) return true;
      both++;
      return !sink.starved;
    }),
    { numRuns: 3000 * TIMES },
  );
  t.ok(both > 300, 'enough of them serve');
});

t.test('the order of slices and endpoints makes no difference to who is selected', async () => {
  const told = ({ endpoints }: Selection) =>
    [...endpoints].map(([id, { condition, otherId }]) => `${id} ${condition} ${otherId}`).sort();
  fc.assert(
    fc.property(slices, fc.constantFrom(4 as const, 6 as const), (state, preferFamily) => {
      const where = {
        service: SERVICE,
        port: 80,
        hostname: null,
        locality: { nodeName: null, zone: null },
        preferFamily,
      };
      const turned = state.toReversed().map((one) => ({ ...one, endpoints: one.endpoints.toReversed() }));
      const [one, other] = [state, turned].map((each) => told(selectEndpoints({ ...where, slices: each })).join());
      return one === other;
    }),
    { numRuns: 300 * TIMES },
  );
});

t.test('hints never leave a Service without its ready endpoints', async () => {
  fc.assert(
    fc.property(slices, place, (state, where) => {
      const service = { ...where.service, localOnly: false };
      const selection = selectEndpoints({ ...where, service, hostname: null, slices: state });
      const ready = state.some(({ endpoints }) => endpoints.some((one) => one.ready && !one.terminating));
      return ready === [...selection.endpoints.values()].some(({ condition }) => condition === 'ready');
    }),
    { numRuns: 3000 * TIMES },
  );
});

t.test('any JSON reads as a slice or as none, without an error', async () => {
  const metadata = { namespace: 'shop', name: 'x', labels: { 'kubernetes.io/service-name': 'orders' } };
  const key = fc.constantFrom(
    'addresses',
    'conditions',
    'hints',
    'targetRef',
    'port',
    'name',
    'ready',
    'forZones',
    'uid',
  );
  const value = fc.jsonValue({ maxDepth: 1 });
  const odd = fc.dictionary(key, fc.oneof(value, fc.dictionary(key, value), fc.array(fc.constant('10.0.0.1'))));
  const list = fc.oneof(value, fc.array(fc.oneof(odd, value)));
  fc.assert(
    fc.property(fc.constantFrom('IPv4', 'IPv6', 'FQDN', 7), list, list, (addressType, endpoints, ports) => {
      const facts = readSlice({ metadata, addressType, endpoints, ports });
      if (facts === null) return addressType === 'FQDN';
      return facts.problems.length <= 6 && facts.problems.every((text) => text.length < 150);
    }),
    { numRuns: 500 * TIMES },
  );
});
