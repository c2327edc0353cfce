import { mkdirSync } from 'node:fs';
import type { Test } from 'tap';
import { NODE_VARIABLE } from '../cluster/cluster.ts';
import { at, type Json } from '../cluster/json.ts';
import { until } from '../until.ts';
import { ContainerEvents } from './container-events.ts';
import { WholeNode } from './whole-node.ts';

const wanted = process.env[NODE_VARIABLE] ?? 'skip: run it with `make e2e` or `node e2e/run.ts FILE`';

/** Why there is no node, for tap's `skip`, or false. */
export const noNode: string | false = /^skip: (.*)/s.exec(wanted)?.[1] ?? false;

type SiteOptions = {
  /** Values of the chart beside those that a site sets. */
  readonly values?: Json;
  /** Whether pods of the namespace are injected; true unless said. */
  readonly labelled?: boolean;
};

/** What a file of tests works on: the node, carpool installed by its chart, and a namespace whose pods are injected. */
export class Site {
  readonly node: WholeNode;
  readonly events: ContainerEvents;
  /** Where apps are. */
  readonly namespace: string;
  /** Where the webhook is; the release has the same name. */
  readonly release: string;
  /** What apps write down, as this machine sees it. */
  readonly ledgers: string;
  #installed = false;

  private constructor(node: WholeNode) {
    this.node = node;
    this.namespace = `shop-${process.pid}`;
    this.release = `carpool-${process.pid}`;
    this.ledgers = node.file(`ledgers/${this.namespace}`);
    this.events = new ContainerEvents(node);
  }

  /** Installs the chart by helm, once for a file; all is taken away with the test. */
  static async open(test: Test, options: SiteOptions = {}): Promise<Site> {
    const site = new Site(new WholeNode(wanted));
    test.teardown(() => site.close());
    mkdirSync(site.ledgers, { recursive: true });
    await site.#namespaces();
    if (options.labelled ?? true) await site.label(true);
    await site.install(options.values);
    return site;
  }

  /** The name that apps call a Service by. */
  host(service: string): string {
    return `${service}.${this.namespace}.svc`;
  }

  async install(values: Json = {}): Promise<void> {
    const all = { namespaces: [this.namespace], webhook: { replicas: 1 }, ...values };
    const args = Object.entries(all).flatMap(([name, value]) => ['--set-json', `${name}=${JSON.stringify(value)}`]);
    const chart = this.node.project('charts/carpool');
    await this.node.helm('upgrade', '--install', this.release, chart, '-n', this.release, ...args);
    this.#installed = true;
    await this.untilWebhook();
  }

  /** Puts the label on the namespace that has its pods injected, or takes it off. */
  async label(on: boolean): Promise<void> {
    await this.node.api.patch(`/api/v1/namespaces/${this.namespace}`, {
      metadata: { labels: { 'carpool.dev/inject': on ? 'enabled' : null } },
    });
  }

  /** Waits until a new pod would be injected: the webhook answers, and the API server trusts it. */
  async untilWebhook(): Promise<void> {
    await this.node.rolledOut(this.release, this.webhook);
    await until('an injected pod', () => this.#injects(), 60_000);
  }

  /** Whether a new pod that asks for it would be injected. */
  async #injects(): Promise<boolean> {
    const tried = await this.node.api.create(`/api/v1/namespaces/${this.namespace}/pods?dryRun=All`, {
      metadata: { name: 'try', labels: { 'carpool.dev/inject': 'true' } },
      spec: { containers: [{ name: 'app', image: 'any' }] },
    });
    return at(tried, 'metadata', 'labels', 'carpool.dev/injected') === 'true';
  }

  /** The webhook's Deployment. */
  get webhook(): string {
    return `${this.release}-webhook`;
  }

  async uninstall(): Promise<void> {
    this.#installed = false;
    await this.node.helm('uninstall', this.release, '-n', this.release, '--wait', '--timeout', '60s');
  }

  /** Takes all away, and does not wait for the end of what ends by itself. */
  async close(): Promise<void> {
    const { node, namespace, release } = this;
    if (this.#installed) await node.helm('uninstall', release, '-n', release);
    for (const each of [namespace, release]) {
      await node.kubectl('-n', each, 'delete', 'deployments,jobs,cronjobs,pods', '--all', '--now', '--wait=false');
      await node.kubectl('delete', 'namespace', each, '--wait=false');
    }
    await this.events.close();
    await node.api.close();
  }

  async #namespaces(): Promise<void> {
    const { api } = this.node;
    await api.create('/api/v1/namespaces', { metadata: { name: this.release } });
    await api.create('/api/v1/namespaces', {
      metadata: { name: this.namespace },
    });
    await until(`the service account of ${this.namespace}`, () =>
      api.find(`/api/v1/namespaces/${this.namespace}/serviceaccounts/default`),
    );
  }
}
