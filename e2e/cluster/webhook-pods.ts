import type { ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { hasEnded, start, stop } from '../processes.ts';
import { until } from '../until.ts';
import type { Cluster } from './cluster.ts';
import { isJson, type Json, listAt, textAt } from './json.ts';
import { mountFiles, secretFiles } from './mounted-files.ts';
import { Tasks } from './tasks.ts';

const program = fileURLToPath(new URL('../../dist/webhook.js', import.meta.url));

/** Failing probes for so long make a pod not ready. */
const NOT_READY_MS = 6_000;

/** A pod of the webhook's Deployment with the process that plays it. */
export type WebhookPod = {
  readonly name: string;
  readonly address: string;
  /** What it logs. */
  readonly log: string;
  readonly process: ChildProcess;
  leaving: boolean;
};

/**
 * Plays the pods of the webhook in a namespace, as a kubelet would: each pod that the API makes there becomes a process at an
 * address of its own, with its arguments, its ConfigMap and a token of its service account, and is ready when it says so.
 */
export class WebhookPods {
  readonly #cluster: Cluster;
  readonly #namespace: string;
  readonly #pods = new Map<string, WebhookPod | null>();
  readonly #stopped = new AbortController();
  readonly #following: Promise<void>;
  readonly #tasks = new Tasks('webhook pods', this.#stopped.signal);

  constructor(cluster: Cluster, namespace: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#following = cluster.api.follow(this.#path(), this.#stopped.signal, (type, object) => this.#see(type, object));
  }

  /** Those that run and are not about to end, the oldest first. */
  get pods(): readonly WebhookPod[] {
    return [...this.#pods.values()]
      .filter((pod) => pod !== null)
      .filter((pod) => !pod.leaving && !hasEnded(pod.process));
  }

  /** Waits until so many are ready, and the API's slices say so. */
  async untilReady(count: number, service: string): Promise<readonly WebhookPod[]> {
    await until(
      `${count} ready pods of the webhook`,
      async () => {
        const endpoints = await this.#endpoints(service);
        return endpoints.filter(isReady).length === count && endpoints.length === count && this.pods.length === count;
      },
      60_000,
    );
    return this.pods;
  }

  /** Waits until none is ready, while they run. */
  async untilNoneReady(service: string): Promise<void> {
    await until('no ready pod of the webhook', async () => !(await this.#endpoints(service)).some(isReady), 30_000);
  }

  /** Has all of them look at their settings and certificates at once. */
  lookNow(): void {
    for (const pod of this.pods) pod.process.kill('SIGHUP');
  }

  /** The value of a metric, all pods together. @param line how its line begins, labels included */
  async metric(line: string): Promise<number> {
    const pages = await Promise.all(this.pods.map((pod) => this.#ask(pod, '/metrics')));
    const values = pages.flatMap(({ text }) => text.split('\n')).filter((each) => each.startsWith(`${line} `));
    return values.reduce((sum, each) => sum + Number(each.slice(line.length)), 0);
  }

  /** Ends all processes. The objects in the API stay. */
  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#following;
    await this.#tasks.ended();
    await Promise.all([...this.#pods.values()].map((pod) => pod && this.#end(pod, 'SIGKILL')));
  }

  async #endpoints(service: string): Promise<readonly unknown[]> {
    const slices = await this.#cluster.api.get(
      `/apis/discovery.k8s.io/v1/namespaces/${this.#namespace}/endpointslices?labelSelector=kubernetes.io/service-name=${service}`,
    );
    return listAt(slices, 'items').flatMap((slice) => listAt(slice, 'endpoints'));
  }

  #path(): string {
    return `/api/v1/namespaces/${this.#namespace}/pods`;
  }

  #see(type: string, object: Json): void {
    const name = textAt(object, 'metadata', 'name');
    const known = this.#pods.get(name);
    const leaves = type === 'DELETED' || textAt(object, 'metadata', 'deletionTimestamp') !== '';
    if (known === undefined && !leaves) this.#tasks.add(this.#begin(name, object));
    else if (known && leaves && !known.leaving) this.#tasks.add(this.#leave(known));
  }

  async #begin(name: string, object: Json): Promise<void> {
    this.#pods.set(name, null);
    // Nobody schedules here, and slices have no endpoint without a node.
    await this.#cluster.api.create(`${this.#path()}/${name}/binding`, {
      metadata: { name },
      target: { apiVersion: 'v1', kind: 'Node', name: 'node-1' },
    });
    const address = this.#cluster.addresses.take();
    await this.#cluster.inside('ip', 'neigh', 'del', address, 'dev', 'pods0').catch(() => {});
    await this.#cluster.inside('ip', 'addr', 'replace', `${address}/32`, 'dev', 'pods0');
    const mounts = await this.#mount(name, object);
    const args = listAt(listAt(object, 'spec', 'containers')[0], 'args').map(String);
    const log = this.#cluster.file(`logs/${name}.log`);
    const child = start(
      [
        ...[process.execPath, program],
        ...args.map((arg) =>
          arg.replace('/etc/carpool-webhook/', `${mounts}/`).replace('/etc/carpool-webhook-tls', `${mounts}/tls`),
        ),
        ...['--host', address, '--token-dir', mounts, '--log-level', 'debug'],
      ],
      {
        log,
        netns: this.#cluster.netns,
        env: {
          POD_NAMESPACE: this.#namespace,
          KUBERNETES_SERVICE_HOST: this.#cluster.nodeIp,
          KUBERNETES_SERVICE_PORT: '6443',
        },
      },
    );
    child.stdout?.pipe(createWriteStream(log, { flags: 'a' }));
    const pod: WebhookPod = { name, address, log, process: child, leaving: false };
    this.#pods.set(name, pod);
    this.#tasks.add(this.#probe(pod));
    const secret = secretOf(object);
    if (secret !== '') this.#tasks.add(this.#bring(pod, secret, `${mounts}/tls`));
  }

  /** The ConfigMap, the token and the CA, in one directory. */
  async #mount(name: string, object: Json): Promise<string> {
    const { api } = this.#cluster;
    const directory = this.#cluster.file(`run/${name}`);
    mkdirSync(directory, { recursive: true });
    const core = `/api/v1/namespaces/${this.#namespace}`;
    const volumes = listAt(object, 'spec', 'volumes');
    const map = volumes.map((volume) => textAt(volume, 'configMap', 'name')).find((each) => each !== '');
    const settings = await api.get(`${core}/configmaps/${map}`);
    writeFileSync(`${directory}/injection.yaml`, textAt(settings, 'data', 'injection.yaml'));
    const account = textAt(object, 'spec', 'serviceAccountName');
    const answer = await api.create(`${core}/serviceaccounts/${account}/token`, { spec: { expirationSeconds: 3600 } });
    writeFileSync(`${directory}/.token`, textAt(answer, 'status', 'token'));
    renameSync(`${directory}/.token`, `${directory}/token`);
    const root = await api.get(`${core}/configmaps/kube-root-ca.crt`);
    writeFileSync(`${directory}/ca.crt`, textAt(root, 'data', 'ca.crt'));
    const secret = secretOf(object);
    if (secret !== '') mountFiles(`${directory}/tls`, secretFiles(await api.get(`${core}/secrets/${secret}`)));
    return directory;
  }

  /** Brings changes of the mounted Secret to its files, only sooner than a kubelet does. */
  async #bring(pod: WebhookPod, secret: string, directory: string): Promise<void> {
    while (!this.#stopped.signal.aborted && !pod.leaving && !hasEnded(pod.process)) {
      const object = await this.#cluster.api.find(`/api/v1/namespaces/${this.#namespace}/secrets/${secret}`);
      if (object !== null) mountFiles(directory, secretFiles(object));
      await wait(200);
    }
  }

  /** Tells the API what /readyz says: that it is ready at once, that it is not after six seconds, as the chart's probe does. */
  async #probe(pod: WebhookPod): Promise<void> {
    let told: boolean | null = null;
    let goodAt = Number.NEGATIVE_INFINITY;
    while (!this.#stopped.signal.aborted && !pod.leaving && !hasEnded(pod.process)) {
      if ((await this.#ask(pod, '/readyz')).status === 200) goodAt = performance.now();
      const ready = performance.now() - goodAt < NOT_READY_MS;
      if (ready !== told) await this.#tell(pod, ready);
      told = ready;
      await wait(100);
    }
  }

  async #tell({ name, address }: WebhookPod, ready: boolean): Promise<void> {
    await this.#cluster.api.patch(`${this.#path()}/${name}/status`, {
      status: {
        phase: 'Running',
        podIP: address,
        podIPs: [{ ip: address }],
        conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      },
    });
  }

  async #ask(pod: WebhookPod, path: string): Promise<{ status: number; text: string }> {
    try {
      const timeouts = { headersTimeout: 1000, bodyTimeout: 1000 };
      const { statusCode, body } = await request(`http://${pod.address}:8081${path}`, timeouts);
      return { status: statusCode, text: await body.text() };
    } catch {
      return { status: 0, text: '' };
    }
  }

  async #leave(pod: WebhookPod): Promise<void> {
    pod.leaving = true;
    await this.#end(pod, 'SIGTERM');
    await this.#cluster.api.delete(`${this.#path()}/${pod.name}`, { gracePeriodSeconds: 0 });
    this.#pods.delete(pod.name);
  }

  async #end(pod: WebhookPod, signal: NodeJS.Signals): Promise<void> {
    await stop(pod.process, signal, 30_000);
    await this.#cluster.inside('ip', 'addr', 'del', `${pod.address}/32`, 'dev', 'pods0').catch(() => {});
    this.#cluster.addresses.giveBack(pod.address);
  }
}

const isReady = (endpoint: unknown): boolean => JSON.stringify(endpoint).includes('"ready":true');

/** The Secret that a pod mounts, or nothing. */
function secretOf(pod: Json): string {
  const names = listAt(pod, 'spec', 'volumes').map((volume) => textAt(volume, 'secret', 'secretName'));
  return names.find((name) => name !== '') ?? '';
}

/** Of an object's lists of objects. */
export function objectsAt(value: unknown, ...path: readonly string[]): readonly Json[] {
  return listAt(value, ...path).filter(isJson);
}
