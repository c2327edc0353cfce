import { dirname, resolve } from 'node:path';
import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import {
  type ApiAccess,
  checkedCertificates,
  checkedServer,
  checkedToken,
  noCredentials,
  readSmallFile,
} from './api-access.ts';
import type { ApiError } from './kube-api.ts';

const HINT = 'Check discovery.kubernetes.kubeconfig with `kubectl --kubeconfig FILE config view`.';
/** Where a context that names no namespace is, for kubectl too. */
const DEFAULT_NAMESPACE = 'default';
/** Ways to log in that mean running a program or talking to somebody else. */
const REFUSED = ['exec', 'auth-provider', 'username', 'password'];

/**
 * A kubeconfig file, as kubectl writes it: the current context's cluster and user. Its files are read again with it.
 * Problems are told with the line they are in.
 */
export class Kubeconfig {
  readonly #path: string;
  readonly #apiServer: string | null;
  #parsed: { readonly text: string; readonly file: KubeconfigText } | null = null;

  /** @param apiServer the server's URL in place of the file's */
  constructor(path: string, apiServer: string | null) {
    this.#path = path;
    this.#apiServer = apiServer;
  }

  get namespace(): string | null {
    try {
      const file = this.#file();
      return file.text(file.current().context, 'namespace') ?? DEFAULT_NAMESPACE;
    } catch {
      return null;
    }
  }

  describe(): string {
    return `the kubeconfig ${this.#path}`;
  }

  /** @throws ApiError `no_credentials` */
  read(): ApiAccess {
    const file = this.#file();
    const { cluster, user } = file.current();
    const written = file.text(cluster, 'server');
    if (this.#apiServer === null && written === null) throw file.problem(cluster, 'the cluster has no server');
    const server =
      this.#apiServer === null
        ? checkedServer(written ?? '', `the server in ${file.place(cluster)}`)
        : checkedServer(this.#apiServer, 'discovery.kubernetes.apiServer');
    if (file.text(cluster, 'proxy-url') !== null) throw file.problem(cluster, 'proxy-url is not supported');
    const insecure = file.flag(cluster, 'insecure-skip-tls-verify');
    const ca = insecure ? null : this.#pem(file, cluster, 'certificate-authority');
    return {
      server,
      ca: ca === null ? null : checkedCertificates(ca, `certificate-authority of ${file.place(cluster)}`, HINT),
      ...this.#identity(file, user),
      serverName: file.text(cluster, 'tls-server-name'),
      insecure,
    };
  }

  #identity(file: KubeconfigText, user: YAMLMap): Pick<ApiAccess, 'token' | 'cert' | 'key'> {
    for (const way of REFUSED)
      if (user.has(way))
        throw file.problem(
          user,
          `the user logs in by ${way}, which is not supported: use a token or a client certificate`,
        );
    const token = this.#token(file, user);
    const cert = this.#pem(file, user, 'client-certificate');
    const key = this.#pem(file, user, 'client-key');
    if ((cert === null) !== (key === null))
      throw file.problem(user, 'client-certificate and client-key belong together, and one of them is missing');
    if (token === null && cert === null)
      throw file.problem(user, 'the user has neither a token nor a client certificate');
    if (cert !== null) checkedCertificates(cert, `client-certificate of ${file.place(user)}`, HINT);
    if (key !== null && !/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key))
      throw file.problem(user, 'client-key holds no private key in PEM form');
    return { token, cert, key };
  }

