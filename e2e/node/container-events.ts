import type { ChildProcess } from 'node:child_process';
import { at, textAt } from '../cluster/json.ts';
import { start, stop } from '../processes.ts';
import { until } from '../until.ts';
import { type ContainerStatus, instant, type PodStatus, type WholeNode } from './whole-node.ts';

type ContainerEvent = {
  /** Milliseconds, with fractions. */
  readonly at: number;
  readonly what: 'started' | 'ended';
  readonly id: string;
  /** The exit code of one that has ended. */
  readonly code: number;
};

/** The main process of a container; those that exec starts have ids of their own. */
const TOPICS = new Map<string, ContainerEvent['what']>([
  ['/tasks/start', 'started'],
  ['/tasks/exit', 'ended'],
]);

let made = 0;

/** When containers start and end, to the microsecond, as the container runtime sees it: the API tells seconds. */
export class ContainerEvents {
  readonly #child: ChildProcess;
  readonly #events: ContainerEvent[] = [];

  constructor(node: WholeNode) {
    const socket = node.file('cri/containerd.sock');
    this.#child = start(['ctr', '--address', socket, '--namespace', 'k8s.io', 'events'], {
      log: node.file(`logs/events-${process.pid}-${++made}.log`),
    });
    let rest = '';
    this.#child.stdout?.on('data', (bytes: Buffer) => {
      const lines = `${rest}${bytes.toString()}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#read(line);
    });
  }

  /** How a container of a pod started, once that is known. */
  started(pod: PodStatus, container: string): Promise<ContainerEvent> {
    return this.#first('started', pod, container);
  }

  /** How the main process of a container ended, once that is known. */
  ended(pod: PodStatus, container: string): Promise<ContainerEvent> {
    return this.#first('ended', pod, container);
  }

  close(): Promise<void> {
    return stop(this.#child);
  }

  #first(what: ContainerEvent['what'], pod: PodStatus, container: string): Promise<ContainerEvent> {
    const id = containerOf(pod, container).id;
    return until(
      `the event that ${container} of ${pod.name} has ${what}`,
      () => this.#events.find((event) => event.what === what && event.id === id) ?? null,
    );
  }

  /** Such as `2026-11-21 12:00:00.123456789 +0000 UTC k8s.io /tasks/exit {"container_id":"…","id":"…",…}`. */
  #read(line: string): void {
    const [, day = '', time = '', topic = '', json = ''] = /^(\S+) (\S+) \S+ UTC \S+ (\S+) (\{.*)$/.exec(line) ?? [];
    const what = TOPICS.get(topic);
    if (what === undefined) return;
    const event: unknown = JSON.parse(json);
    const id = textAt(event, 'container_id');
    // The end of a process that exec started.
    if (what === 'ended' && textAt(event, 'id') !== id) return;
    const exited = textAt(event, 'exited_at');
    this.#events.push({
      at: instant(exited === '' ? `${day}T${time}Z` : exited),
      what,
      id,
      code: Number(at(event, 'exit_status') ?? 0),
    });
  }
}

/** @throws where the pod has no such container (yet) */
export function containerOf(pod: PodStatus, name: string): ContainerStatus {
  const found = pod.containers.find((container) => container.name === name);
  if (found === undefined) throw new Error(`${pod.name} has no container ${name}`);
  return found;
}
