import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Cluster } from '../cluster/cluster.ts';
import { at, type Json, listAt, textAt } from '../cluster/json.ts';
import { start, stop } from '../processes.ts';
import { until } from '../until.ts';
import { Metrics } from './metrics.ts';
import { type Started, whenReady } from './when-ready.ts';

/** The build under test: what `make build` made, or another one. */
const bundle = process.env.CARPOOL_E2E_BUNDLE ?? fileURLToPath(new URL('../../dist/carpool.js', import.meta.url));
let made = 0;

export type CarpoolOptions = {
  readonly tokenDir: string;
  /** Where KUBERNETES_SERVICE_HOST and _PORT point; the API server unless said. */
  readonly api?: { readonly host: string; readonly port: number };
  /** A nameserver; without one no name is found by DNS. */
  readonly dns?: { readonly address: string };
  /** Namespaces beside its own whose Services it looks for. */
  readonly namespaces?: readonly string[];
  /** Further lines of its configuration, YAML. */
  readonly yaml?: string;
};

/** The sidecar as it is shipped, in a process of its own. */
export class Carpool {
  readonly port: number;
  /** From its start until /readyz says so. */
  readonly readyMs: number;
  readonly #child: ChildProcess;
  readonly #operatorPort: number;
  readonly #files: string;

  private constructor(child: ChildProcess, { proxy, operator, readyMs }: Started, files: string) {
    this.#child = child;
    this.port = proxy;
    this.readyMs = readyMs;
    this.#operatorPort = operator;
    this.#files = files;
  }

  static async start(cluster: Cluster, options: CarpoolOptions): Promise<Carpool> {
    const files = cluster.file(`logs/carpool-${process.pid}-${++made}`);
    const { api = { host: cluster.nodeIp, port: 6443 }, dns, namespaces = [] } = options;
    // Where only Kubernetes can answer, a busy machine may need its time.
    const firstLookup = dns === undefined ? '5s' : '200ms';
    const nameserver = dns?.address ?? '127.0.0.1';
    writeFileSync(`${files}.hosts`, '');
    writeFileSync(`${files}.resolv.conf`, `search svc.cluster.local cluster.local\nnameserver ${nameserver}\n`);
    writeFileSync(
      `${files}.yaml`,
      `listener: { port: 0 }
operator: { host: 127.0.0.1, port: 0 }
control: { socket: ${files}.sock }
discovery:
  kubernetes: { tokenDir: ${options.tokenDir}, namespaces: [${namespaces.join()}], firstLookup: ${firstLookup} }
  dns: { hostsFile: ${files}.hosts, resolvConf: ${files}.resolv.conf }
${options.yaml ?? ''}`,
    );
    const child = start([process.execPath, bundle, 'run', '--config', `${files}.yaml`], {
      log: `${files}.stderr`,
      env: {
        NODE_ENV: 'production',
        KUBERNETES_SERVICE_HOST: api.host,
        KUBERNETES_SERVICE_PORT: String(api.port),
      },
    });
    return new Carpool(child, await whenReady(child, `${files}.log`), files);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resident memory in MiB. */
  get residentMiB(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) / 1024;
  }

  /** What it has logged so far, one line an entry. */
  log(): readonly string[] {
    return readFileSync(`${this.#files}.log`, 'utf8').split('\n').slice(0, -1);
  }

  async metrics(): Promise<Metrics> {
    return new Metrics(await this.#read('/metrics'));
  }

  /** The status of a probe. */
  async probe(path: '/livez' | '/readyz'): Promise<number> {
    return (await fetch(`http://127.0.0.1:${this.#operatorPort}${path}`)).status;
  }

  /** A destination as /health/destinations has it, or null where there is none. */
  async destination(name: string): Promise<Json | null> {
    return find(await this.#read('/health/destinations'), name);
  }

  /** A destination as /stats has it, or null where there is none. */
  async stats(name: string): Promise<Json | null> {
    return find(await this.#read('/stats'), name);
  }

  /** Waits until a destination's endpoints come from there and are so many. */
  async untilFound(name: string, source: 'kubernetes' | 'dns', ready: number, withinMs = 15_000): Promise<void> {
    let seen: unknown = null;
    try {
      await until(
        'its endpoints',
        async () => {
          seen = await this.destination(name);
          const endpoints = listAt(seen, 'endpoints').filter((endpoint) => textAt(endpoint, 'state') === 'ready');
          return textAt(seen, 'discovery', 'source') === source && endpoints.length === ready;
        },
        withinMs,
      );
    } catch {
      throw new Error(`${name} has not ${ready} endpoints by ${source}: ${JSON.stringify(seen)}`);
    }
  }

  /** Waits until no exchange is in progress, so that what it counts is complete. */
  async untilQuiet(): Promise<void> {
    await until('the end of all exchanges', async () => (await this.metrics()).sum('carpool_exchanges') === 0);
  }

  /** Has it read its configuration again, and ask again for what was refused or absent. */
  reload(): void {
    this.#child.kill('SIGHUP');
  }

  async stop(): Promise<void> {
    await stop(this.#child);
  }

  async #read(path: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#operatorPort}${path}`);
    return await answer.text();
  }
}

function find(text: string, name: string): Json | null {
  const list: unknown = JSON.parse(text);
  const isNamed = (each: unknown): each is Json => [at(each, 'destination'), at(each, 'name')].includes(name);
  return listAt(list, 'destinations').find(isNamed) ?? null;
}
