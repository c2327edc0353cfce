import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type OriginEntry, readOriginLedger } from '../origins/ledger.ts';
import { firstLine, hasEnded, start, stop } from '../processes.ts';
import { until } from '../until.ts';
import type { Cluster } from './cluster.ts';
import { type Json, textAt } from './json.ts';
import { Tasks } from './tasks.ts';

const originProgram = fileURLToPath(new URL('../origins/origin.ts', import.meta.url));
export const ORIGIN_PORT = 8080;

/** A pod with its process. */
export type Pod = {
  readonly name: string;
  readonly address: string;
  readonly ledger: string;
  origin: ChildProcess | null;
  /** When it was told to end. */
  terminatedAt: number | null;
};

type NodeOptions = {
  /** How long origins go on serving after SIGTERM. */
  readonly lingerMs?: number;
};

/**
 * The kubelet of `node-1` for the pods of one namespace: a pod that appears gets an address and an origin, and its status
 * says Ready when that listens; a pod that is deleted gets SIGTERM at once, and goes when its origin has ended.
 */
export class Node1 {
  readonly #cluster: Cluster;
  readonly #namespace: string;
  readonly #options: NodeOptions;
  readonly #pods = new Map<string, Pod>();
  readonly #stopped = new AbortController();
  readonly #following: Promise<void>;
  readonly #tasks = new Tasks('node-1', this.#stopped.signal);

  constructor(cluster: Cluster, namespace: string, options: NodeOptions = {}) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#options = options;
    this.#following = cluster.api.follow(this.#path(), this.#stopped.signal, (type, object) => this.#see(type, object));
  }

  /** Pods with a process, the oldest first. */
  get pods(): readonly Pod[] {
    return [...this.#pods.values()].filter((pod) => pod.origin !== null && !hasEnded(pod.origin));
  }

  /** Whatever any of its origins has written down. */
  ledger(): readonly OriginEntry[] {
    return [...this.#pods.values()].flatMap((pod) => readOriginLedger(pod.name, pod.ledger));
  }

  /** Those that a Deployment of this name has made. */
  podsOf(name: string): readonly Pod[] {
    return this.pods.filter((pod) => pod.name.startsWith(`${name}-`) && pod.terminatedAt === null);
  }

  /** When a pod was told to end: none, or one time. */
  terminated(name: string): readonly number[] {
    return [this.#pods.get(name)?.terminatedAt ?? []].flat();
  }

  /** When pods were told to end. */
  get terminations(): readonly number[] {
    return [...this.#pods.values()].flatMap((pod) => pod.terminatedAt ?? []);
  }

  /** Waits until exactly so many pods run, none of them about to end. */
  async untilPods(count: number, withinMs = 30_000): Promise<readonly Pod[]> {
    return await until(
      `${count} pods in ${this.#namespace}`,
      () => {
        const pods = this.pods;
        return pods.length === count && pods.every((pod) => pod.terminatedAt === null) && pods;
      },
      withinMs,
    );
  }

  /** The process is killed and the address answers nobody any more, neither by RST nor by ICMP. The API hears nothing. */
  async kill(pod: Pod): Promise<void> {
    const nowhere = ['lladdr', '02:00:00:00:00:01', 'dev', 'pods0', 'nud', 'permanent'];
    if (pod.origin) await stop(pod.origin, 'SIGKILL');
    await this.#cluster.inside('ip', 'neigh', 'replace', pod.address, ...nowhere);
    await this.#cluster.inside('ip', 'addr', 'del', `${pod.address}/32`, 'dev', 'pods0');
  }

  /** The kubelet notices: the pod is taken from the API, and whatever made it makes another. */
  async bury(pod: Pod): Promise<void> {
    await this.#cluster.api.delete(`${this.#path()}/${pod.name}`, { gracePeriodSeconds: 0 });
  }

  /** The pod's status says that it is, or is not, ready. */
  async setReady(pod: Pod, ready: boolean): Promise<void> {
    const { name, address } = pod;
    await this.#cluster.api.patch(`${this.#path()}/${name}/status`, {
      status: {
        phase: 'Running',
        podIP: address,
        podIPs: [{ ip: address }],
        conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      },
    });
  }

  /** Ends all its origins and forgets their addresses. The objects in the API stay. */
  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#following;
    await this.#tasks.ended();
    await Promise.all([...this.#pods.values()].map((pod) => this.#end(pod, 'SIGKILL')));
  }

  #path(): string {
    return `/api/v1/namespaces/${this.#namespace}/pods`;
  }

  #see(type: string, object: Json): void {
    const name = textAt(object, 'metadata', 'name');
    const known = this.#pods.get(name);
    const deleted = type === 'DELETED' || textAt(object, 'metadata', 'deletionTimestamp') !== '';
    if (known === undefined && !deleted) this.#tasks.add(this.#begin(name));
    else if (known && deleted && known.terminatedAt === null) this.#tasks.add(this.#terminate(known));
  }

  async #begin(name: string): Promise<void> {
    const address = this.#cluster.addresses.take();
    const ledger = this.#cluster.file(`logs/${this.#namespace}.${name}.ledger`);
    writeFileSync(ledger, '');
    const pod: Pod = { name, address, ledger, origin: null, terminatedAt: null };
    this.#pods.set(name, pod);
    await this.#cluster.inside('ip', 'neigh', 'del', address, 'dev', 'pods0').catch(() => {});
    await this.#cluster.inside('ip', 'addr', 'add', `${address}/32`, 'dev', 'pods0');
    const { lingerMs = 0 } = this.#options;
    pod.origin = start(
      [process.execPath, originProgram, name, address, String(ORIGIN_PORT), ledger, String(lingerMs)],
      { log: this.#cluster.file('logs/origins.log'), netns: this.#cluster.netns },
    );
    await firstLine(pod.origin);
    await this.setReady(pod, true);
  }

  async #terminate(pod: Pod): Promise<void> {
    pod.terminatedAt = Date.now();
    await this.#end(pod, 'SIGTERM');
    await this.#cluster.api.delete(`${this.#path()}/${pod.name}`, { gracePeriodSeconds: 0 });
  }

  async #end(pod: Pod, signal: NodeJS.Signals): Promise<void> {
    // 30 s is what Kubernetes gives a pod.
    if (pod.origin) await stop(pod.origin, signal, 30_000);
    await this.#cluster.inside('ip', 'addr', 'del', `${pod.address}/32`, 'dev', 'pods0').catch(() => {
      // It was killed before.
    });
    this.#cluster.addresses.giveBack(pod.address);
  }
}
