import { existsSync, globSync, readFileSync } from 'node:fs';
import { containerOf } from './container-events.ts';
import type { PodStatus, WholeNode } from './whole-node.ts';

const ROOT = '/sys/fs/cgroup';
const VERSION_2 = existsSync(`${ROOT}/cgroup.controllers`);

/** What the kernel accounts to a container: what the kubelet reports, and what its limits act on. */
export class ContainerCgroup {
  readonly #memory: string;
  readonly #cpu: string;

  /** @throws where the container does not run */
  constructor(node: WholeNode, pod: PodStatus, container: string) {
    const root = /^CGROUP=(.*)$/m.exec(readFileSync(node.file('env'), 'utf8'))?.[1] ?? '';
    const id = containerOf(pod, container).id;
    const find = (controller: string): string => {
      const pattern = `${ROOT}/${VERSION_2 ? '' : `${controller}/`}${root}/kubepods/**/pod${pod.uid}/${id}`;
      const [found] = globSync(pattern);
      if (found === undefined) throw new Error(`there is no ${pattern}`);
      return found;
    };
    this.#memory = find('memory');
    this.#cpu = find('cpuacct');
  }

  /** The processes in it as this machine numbers them, the main one first. */
  get processes(): readonly number[] {
    return readFileSync(`${this.#memory}/cgroup.procs`, 'utf8').trim().split('\n').map(Number);
  }

  /** Working set in MiB, as `kubectl top` and evictions take it: without files that were read a while ago. */
  get workingSetMiB(): number {
    const used = this.#number(VERSION_2 ? 'memory.current' : 'memory.usage_in_bytes');
    return mebi(used - this.#field('memory.stat', VERSION_2 ? 'inactive_file' : 'total_inactive_file'));
  }

  /** Anonymous memory in MiB: what no file backs, and nothing can take back. */
  get anonymousMiB(): number {
    return mebi(this.#field('memory.stat', VERSION_2 ? 'anon' : 'total_rss'));
  }

  get limitMiB(): number {
    return mebi(this.#number(VERSION_2 ? 'memory.max' : 'memory.limit_in_bytes'));
  }

  /** The most that it has ever used, files that were read included. */
  get peakMiB(): number {
    return mebi(this.#number(VERSION_2 ? 'memory.peak' : 'memory.max_usage_in_bytes'));
  }

  /** How often the kernel killed a process for the limit. */
  get oomKills(): number {
    return VERSION_2 ? this.#field('memory.events', 'oom_kill') : this.#field('memory.oom_control', 'oom_kill');
  }

  /** CPU used so far, in milliseconds. */
  get cpuMs(): number {
    if (VERSION_2) return this.#field('cpu.stat', 'usage_usec') / 1e3;
    return Number(readFileSync(`${this.#cpu}/cpuacct.usage`, 'utf8')) / 1e6;
  }

  #number(file: string): number {
    return Number(readFileSync(`${this.#memory}/${file}`, 'utf8'));
  }

  #field(file: string, name: string): number {
    return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(readFileSync(`${this.#memory}/${file}`, 'utf8'))?.[1] ?? 0);
  }
}

function mebi(bytes: number): number {
  return bytes / (1 << 20);
}
