import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Cluster } from '../cluster/cluster.ts';
import { at, type Json, listAt, textAt } from '../cluster/json.ts';
import { run } from '../processes.ts';
import { until } from '../until.ts';

const project = fileURLToPath(new URL('../../', import.meta.url));

/** A pod of the API, as far as tests look at it. */
export type PodStatus = {
  readonly name: string;
  readonly uid: string;
  readonly address: string;
  readonly ready: boolean;
  /** It is told to end. */
  readonly ending: boolean;
  readonly containers: readonly ContainerStatus[];
  readonly object: Json;
};

/** A container of a pod, init containers included. */
export type ContainerStatus = {
  readonly name: string;
  /** As the runtime knows it; empty before it is made. */
  readonly id: string;
  readonly restarts: number;
};

/** A line that a container has printed. */
export type LogLine = {
  /** Milliseconds, with fractions, as the runtime got it. */
  readonly at: number;
  readonly text: string;
};

/** A running node: its API, its tools, and what its containers have said. */
export class WholeNode extends Cluster {
  /** The folder of kubectl and helm. */
  readonly programs: string;

  constructor(state: string) {
    super(state);
    this.programs = /^BIN=(.*)$/m.exec(readFileSync(`${state}/env`, 'utf8'))?.[1] ?? '';
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return run([`${this.programs}/kubectl`, '--kubeconfig', this.file('conf/admin.kubeconfig'), ...args]);
  }

  helm(...args: readonly string[]): Promise<string> {
    return run([`${this.programs}/helm`, '--kubeconfig', this.file('conf/admin.kubeconfig'), ...args]);
  }

  /** A file of the project, such as the chart. */
  project(path: string): string {
    return `${project}${path}`;
  }

  /** The pods of a namespace with that label (`app=web`), the oldest first; those that have ended too. */
  async pods(namespace: string, label: string): Promise<readonly PodStatus[]> {
    const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(label)}`;
    const created = (pod: unknown): string => textAt(pod, 'metadata', 'creationTimestamp');
    return listAt(await this.api.get(path), 'items')
      .toSorted((a, b) => created(a).localeCompare(created(b)))
      .map(podStatus);
  }

  /** Waits until exactly so many pods are there with that label, all of them ready. */
  async untilPods(namespace: string, label: string, count: number, withinMs = 60_000): Promise<readonly PodStatus[]> {
    let seen: readonly PodStatus[] = [];
    const look = async (): Promise<readonly PodStatus[] | null> => {
      seen = await this.pods(namespace, label);
      return seen.length === count && seen.every((pod) => pod.ready && !pod.ending) ? seen : null;
    };
    try {
      return await until(`${count} pods ${label} in ${namespace}`, look, withinMs);
    } catch (error) {
      const states = (object: Json): readonly unknown[] =>
        ['initContainerStatuses', 'containerStatuses'].flatMap((list) =>
          listAt(object, 'status', list).map((each) => [at(each, 'name'), at(each, 'state'), at(each, 'lastState')]),
        );
      const found = seen.map(({ name, object }) => `${name}: ${JSON.stringify(states(object))}`);
      throw new Error(`${String(error)}; there are ${seen.length}: ${found.join('\n')}`);
    }
  }

  /** Waits until a rollout is through: all pods new, ready, and the old ones told to end. */
  async rolledOut(namespace: string, deployment: string): Promise<void> {
    await this.kubectl('-n', namespace, 'rollout', 'status', `deployment/${deployment}`, '--timeout=120s');
  }

  /** Makes the pods of a Deployment anew, and waits for that. */
  async restart(namespace: string, deployment: string): Promise<void> {
    await this.kubectl('-n', namespace, 'rollout', 'restart', `deployment/${deployment}`);
    await this.rolledOut(namespace, deployment);
  }

  /** What a container has printed, in all of its lives; also after its end, for as long as its pod is there. */
  log(namespace: string, pod: PodStatus, container: string): readonly LogLine[] {
    const folder = this.file(`pod-logs/${namespace}_${pod.name}_${pod.uid}/${container}`);
    const lives = readdirSync(folder).toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    return lives.flatMap((name) =>
      readFileSync(`${folder}/${name}`, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => ({ at: instant(line.slice(0, line.indexOf(' '))), text: line.replace(/^(\S+ ){3}/, '') })),
    );
  }
}

/** Milliseconds, with fractions, of an RFC 3339 time, of which Date keeps three digits. */
export function instant(time: string): number {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? '';
  return Date.parse(time.replace(/\.\d+/, '')) + Number(`0.${fraction || '0'}`) * 1000;
}

function podStatus(pod: unknown): PodStatus {
  const conditions = listAt(pod, 'status', 'conditions');
  const statuses = [...listAt(pod, 'status', 'initContainerStatuses'), ...listAt(pod, 'status', 'containerStatuses')];
  return {
    name: textAt(pod, 'metadata', 'name'),
    uid: textAt(pod, 'metadata', 'uid'),
    address: textAt(pod, 'status', 'podIP'),
    ready: conditions.some((each) => textAt(each, 'type') === 'Ready' && textAt(each, 'status') === 'True'),
    ending: textAt(pod, 'metadata', 'deletionTimestamp') !== '',
    containers: statuses.map((status) => ({
      name: textAt(status, 'name'),
      id: textAt(status, 'containerID').replace(/^.*:\/\//, ''),
      restarts: Number(isObject(status) ? status.restartCount : 0),
    })),
    object: isObject(pod) ? pod : {},
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}
