import { at, type Json, listAt, textAt } from '../cluster/json.ts';
import { Metrics } from '../sidecar/metrics.ts';
import { until } from '../until.ts';
import type { LogLine, PodStatus, WholeNode } from './whole-node.ts';

const OPERATOR_PORT = 14191;

/** The sidecar in a pod: what its operator port says on the pod's address, and what it logs. */
export class PodSidecar {
  readonly #node: WholeNode;
  readonly #namespace: string;
  readonly pod: PodStatus;

  constructor(node: WholeNode, namespace: string, pod: PodStatus) {
    this.#node = node;
    this.#namespace = namespace;
    this.pod = pod;
  }

  async metrics(): Promise<Metrics> {
    return new Metrics(await this.#read('/metrics'));
  }

  /** A destination as /health/destinations has it, or null where there is none. */
  async destination(name: string): Promise<Json | null> {
    const list: unknown = JSON.parse(await this.#read('/health/destinations'));
    const named = (each: unknown): each is Json => at(each, 'destination') === name;
    return listAt(list, 'destinations').find(named) ?? null;
  }

  /** Waits until so many ready endpoints of a destination have come from the API server. */
  async untilFound(name: string, ready: number): Promise<void> {
    await until(`${ready} endpoints of ${name} by Kubernetes`, async () => {
      const seen = await this.destination(name);
      const endpoints = listAt(seen, 'endpoints').filter((endpoint) => textAt(endpoint, 'state') === 'ready');
      return textAt(seen, 'discovery', 'source') === 'kubernetes' && endpoints.length === ready;
    });
  }

  log(): readonly LogLine[] {
    return this.#node.log(this.#namespace, this.pod, 'carpool');
  }

  /** The line that says that it is ready, of its first life. @throws when there is none */
  ready(): { readonly at: number; readonly readyMs: number } {
    for (const line of this.log()) {
      if (!line.text.includes('"msg":"ready"')) continue;
      return { at: line.at, readyMs: Number(at(JSON.parse(line.text), 'readyMs')) };
    }
    throw new Error(`the sidecar of ${this.pod.name} has not said that it is ready`);
  }

  async #read(path: string): Promise<string> {
    return await (await fetch(`http://${this.pod.address}:${OPERATOR_PORT}${path}`)).text();
  }
}