  #token(file: KubeconfigText, user: YAMLMap): string | null {
    const tokenFile = file.text(user, 'tokenFile');
    if (tokenFile !== null) {
      const path = this.#beside(tokenFile);
      return checkedToken(readSmallFile(path, 'the token file', HINT), `the token file ${path}`, HINT);
    }
    const token = file.text(user, 'token');
    return token === null ? null : checkedToken(token, `token of ${file.place(user)}`, HINT);
  }

  /** What stands in base64 at `field`-data, or in the file that `field` names. */
  #pem(file: KubeconfigText, map: YAMLMap, field: string): string | null {
    const data = file.text(map, `${field}-data`);
    if (data !== null) return Buffer.from(data, 'base64').toString('utf8');
    const path = file.text(map, field);
    return path === null ? null : readSmallFile(this.#beside(path), `${field} of the kubeconfig:`, HINT);
  }

  #beside(path: string): string {
    return resolve(dirname(this.#path), path);
  }

  #file(): KubeconfigText {
    const text = readSmallFile(this.#path, 'the kubeconfig', HINT);
    if (this.#parsed?.text !== text) this.#parsed = { text, file: new KubeconfigText(this.#path, text) };
    return this.#parsed.file;
  }
}

type Current = { readonly context: YAMLMap; readonly cluster: YAMLMap; readonly user: YAMLMap };

/** The text of a kubeconfig, taken apart; what is not as it should be is a problem with its line. */
class KubeconfigText {
  readonly #path: string;
  readonly #lines = new LineCounter();
  readonly #root: Document;

  constructor(path: string, text: string) {
    this.#path = path;
    this.#root = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const [error] = this.#root.errors;
    if (!error) return;
    const { line } = this.#lines.linePos(error.pos[0]);
    // Only the kind of the error: its text may show what stands there.
    throw noCredentials(`the kubeconfig ${path} is no YAML: line ${line} (${error.code})`, HINT);
  }

  /** The current context with its cluster and user. */
  current(): Current {
    const root = this.#root.contents;
    if (!isMap(root)) throw noCredentials(`the kubeconfig ${this.#path} holds no settings`, HINT);
    const name = this.text(root, 'current-context');
    if (name === null || name === '')
      throw this.problem(root, 'no current-context is set', 'Choose one with `kubectl config use-context`.');
    const context = this.#named(root, 'contexts', 'context', name);
    return {
      context,
      cluster: this.#named(root, 'clusters', 'cluster', this.#reference(context, 'cluster')),
      user: this.#named(root, 'users', 'user', this.#reference(context, 'user')),
    };
  }

  /** The text at `key`; null where there is none, or an empty one. */
  text(map: YAMLMap, key: string): string | null {
    const node: unknown = map.get(key, true);
    if (node === undefined) return null;
    const value = isScalar(node) ? node.value : undefined;
    if (value === null || value === '') return null;
    if (typeof value !== 'string' && typeof value !== 'number') throw this.problem(map, `${key} is no text`);
    return String(value);
  }

  flag(map: YAMLMap, key: string): boolean {
    const value: unknown = map.get(key);
    if (value === undefined || value === null) return false;
    if (typeof value !== 'boolean') throw this.problem(map, `${key} is neither true nor false`);
    return value;
  }

  /** `FILE:LINE` */
  place(map: YAMLMap): string {
    return `${this.#path}:${this.#lines.linePos(map.range?.[0] ?? 0).line}`;
  }

  problem(map: YAMLMap, what: string, hint = HINT): ApiError {
    return noCredentials(`the kubeconfig ${this.place(map)}: ${what}`, hint);
  }

  #reference(context: YAMLMap, key: 'cluster' | 'user'): string {
    const name = this.text(context, key);
    if (name === null) throw this.problem(context, `the context names no ${key}`);
    return name;
  }

  /** What stands at `key` of the entry called `name` in the list `list`. */
  #named(root: YAMLMap, list: string, key: string, name: string): YAMLMap {
    const entries: unknown = root.get(list, true);
    for (const entry of isSeq(entries) ? entries.items : []) {
      if (!isMap(entry) || this.text(entry, 'name') !== name) continue;
      const value: unknown = entry.get(key, true);
      if (isMap(value)) return value;
      throw this.problem(entry, `${JSON.stringify(name)} in ${list} has no ${key}`);
    }
    throw this.problem(root, `there is no ${JSON.stringify(name)} in ${list}`);
  }
}
