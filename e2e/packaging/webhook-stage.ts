import type { Test } from 'tap';
import { type MadeCertificates, makeCertificates } from '../../src/webhook/make-certificates.ts';
import type { AdminApi } from '../cluster/admin-api.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { at, type Json, listAt, textAt } from '../cluster/json.ts';
import { objectsAt, WebhookPods } from '../cluster/webhook-pods.ts';
import { until } from '../until.ts';
import { installCrds } from './crds.ts';
import { CHART, helm } from './helm.ts';

const DAY = 86_400_000;
let made = 0;

/** The chart with its webhook, installed by Helm, and a namespace whose pods it injects. */
export class WebhookStage {
  readonly cluster: Cluster;
  readonly pods: WebhookPods;
  /** Release, and the namespace it is in. */
  readonly release: string;
  readonly system: string;
  /** The namespace with the label. */
  readonly shop: string;
  /** Service, configuration and the start of the Secret's name. */
  readonly name: string;
  readonly #values: Json;

  private constructor(cluster: Cluster, values: Json) {
    const id = `${process.pid}-${++made}`;
    this.cluster = cluster;
    this.#values = values;
    this.release = `carpool-${id}`;
    this.system = `system-${id}`;
    this.shop = `injected-${id}`;
    this.name = `${this.release}-webhook`;
    this.pods = new WebhookPods(cluster, this.system);
  }

  /** Installs it and waits until as many of its pods are ready as there are replicas. */
  static async open(t: Test, cluster: Cluster, webhook: Json = {}): Promise<WebhookStage> {
    const values = { webhook: { replicas: 1, timeoutSeconds: 1, ...webhook } };
    const stage = new WebhookStage(cluster, values);
    t.teardown(() => stage.#close());
    for (const [name, labels] of [
      [stage.system, {}],
      [stage.shop, { 'carpool.dev/inject': 'enabled' }],
    ] as const)
      await stage.api.create('/api/v1/namespaces', { metadata: { name, labels } });
    await until(`the service account of ${stage.shop}`, () =>
      stage.api.find(`/api/v1/namespaces/${stage.shop}/serviceaccounts/default`),
    );
    const issued = certManagers(webhook) ? await stage.issue() : null;
    if (issued !== null) installCrds(t, cluster);
    stage.helm('install', {});
    if (issued !== null) await stage.trust(issued.ca);
    await stage.pods.untilReady(values.webhook.replicas, stage.name);
    await until('the first pod that is injected', async () => isInjected(await stage.createPod({})));
    return stage;
  }

  get api(): AdminApi {
    return this.cluster.api;
  }

  /** Installs or upgrades. @throws with what Helm says */
  helm(command: 'install' | 'upgrade', webhook: Json): void {
    const before = this.#values.webhook;
    const values = { webhook: { ...(typeof before === 'object' ? before : {}), ...webhook } };
    const { code, stderr } = helm(
      [
        command,
        this.release,
        CHART,
        '-n',
        this.system,
        '-f',
        '-',
        '--kubeconfig',
        this.cluster.file('conf/admin.kubeconfig'),
      ],
      JSON.stringify(values),
    );
    if (code !== 0) throw new Error(`helm ${command}: ${stderr}`);
  }

  /** As cert-manager renews: another pair in the Secret that the webhook's pods mount. */
  async issue(lifetimeMs = DAY, host = `${this.name}.${this.system}`): Promise<MadeCertificates> {
    const names = [`${host}.svc`, `${host}.svc.cluster.local`, host];
    const made = await makeCertificates(names, Date.now(), lifetimeMs);
    await this.mount({ 'tls.crt': made.cert, 'tls.key': made.key, 'ca.crt': made.ca });
    return made;
  }

  /** Changes that Secret; made where it is not there. */
  async mount(files: Readonly<Record<string, string>>): Promise<void> {
    const name = `${this.name}-tls`;
    const path = `/api/v1/namespaces/${this.system}/secrets`;
    const data = Object.fromEntries(Object.entries(files).map(([key, text]) => [key, base64(text)]));
    if ((await this.api.find(`${path}/${name}`)) === null) await this.api.create(path, { metadata: { name }, data });
    else await this.api.patch(`${path}/${name}`, { data });
  }

  /** As cert-manager's CA injector does it: these CAs, and no others, in all bundles. */
  async trust(...cas: readonly string[]): Promise<void> {
    await this.setBundles(base64(cas.join('')));
  }

  /** Creates a pod of the shop and answers with it as it was stored. */
  createPod(pod: { readonly metadata?: Json; readonly spec?: Json }, query = ''): Promise<Json> {
    return this.api.create(`/api/v1/namespaces/${this.shop}/pods${query}`, {
      metadata: { ...pod.metadata, ...(pod.metadata?.name === undefined ? { generateName: 'app-' } : {}) },
      spec: pod.spec ?? { containers: [{ name: 'app', image: 'none' }] },
    });
  }

  /** Waits until new pods are injected again. */
  async untilHealed(): Promise<void> {
    await until('a pod that is injected again', async () => isInjected(await this.createPod({})), 30_000);
  }

  /** Waits until new pods are not: the API server takes a moment to see that its configuration has changed. */
  async untilNotInjected(): Promise<void> {
    await until('a pod that is not injected', async () => !isInjected(await this.createPod({})));
  }

  /** Waits until the Secret holds something else than this. */
  async untilMade(data: Json): Promise<void> {
    await until('another certificate', async () => {
      const held = at(await this.api.get(this.secretPath), 'data', 'tls.crt');
      return held !== '' && held !== undefined && held !== data['tls.crt'];
    });
  }

  get secretPath(): string {
    return `/api/v1/namespaces/${this.system}/secrets/${this.name}-certificate`;
  }

  get configurationPath(): string {
    return `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${this.name}`;
  }

  /** What each webhook of the configuration trusts, base64. */
  async bundles(): Promise<readonly string[]> {
    const configuration = await this.api.get(this.configurationPath);
    return listAt(configuration, 'webhooks').map((webhook) => textAt(webhook, 'clientConfig', 'caBundle'));
  }

  /** Has all webhooks trust something else. */
  async setBundles(caBundle: string | null): Promise<void> {
    const webhooks = objectsAt(await this.api.get(this.configurationPath), 'webhooks');
    await this.api.patch(this.configurationPath, {
      webhooks: webhooks.map((webhook) => ({ name: textAt(webhook, 'name'), clientConfig: { caBundle } })),
    });
  }

  async #close(): Promise<void> {
    helm(['uninstall', this.release, '-n', this.system, '--kubeconfig', this.cluster.file('conf/admin.kubeconfig')]);
    await this.pods.close();
    for (const name of [this.shop, this.system]) {
      await this.api.delete(`/api/v1/namespaces/${name}`);
      await this.api.delete(`/api/v1/namespaces/${name}/pods`, { gracePeriodSeconds: 0 }).catch(() => {});
    }
  }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function certManagers(webhook: Json): boolean {
  return textAt(webhook, 'certificates', 'source') === 'cert-manager';
}

/** Whether a pod has the sidecar and the label. */
export function isInjected(pod: Json): boolean {
  return (
    textAt(pod, 'metadata', 'labels', 'carpool.dev/injected') === 'true' &&
    objectsAt(pod, 'spec', 'initContainers').some(({ name }) => name === 'carpool')
  );
}
