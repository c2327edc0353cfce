import { until } from '../until.ts';
import type { Cluster } from './cluster.ts';
import { type Json, listAt } from './json.ts';
import { Node1, ORIGIN_PORT, type Pod } from './node-1.ts';

let made = 0;

type ShopOptions = {
  /** How long origins go on serving after SIGTERM. */
  readonly lingerMs?: number;
  /** Whether service accounts of the namespace may read Services and EndpointSlices; true unless said. */
  readonly rights?: boolean;
};

/** A namespace of a test's own, with a node that runs its pods. */
export class Shop {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly node: Node1;

  private constructor(cluster: Cluster, namespace: string, node: Node1) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.node = node;
  }

  static async open(cluster: Cluster, options: ShopOptions = {}): Promise<Shop> {
    const namespace = `shop-${process.pid}-${++made}`;
    const { api } = cluster;
    await api.create('/api/v1/namespaces', { metadata: { name: namespace } });
    await until(`the service account of ${namespace}`, () =>
      api.find(`/api/v1/namespaces/${namespace}/serviceaccounts/default`),
    );
    const { lingerMs = 0, rights = true } = options;
    const shop = new Shop(cluster, namespace, new Node1(cluster, namespace, { lingerMs }));
    if (rights) await shop.grant();
    return shop;
  }

  /** The name that apps call a Service by. */
  host(service: string): string {
    return `${service}.${this.namespace}.svc`;
  }

  /** The rights that the chart gives, to the group of a namespace's service accounts: its own unless said. */
  async grant(to = this.namespace): Promise<void> {
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${this.namespace}`;
    const metadata = { name: 'carpool' };
    await this.cluster.api.create(`${rbac}/roles`, {
      metadata,
      rules: [
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
        { apiGroups: [''], resources: ['services'], verbs: ['get'] },
      ],
    });
    await this.cluster.api.create(`${rbac}/rolebindings`, {
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'carpool' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: `system:serviceaccounts:${to}` }],
    });
  }

  /** A Service, port 80, of the pods with the label `app: <name>`. */
  async createService(name: string, spec: Json = {}): Promise<void> {
    await this.cluster.api.create(`/api/v1/namespaces/${this.namespace}/services`, {
      metadata: { name },
      spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: ORIGIN_PORT }], ...spec },
    });
  }

  /** Deletes it; the control plane then deletes its slices. */
  async deleteService(name: string): Promise<void> {
    await this.cluster.api.delete(`/api/v1/namespaces/${this.namespace}/services/${name}`);
  }

  /** A Deployment whose rolling updates add one pod, wait until it is ready, and take one away. */
  async createDeployment(name: string, replicas: number): Promise<void> {
    const labels = { app: name };
    await this.cluster.api.create(`/apis/apps/v1/namespaces/${this.namespace}/deployments`, {
      metadata: { name },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: {
          metadata: { labels },
          spec: { nodeName: 'node-1', containers: [{ name: 'origin', image: 'none' }] },
        },
      },
    });
  }

  /** A Service and its pods, with further fields of the Service's spec; resolves when all of them are in its EndpointSlices. */
  async createApp(name: string, replicas: number, spec: Json = {}): Promise<void> {
    await this.createService(name, spec);
    await this.createDeployment(name, replicas);
    await this.untilReady(name, replicas);
  }

  async scale(name: string, replicas: number): Promise<void> {
    await this.cluster.api.patch(this.#deployment(name), { spec: { replicas } });
  }

  /** A rolling update, as `kubectl rollout restart` begins it. Resolves when only new pods are left. */
  async rollOut(name: string): Promise<void> {
    const own = (): readonly Pod[] => this.node.pods.filter((pod) => pod.name.startsWith(`${name}-`));
    const before = new Set(own());
    const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
    await this.cluster.api.patch(this.#deployment(name), { spec: { template: { metadata: { annotations } } } });
    await until(
      `the rolling update of ${name}`,
      () => own().length === before.size && own().every((pod) => !before.has(pod)),
      60_000,
    );
  }

  /** Waits until so many endpoints of a Service are ready, and no other is left. */
  async untilReady(name: string, count: number): Promise<void> {
    await until(
      `${count} ready endpoints of ${name}`,
      async () => {
        const endpoints = await this.endpoints(name);
        return endpoints.length === count && endpoints.every((endpoint) => endpoint.ready);
      },
      30_000,
    );
  }

  /** What the EndpointSlices of a Service say at the moment. */
  async endpoints(name: string): Promise<readonly { readonly address: string; readonly ready: boolean }[]> {
    const list = await this.cluster.api.get(
      `/apis/discovery.k8s.io/v1/namespaces/${this.namespace}/endpointslices?labelSelector=kubernetes.io/service-name=${name}`,
    );
    return listAt(list, 'items')
      .flatMap((slice) => listAt(slice, 'endpoints'))
      .map((endpoint) => ({
        address: String(listAt(endpoint, 'addresses')[0]),
        ready: JSON.stringify(endpoint).includes('"ready":true'),
      }));
  }

  /** Ends the pods and has the namespace deleted. */
  async close(): Promise<void> {
    await this.node.close();
    const core = `/api/v1/namespaces/${this.namespace}`;
    await this.cluster.api.delete(core).catch(() => {});
    await this.cluster.api.delete(`${core}/pods`, { gracePeriodSeconds: 0 }).catch(() => {});
  }

  #deployment(name: string): string {
    return `/apis/apps/v1/namespaces/${this.namespace}/deployments/${name}`;
  }
}
