import { isJsonObject, type JsonObject, nameAt, objectAt } from '../discovery/kubernetes/json-value.ts';
import type { ApiCalls, ApiTarget } from './api-calls.ts';

/** What the Secret holds, PEM; empty where there is nothing. */
export type HeldCertificates = {
  /** Of the object: a write says which one it is for. */
  readonly version: string;
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
};

/** The CAs that API servers trust for one webhook, PEM; empty where there are none. */
export type Bundle = { readonly webhook: string; readonly pem: string };

export type Bundles = { readonly version: string; readonly bundles: readonly Bundle[] };

/** Where these objects are. */
export type StorePlaces = {
  readonly namespace: string;
  readonly secret: string;
  readonly configuration: string;
  /** The Service that the webhooks call; those of others are left alone. */
  readonly service: string;
};

/** The two objects that all replicas share: the Secret, and the MutatingWebhookConfiguration. All calls reject with ApiError. */
export class CertificateStore {
  readonly #calls: ApiCalls;
  readonly #places: StorePlaces;
  readonly #secret: ApiTarget;
  readonly #configuration: ApiTarget;

  constructor(calls: ApiCalls, places: StorePlaces) {
    const { namespace, secret, configuration } = places;
    this.#calls = calls;
    this.#places = places;
    this.#secret = {
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(secret)}`,
      words: `Secret ${secret} in namespace ${namespace}`,
      right: `get and patch on the Secret ${secret} by a Role in namespace ${namespace}, bound to the service account of the webhook (the chart makes both)`,
    };
    this.#configuration = {
      path: `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${encodeURIComponent(configuration)}`,
      words: `MutatingWebhookConfiguration ${configuration}`,
      right: `get and patch on mutatingwebhookconfigurations.admissionregistration.k8s.io ${configuration} by a ClusterRole, bound to the service account of the webhook (the chart makes both)`,
    };
  }

  async certificates(): Promise<HeldCertificates> {
    return held(await this.#calls.get(this.#secret));
  }

  /** @returns what is held then, or `conflict`: another replica was faster */
  async replace(version: string, made: Omit<HeldCertificates, 'version'>): Promise<HeldCertificates | 'conflict'> {
    const data = {
      'tls.crt': encoded(made.cert),
      'tls.key': encoded(made.key),
      'ca.crt': encoded(made.ca),
    };
    const patch = { metadata: { resourceVersion: version }, data };
    const after = await this.#calls.patch(this.#secret, 'application/merge-patch+json', patch);
    return after === 'conflict' ? after : held(after);
  }

  /** Of the webhooks that call our Service. */
  async bundles(): Promise<Bundles> {
    const object = await this.#calls.get(this.#configuration);
    const { webhooks } = object;
    const bundles: Bundle[] = [];
    for (const webhook of Array.isArray(webhooks) ? webhooks : []) {
      if (!isJsonObject(webhook)) continue;
      const client = objectAt(webhook, 'clientConfig');
      const service = objectAt(client, 'service');
      const name = nameAt(webhook, 'name');
      if (name === null || service.name !== this.#places.service || service.namespace !== this.#places.namespace)
        continue;
      bundles.push({ webhook: name, pem: decoded(client.caBundle) });
    }
    return { version: versionOf(object), bundles };
  }

  /** @returns `conflict`: somebody else has changed the object since */
  async trust(version: string, bundles: readonly Bundle[]): Promise<'written' | 'conflict'> {
    const webhooks = bundles.map(({ webhook, pem }) => ({ name: webhook, clientConfig: { caBundle: encoded(pem) } }));
    // Strategic: the webhooks are merged by name, and of each only this field is touched.
    const patch = { metadata: { resourceVersion: version }, webhooks };
    const after = await this.#calls.patch(this.#configuration, 'application/strategic-merge-patch+json', patch);
    return after === 'conflict' ? after : 'written';
  }

  /** What the bundles are in, for messages. */
  get configuration(): string {
    return this.#configuration.words;
  }
}

function held(secret: JsonObject): HeldCertificates {
  const data = objectAt(secret, 'data');
  return {
    version: versionOf(secret),
    cert: decoded(data['tls.crt']),
    key: decoded(data['tls.key']),
    ca: decoded(data['ca.crt']),
  };
}

function versionOf(object: JsonObject): string {
  const { resourceVersion } = objectAt(object, 'metadata');
  return typeof resourceVersion === 'string' ? resourceVersion : '';
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64');
}

function decoded(value: unknown): string {
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : '';
}
