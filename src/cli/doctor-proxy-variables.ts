import { readFileSync } from 'node:fs';
import { errorCode } from '../admin/listening.ts';
import { showHostPattern } from '../config/addresses.ts';
import type { Environment } from '../config/environment.ts';
import type { Config } from '../config/types.ts';
import { neverProxied } from '../injection/no-proxy-names.ts';
import { CliError } from './deps.ts';
import type { FindingSink } from './doctor-finding.ts';
import { NoProxyList } from './doctor-no-proxy.ts';
import { masked, wrongProxy } from './doctor-proxy-url.ts';

/** Where the variables are from. */
export type VariableSource = {
  readonly variables: Environment;
  /** They are those of this process, which is hardly ever the app's. */
  readonly own: boolean;
};

/** Those that carry what HTTP_PROXY does not; each may be there or not, but not lead elsewhere unseen. */
const OTHER_PROXIES = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy', 'grpc_proxy'];

/**
 * Reads the variables of a process from a file.
 * @throws CliError where it cannot be read
 */
export function readEnviron(file: string): Environment {
  try {
    return environFrom(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CliError(`${file} cannot be read (${errorCode(error)})`);
  }
}

/** Variables that are separated by NUL as in /proc/PID/environ, or by line ends as `env` prints them. */
export function environFrom(text: string): Environment {
  const variables: Record<string, string> = {};
  for (const line of text.split(text.includes('\0') ? '\0' : /\r?\n/)) {
    const equals = line.indexOf('=');
    if (equals > 0) variables[line.slice(0, equals)] = line.slice(equals + 1);
  }
  return variables;
}

/** The variables that lead an app's calls to carpool, or past it. */
export class ProxyVariables {
  readonly #variables: Environment;
  readonly #own: boolean;
  readonly #config: Config;
  readonly #findings: FindingSink;

  constructor(source: VariableSource, config: Config, findings: FindingSink) {
    this.#variables = source.variables;
    this.#own = source.own;
    this.#config = config;
    this.#findings = findings;
  }

  /** @param destinations host names that are meant to go through carpool */
  check(destinations: readonly string[]): void {
    if (!this.#get('HTTP_PROXY') && !this.#get('http_proxy')) {
      this.#none();
      return;
    }
    this.#httpProxy();
    for (const name of OTHER_PROXIES) this.#otherProxy(name);
    this.#noProxy(destinations);
    this.#nodeUseEnvProxy();
    if (this.#get('grpc_proxy') && !this.#get('HTTPS_PROXY') && !this.#get('https_proxy'))
      this.#findings.ok(
        'HTTPS_PROXY is not set, as it should be; but gRPC for Go reads nothing else, and goes directly unless it is',
      );
  }

  #get(name: string): string {
    return this.#variables[name]?.trim() ?? '';
  }

  #none(): void {
    if (this.#own)
      this.#findings.warn(
        'not looked at: this environment has neither HTTP_PROXY nor http_proxy, and those of the app’s container matter',
        `Give the app’s variables with --environ FILE: /proc/PID/environ of its process where the pod has shareProcessNamespace, or a file with what \`env\` prints there (- is standard input).${this.#howInPod()}`,
      );
    else
      this.#findings.fail(
        'neither HTTP_PROXY nor http_proxy is set: the app’s calls do not go through carpool',
        `Set both to http://${showHostPattern(this.#config.listener)} in the app’s container, and restart the app.`,
      );
  }

  /** How the variables of the app's container come to this command, in a pod. */
  #howInPod(): string {
    if (!this.#get('KUBERNETES_SERVICE_HOST')) return '';
    const namespace = this.#get('POD_NAMESPACE');
    const pod = `${namespace === '' ? '' : `-n ${namespace} `}${this.#get('POD_NAME') || 'POD'}`;
    return ` From outside, APP being the app’s container: kubectl exec ${pod} -c APP -- env | kubectl exec -i ${pod} -c carpool -- carpool doctor --environ -`;
  }

  #httpProxy(): void {
    const names = ['HTTP_PROXY', 'http_proxy'];
    const set = names.filter((name) => this.#get(name) !== '');
    let right = 0;
    for (const name of set) {
      const value = this.#get(name);
      const wrong = wrongProxy(value, this.#config);
      if (wrong === null) right++;
      else this.#findings[wrong.status](`${name}=${masked(value)} ${wrong.what}`, wrong.remedy);
    }
    const missing = names.find((name) => this.#get(name) === '');
    if (missing !== undefined) {
      const who =
        missing === 'http_proxy'
          ? 'curl and wget read it only in lower case'
          : 'some clients read it only in upper case';
      this.#findings.warn(`${missing} is not set: ${who}`, `Set ${missing} to the same value as ${set[0]}.`);
    } else if (right === 2)
      this.#findings.ok(`HTTP_PROXY and http_proxy lead to carpool (${masked(this.#get('http_proxy'))})`);
  }

  #otherProxy(name: string): void {
    const value = this.#get(name);
    if (value === '') return;
    const wrong = wrongProxy(value, this.#config);
    if (wrong === null) return;
    const words = `${name}=${masked(value)} ${wrong.what}`;
    if (wrong.elsewhere)
      this.#findings.warn(words, `${wrong.remedy} Leave it if calls of that kind are meant to go another way.`);
    else this.#findings[wrong.status](words, wrong.remedy);
  }

  #noProxy(destinations: readonly string[]): void {
    const names = ['NO_PROXY', 'no_proxy'];
    const set = names.filter((name) => this.#get(name) !== '');
    const must = neverProxied(this.#get('KUBERNETES_SERVICE_HOST'));
    const [first] = set;
    if (first === undefined) {
      this.#findings.warn(
        'neither NO_PROXY nor no_proxy is set: calls to localhost and to the metadata services go to carpool, which refuses them',
        `Set both to ${must.join(',')}.`,
      );
      return;
    }
    const missing = names.find((name) => this.#get(name) === '');
    if (missing !== undefined)
      this.#findings.warn(
        `${missing} is not set: clients differ in which case they read`,
        `Set ${missing} to the same value as ${first}.`,
      );
    else if (this.#get('NO_PROXY') !== this.#get('no_proxy'))
      this.#findings.warn(
        'NO_PROXY and no_proxy differ: which one counts depends on the client',
        'Give both the same value.',
      );
    // One after the other, but the same words only once.
    const values = [...new Set(set.map((name) => this.#get(name)))];
    const flawed = values.map((value) =>
      this.#noProxyList(
        values.length > 1 ? (set.find((name) => this.#get(name) === value) ?? first) : set.join(' and '),
        value,
        must,
        destinations,
      ),
    );
    if (!flawed.includes(true) && missing === undefined && values.length === 1)
      this.#findings.ok('NO_PROXY and no_proxy hold what must not go through a proxy');
  }

  /** Returns whether something is wrong with it. */
  #noProxyList(name: string, value: string, must: readonly string[], destinations: readonly string[]): boolean {
    const list = new NoProxyList(value);
    let flawed = false;
    const warn = (message: string, remedy: string): void => {
      flawed = true;
      this.#findings.warn(message, remedy);
    };
    if (list.everything) {
      this.#findings.fail(`${name} holds *: no call goes through carpool`, 'Take * out of it.');
      return true;
    }
    const absent = must.filter((host) => !list.covers(host));
    if (absent.length > 0)
      warn(
        `${name} lacks ${absent.join(', ')}: calls there go to carpool, which refuses them or gains nothing`,
        `Add ${absent.join(',')} to it.`,
      );
    if (list.ranges.length > 0)
      warn(
        `${name} holds address ranges (${list.ranges.join(', ')}), which Python’s urllib and others do not know`,
        'Write single addresses or names in their place.',
      );
    if (list.services.length > 0)
      warn(
        `${name} holds ${list.services.join(', ')}: calls to Services of that form go past carpool`,
        'Take it out, and name the few hosts that are to be called directly.',
      );
    const past = destinations.filter((host) => list.covers(host));
    if (past.length > 0)
      warn(
        `${name} holds ${past.join(', ')}: calls there go past carpool`,
        'Take out what covers it, if its calls are to be pooled.',
      );
    return flawed;
  }

  #nodeUseEnvProxy(): void {
    if (this.#get('NODE_USE_ENV_PROXY') === '1') return;
    this.#findings.warn(
      'NODE_USE_ENV_PROXY is not 1: without it Node’s fetch and its global agents ignore the proxy variables',
      'Set NODE_USE_ENV_PROXY=1 in the app’s container, if the app runs on Node.',
    );
  }
}
