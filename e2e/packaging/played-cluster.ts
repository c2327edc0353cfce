import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { service, slice } from '../../test/discovery/kubernetes/kube-objects.ts';
import { PodOrigin } from '../../test/discovery/kubernetes/origins.ts';
import { ScriptedApiServer } from '../../test/discovery/kubernetes/scripted-api-server.ts';
import type { Teardown } from '../teardown.ts';

/** Addresses that the pods with sidecars are said to have. */
export const SIDECAR_ADDRESSES = ['10.244.0.1', '10.244.0.2'] as const;

/**
 * An API server as far as a sidecar asks one: the Service `orders` with pods that answer, and the Service `web` of the pods
 * that have a sidecar.
 */
export class PlayedCluster {
  readonly pods: readonly PodOrigin[];
  readonly #api: ScriptedApiServer;
  readonly #port: number;
  readonly #tokenDir: string;
  readonly #folder: string;

  private constructor(api: ScriptedApiServer, pods: readonly PodOrigin[], port: number, tokenDir: string) {
    this.#api = api;
    this.pods = pods;
    this.#port = port;
    this.#tokenDir = tokenDir;
    this.#folder = mkdtempSync(join(tmpdir(), 'carpool-cluster-'));
    writeFileSync(this.#hostsFile, '');
    writeFileSync(this.#resolvConf, 'nameserver 127.0.0.1:9\nsearch shop.svc.cluster.local svc.cluster.local\n');
  }

  /** @param count pods of `orders` */
  static async start(t: Teardown, count: number): Promise<PlayedCluster> {
    const api = await ScriptedApiServer.start(t, { clock: systemClock });
    const { port, pods } = await PodOrigin.start(t, count);
    const cluster = new PlayedCluster(api, pods, port, api.accountDir(t));
    t.teardown(() => rmSync(cluster.#folder, { recursive: true, force: true }));
    api.putService(service({ name: 'orders', ports: [{ name: 'http', port: 80 }] }));
    api.putService(service({ name: 'web' }));
    api.putSlice(slice({ service: 'web', endpoints: SIDECAR_ADDRESSES }));
    cluster.serve(pods);
    // As a real one does each minute: a watch that says nothing for long is taken for dead.
    const bookmarks = setInterval(() => api.bookmark(), 20_000);
    t.teardown(() => clearInterval(bookmarks));
    return cluster;
  }

  /** These pods are the endpoints of `orders` from now on. @param leaving those that terminate */
  serve(pods: readonly PodOrigin[], leaving: readonly PodOrigin[] = []): void {
    const endpoints = [
      ...pods.map(({ address }) => ({ address })),
      ...leaving.map(({ address }) => ({ address, ready: false, serving: true, terminating: true })),
    ];
    this.#api.putSlice(slice({ service: 'orders', ports: [{ name: 'http', port: this.#port }], endpoints }));
  }

  /** What a sidecar needs in its settings and its environment to find it. */
  settings(podAddress: string): { readonly discovery: object; readonly env: Readonly<Record<string, string>> } {
    return {
      discovery: {
        kubernetes: { tokenDir: this.#tokenDir, podAddress },
        dns: { hostsFile: this.#hostsFile, resolvConf: this.#resolvConf },
      },
      env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(this.#api.port) },
    };
  }

  get #hostsFile(): string {
    return join(this.#folder, 'hosts');
  }

  get #resolvConf(): string {
    return join(this.#folder, 'resolv.conf');
  }
}
