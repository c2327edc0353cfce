import { createPrivateKey, sign } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { textAt } from './json.ts';
import type { Shop } from './shop.ts';

/** What a pod finds mounted: token, ca.crt and namespace of its service account. */
export class ServiceAccount {
  readonly tokenDir: string;
  readonly #shop: Shop;

  constructor(shop: Shop) {
    this.#shop = shop;
    this.tokenDir = shop.cluster.file(`conf/token-${shop.namespace}`);
    mkdirSync(this.tokenDir, { recursive: true });
    copyFileSync(shop.cluster.file('pki/ca.crt'), `${this.tokenDir}/ca.crt`);
    writeFileSync(`${this.tokenDir}/namespace`, shop.namespace);
  }

  /** Mounts a token of the API server's, good for an hour. */
  async issue(): Promise<void> {
    const answer = await this.#shop.cluster.api.create(`${this.#path()}/token`, { spec: { expirationSeconds: 3600 } });
    this.#write(textAt(answer, 'status', 'token'));
  }

  /**
   * Mounts a token signed here, with the API server's own key, that expires whenever wanted: the server itself issues
   * none for less than ten minutes.
   * @param seconds from now; negative: it has expired
   */
  async sign(seconds: number): Promise<void> {
    const account = await this.#shop.cluster.api.get(this.#path());
    const uid = textAt(account, 'metadata', 'uid');
    const { namespace } = this.#shop;
    const now = Math.floor(Date.now() / 1000);
    const issuer = 'https://kubernetes.default.svc';
    const claims = {
      iss: issuer,
      aud: [issuer],
      sub: `system:serviceaccount:${namespace}:default`,
      iat: now - 3600,
      nbf: now - 3600,
      exp: now + seconds,
      'kubernetes.io': { namespace, serviceaccount: { name: 'default', uid } },
    };
    const text = [{ alg: 'ES256', typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const key = createPrivateKey(readFileSync(this.#shop.cluster.file('pki/sa.key')));
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
    this.#write(`${text}.${signature}`);
  }

  /** As the kubelet does it: no reader sees half a token. */
  #write(token: string): void {
    writeFileSync(`${this.tokenDir}/.token`, token);
    renameSync(`${this.tokenDir}/.token`, `${this.tokenDir}/token`);
  }

  #path(): string {
    return `/api/v1/namespaces/${this.#shop.namespace}/serviceaccounts/default`;
  }
}
