import type { Test } from 'tap';
import { INJECTION_DEFAULTS } from '../../src/injection/settings-schema.ts';
import { at, type Json, textAt } from '../cluster/json.ts';
import { Site } from '../node/site.ts';
import type { PodStatus } from '../node/whole-node.ts';
import { Metrics } from '../sidecar/metrics.ts';
import { until } from '../until.ts';
import { type ClientRun, readRun } from './client-run.ts';

const IMAGE = { image: 'carpool.test/clients:dev', imagePullPolicy: 'Never' };
/** Where pod.py serves, in the pods of clients alone. */
export const LOCAL_PORT = 8099;
/** No name of the cluster's: the pods know it by their hosts file. */
export const OUTSIDE = 'api.example.test';
const PROXY_PORT = INJECTION_DEFAULTS.port;
/** The certificates of the image, by the variables that each language's users set; Java is told otherwise. */
const TRUST = ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'];

/** Clients of many languages in injected pods, and what they call: a Service `origin` of one pod, and `shop` of two. */
export class Scene {
  readonly site: Site;
  readonly #pods = new Map<string, PodStatus>();
  #runs = 0;
  #outside = '';

  private constructor(site: Site) {
    this.site = site;
  }

  static async open(test: Test): Promise<Scene> {
    const scene = new Scene(await Site.open(test));
    scene.#outside = await scene.#upstream('origin', 1);
    await scene.#upstream('shop', 2);
    return scene;
  }

  /** Makes pods for clients, each with the annotations given; the webhook of the installation injects them. */
  async makePods(annotations: Readonly<Record<string, Readonly<Record<string, string>>>>): Promise<void> {
    const { namespace, node } = this.site;
    for (const [name, own] of Object.entries(annotations)) {
      const made = await node.api.create(`/api/v1/namespaces/${namespace}/pods`, {
        metadata: { name, labels: { app: name }, annotations: own },
        spec: this.#clientsSpec(),
      });
      if (at(made, 'metadata', 'labels', 'carpool.dev/injected') !== 'true') throw new Error(`${name} is not injected`);
    }
    for (const name of Object.keys(annotations)) {
      const [pod] = await node.untilPods(namespace, `app=${name}`, 1);
      if (pod !== undefined) this.#pods.set(name, pod);
    }
  }

  /** Runs a client in a pod, with the environment of the pod's container. */
  async run(pod: string, client: string, plan: readonly string[]): Promise<ClientRun> {
    const mark = `${client}-${++this.#runs}`;
    const argv = ['/clients/client.sh', mark, client, ...plan];
    return readRun(await this.#execute(pod, argv));
  }

  /** What the sidecar of a pod has counted when nothing is under way. */
  async counters(pod: string): Promise<Metrics> {
    const address = this.#pods.get(pod)?.address ?? '';
    return await until(`the end of all exchanges in ${pod}`, async () => {
      const answer = await fetch(`http://${address}:${INJECTION_DEFAULTS.operatorPort}/metrics`);
      const metrics = new Metrics(await answer.text());
      return metrics.sum('carpool_exchanges') + metrics.sum('carpool_tunnels') === 0 ? metrics : null;
    });
  }

  /** How many requests the sidecar of a pod has answered by now, whatever is under way. */
  async answered(pod: string): Promise<number> {
    const address = this.#pods.get(pod)?.address ?? '';
    const answer = await fetch(`http://${address}:${INJECTION_DEFAULTS.operatorPort}/metrics`);
    return new Metrics(await answer.text()).sum('carpool_requests_total');
  }

  /** Tells the paced clients of a pod that they may end. */
  async enough(pod: string): Promise<void> {
    await this.#execute(pod, ['touch', '/tmp/enough']);
  }

  #execute(pod: string, argv: readonly string[]): Promise<string> {
    return this.site.node.kubectl('-n', this.site.namespace, 'exec', pod, '-c', 'app', '--', ...argv);
  }

  #clientsSpec(): Json {
    return {
      terminationGracePeriodSeconds: 1,
      hostAliases: [{ ip: this.#outside, hostnames: [OUTSIDE] }],
      containers: [
        {
          name: 'app',
          ...IMAGE,
          command: ['python3', '/clients/pod.py', String(PROXY_PORT), String(LOCAL_PORT), '/tmp/heads'],
          // What is sent before the watch would be missed.
          readinessProbe: { exec: { command: ['grep', '-qx', 'watching', '/tmp/heads'] }, periodSeconds: 1 },
          env: TRUST.map((name) => ({ name, value: '/clients/tls/ca.crt' })),
        },
      ],
    };
  }

  /** @returns the address of the Service */
  async #upstream(name: string, replicas: number): Promise<string> {
    const { namespace, node } = this.site;
    const service = await node.api.create(`/api/v1/namespaces/${namespace}/services`, {
      metadata: { name },
      spec: {
        selector: { app: name },
        ports: [
          { name: 'http', port: 8080 },
          { name: 'https', port: 8443 },
          { name: 'grpc', port: 9000, appProtocol: 'kubernetes.io/h2c' },
        ],
      },
    });
    await node.api.create(`/apis/apps/v1/namespaces/${namespace}/deployments`, deployment(name, replicas));
    await node.untilPods(namespace, `app=${name}`, replicas);
    return textAt(service, 'spec', 'clusterIP');
  }
}

/** It calls nobody, so it has no sidecar. */
function deployment(name: string, replicas: number): Json {
  const labels = { app: name, 'carpool.dev/inject': 'false' };
  const origin = {
    name: 'origin',
    ...IMAGE,
    command: ['node', '/clients/origin.mjs', '/clients/tls'],
    readinessProbe: { tcpSocket: { port: 9000 }, periodSeconds: 1 },
  };
  return {
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: { metadata: { labels }, spec: { containers: [origin], terminationGracePeriodSeconds: 20 } },
    },
  };
}
