import type { KubernetesSettings } from '../../../src/config/types.ts';
import type {
  Discovery,
  DiscoveryState,
  EndpointSink,
  EndpointSubscription,
} from '../../../src/discovery/discovery.ts';
import type { Problem } from '../../../src/discovery/kubernetes/discovery-log.ts';
import { KubernetesDiscovery } from '../../../src/discovery/kubernetes/kubernetes-discovery.ts';
import { CarpoolError } from '../../../src/errors.ts';
import { DiscoveryObserver } from '../../../src/observer.ts';
import { TestClock } from '../../test-clock.ts';
import { RecordingSink } from '../recording-sink.ts';
import { FakeKubeApi, type ListCall, settled } from './fake-kube-api.ts';

/** DNS in the hand of a test. */
export class FakeDns implements Discovery {
  readonly names: string[] = [];
  readonly sinks = new Map<string, EndpointSink>();
  /** Answers at once, before `subscribe` returns: what is cached. */
  cached = new Map<string, readonly string[]>();
  closed: string[] = [];
  refreshed = 0;

  subscribe(host: string, port: number, sink: EndpointSink): EndpointSubscription {
    this.names.push(host);
    this.sinks.set(host, sink);
    const known = this.cached.get(host);
    if (known !== undefined) this.answer(host, known, port);
    const state: DiscoveryState = { source: 'dns', state: 'ready', error: null, ageMs: 5 };
    return {
      describe: () => state,
      refresh: () => {
        this.refreshed++;
      },
      close: () => {
        this.sinks.delete(host);
        this.closed.push(host);
      },
    };
  }

  answer(host: string, addresses: readonly string[], port = 80): void {
    const sink = this.sinks.get(host);
    for (const address of addresses) sink?.add({ id: `${address}:${port}`, address, port });
    sink?.settled(null);
  }

  fail(host: string): void {
    this.sinks.get(host)?.settled(new CarpoolError('NO_ROUTE', `${host} has no address in DNS`));
  }
}

type Teardown = { readonly teardown: (callback: () => void) => void };

/** Kubernetes discovery of a pod in namespace shop, its API server and DNS in the hand of a test. */
export function startKubernetes(
  t: Teardown,
  changes: Partial<KubernetesSettings> = {},
  identity: { namespace?: string | null; problem?: Problem | null } = {},
) {
  const clock = new TestClock();
  const api = new FakeKubeApi();
  const dns = new FakeDns();
  const observer = new DiscoveryObserver();
  const lines: string[] = [];
  let opened = 0;
  const settings: KubernetesSettings = {
    enabled: 'on',
    firstLookupMs: 200,
    kubeconfig: null,
    apiServer: null,
    tokenDir: '/nowhere',
    namespace: null,
    namespaces: [],
    node: null,
    zone: null,
    podAddress: null,
    ...changes,
  };
  const who: { namespace: string | null; problem: Problem | null } = { namespace: 'shop', problem: null, ...identity };
  const discovery = new KubernetesDiscovery({
    settings,
    identity: () => who,
    clusterDomain: () => 'cluster.local',
    dns,
    openApi: async () => {
      opened++;
      return api;
    },
    clock,
    random: () => 0.5,
    log: { info: (message) => lines.push(message), warn: (message) => lines.push(message) },
    observer,
    preferFamily: 4,
    allow: () => [],
    affinityKey: '10.1.0.9',
  });
  t.teardown(() => discovery.close());

  const subscribe = async (host: string, port = 80) => {
    const sink = new RecordingSink();
    const subscription = discovery.subscribe(host, port, sink);
    await settled();
    return { sink, subscription };
  };
  /** The calls about objects at `path` that were not answered yet, the last one of them. */
  const call = (pattern: RegExp): ListCall => {
    const found = api.lists.findLast(({ path }) => pattern.test(path));
    if (found === undefined) throw new Error(`nothing like ${pattern} was asked for, but ${paths()}`);
    return found;
  };
  const paths = () => api.lists.map(({ path }) => path).join(' ');
  /** Answers a Service and the list of its slices, and opens the watch. */
  const tell = async (service: unknown, slices: readonly unknown[], version = '100') => {
    await call(/\/services\//).answerRaw(service);
    await call(/endpointslices$/).answer(slices, version);
    api.last.handlers.opened();
  };
  return { who, clock, api, dns, observer, discovery, lines, subscribe, call, tell, opened: () => opened };
}
