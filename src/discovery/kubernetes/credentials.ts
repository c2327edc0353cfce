import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { KubernetesSettings } from '../../config/types.ts';
import {
  type ApiAccess,
  checkedCertificates,
  checkedServer,
  checkedToken,
  noCredentials,
  readSmallFile,
} from './api-access.ts';
import { Kubeconfig } from './kubeconfig.ts';

/** Where to look for access to the API server. */
type CredentialsPlaces = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A kubeconfig file, or null: the service account. */
  readonly kubeconfig: string | null;
  /** The API server's URL, or null: as the kubeconfig or the variables of a pod say. */
  readonly apiServer: string | null;
  /** Where a service account's `token`, `ca.crt` and `namespace` are mounted. */
  readonly tokenDir: string;
};

/** Access to the API server from files that change while we run: projected tokens do so about every hour. */
export interface Credentials {
  /** Where they come from, in words; nothing secret. */
  describe(): string;
  /**
   * What the files say now; they are read again when they were read 10 s ago or more.
   * @param fresh reads them again at once: what they said was refused
   * @throws ApiError `no_credentials`, with what is wrong and what to do
   */
  read(fresh?: boolean): ApiAccess;
  /** The namespace that they belong to, or null: not said. */
  readonly namespace: string | null;
}

const REREAD_MS = 10_000;

/** One way to access, read anew each time. */
interface Source {
  readonly namespace: string | null;
  describe(): string;
  read(): ApiAccess;
}

/** Whether there is anything to try, so that `enabled: auto` means on; it may still turn out to be unusable. */
export function hasCredentials({ env, kubeconfig, apiServer, tokenDir }: CredentialsPlaces): boolean {
  if (kubeconfig !== null) return true;
  return (apiServer !== null || (env.KUBERNETES_SERVICE_HOST ?? '') !== '') && existsSync(join(tokenDir, 'token'));
}

/** Never throws for what is in the files or missing: `read` says so, each time until it is mended. */
export function openCredentials(options: CredentialsPlaces & { readonly clock: Clock }): Credentials {
  const { kubeconfig, apiServer, clock } = options;
  return new CachedCredentials(
    kubeconfig === null ? new ServiceAccount(options) : new Kubeconfig(kubeconfig, apiServer),
    clock,
  );
}

/** Where this process runs. */
type Surroundings = { readonly env: CredentialsPlaces['env']; readonly clock: Clock };

/**
 * The credentials that the settings ask for. `off`: none, for Kubernetes discovery is switched off; `absent`: it is
 * `auto`, and there is nothing to try.
 */
export function wantedCredentials(
  settings: KubernetesSettings,
  { env, clock }: Surroundings,
): Credentials | 'off' | 'absent' {
  const { enabled, kubeconfig, apiServer, tokenDir } = settings;
  if (enabled === 'off') return 'off';
  const where = { env, kubeconfig, apiServer, tokenDir };
  if (enabled === 'auto' && !hasCredentials(where)) return 'absent';
  return openCredentials({ ...where, clock });
}

class CachedCredentials implements Credentials {
  readonly #source: Source;
  readonly #clock: Clock;
  #last: { readonly access: ApiAccess; readonly at: number } | null = null;

  constructor(source: Source, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  get namespace(): string | null {
    return this.#source.namespace;
  }

  describe(): string {
    return this.#source.describe();
  }

  read(fresh = false): ApiAccess {
    const now = this.#clock.now();
    if (!fresh && this.#last !== null && now - this.#last.at < REREAD_MS) return this.#last.access;
    this.#last = { access: this.#source.read(), at: now };
    return this.#last.access;
  }
}

/** What a pod has: variables and a mounted directory. */
class ServiceAccount implements Source {
  readonly #places: CredentialsPlaces;

  constructor(places: CredentialsPlaces) {
    this.#places = places;
  }

  get namespace(): string | null {
    try {
      return readFileSync(join(this.#places.tokenDir, 'namespace'), 'utf8').trim() || null;
    } catch {
      return null;
    }
  }

  describe(): string {
    return `the service account in ${this.#places.tokenDir}`;
  }

  read(): ApiAccess {
    const { tokenDir } = this.#places;
    const server = this.#server();
    const hint = `Mount a projected volume with serviceAccountToken, kube-root-ca.crt and the namespace at ${tokenDir} in the carpool container (see automountServiceAccountToken), or set discovery.kubernetes.tokenDir.`;
    const what = { token: 'the service account token', ca: 'the CA of the API server' };
    const tokenFile = join(tokenDir, 'token');
    const caFile = join(tokenDir, 'ca.crt');
    const token = checkedToken(readSmallFile(tokenFile, what.token, hint), `${what.token} ${tokenFile}`, hint);
    const ca = checkedCertificates(readSmallFile(caFile, what.ca, hint), `${what.ca} ${caFile}`, hint);
    return { server, ca, token, cert: null, key: null, serverName: null, insecure: false };
  }

  #server(): URL {
    const { env, apiServer } = this.#places;
    if (apiServer !== null) return checkedServer(apiServer, 'discovery.kubernetes.apiServer');
    const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env;
    if (host === '')
      throw noCredentials(
        'KUBERNETES_SERVICE_HOST is not set, so that it is not known where the API server is',
        'A pod has the variable unless it was taken away: give it back, or set discovery.kubernetes.apiServer or discovery.kubernetes.kubeconfig.',
      );
    const bare = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
    const named = 'the address in KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT';
    return checkedServer(`https://${bare}:${port || '443'}`, named);
  }
}
