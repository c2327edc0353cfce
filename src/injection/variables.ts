import type { JsonObject } from '../discovery/kubernetes/json-value.ts';
import { isInjectedNoProxy, javaNonProxyHosts } from './no-proxy-names.ts';
import { objectsAt } from './pod.ts';

/** The proxy variables of an app container. */

/** What the variables of a pod's containers say. */
export type ProxyValues = {
  readonly port: number;
  readonly httpsProxy: boolean;
  readonly java: boolean;
  /** Names of NO_PROXY. */
  readonly noProxy: readonly string[];
  /** Also containers with `envFrom`. */
  readonly envFrom: boolean;
};

export type Variable = { readonly name: string; readonly value: string };

/** Upper and lower case of a name count as one. */
const HTTP = ['HTTP_PROXY', 'http_proxy'];
const HTTPS = ['HTTPS_PROXY', 'https_proxy'];
const GRPC = ['grpc_proxy', 'GRPC_PROXY'];
const ALL = ['ALL_PROXY', 'all_proxy'];
const NO = ['NO_PROXY', 'no_proxy'];
const NODE = 'NODE_USE_ENV_PROXY';
const JAVA = 'JAVA_TOOL_OPTIONS';
/** What an app is most likely to call that carpool refuses. */
const MUST_BYPASS = ['169.254.169.254'];

/** Those that name a proxy, in the order in which one of them is taken for the app's. */
export const PROXY_NAMES: readonly string[] = [...HTTP, ...HTTPS, ...ALL, ...GRPC];
export const NO_PROXY_NAMES: readonly string[] = NO;

export const proxyUrl = (port: number): string => `http://127.0.0.1:${port}`;

/** Whether a variable has a value as injection writes it; with another, somebody has made it theirs since. */
export function isInjected({ name, value }: JsonObject, port: number): boolean {
  if (typeof name !== 'string' || typeof value !== 'string') return false;
  if (PROXY_NAMES.includes(name)) return value === proxyUrl(port);
  if (NO.includes(name)) return isInjectedNoProxy(value);
  if (name === JAVA) return value.startsWith(`${javaProxy('http', port)} `);
  return name === NODE && value === '1';
}

/** Whether a variable leads to carpool already, as somebody has written it by hand. */
function leadsHere(variable: JsonObject, port: number): boolean {
  const { value } = variable;
  return (
    typeof value === 'string' &&
    [`127.0.0.1:${port}`, `localhost:${port}`].includes(value.replace(/^http:\/\/|\/$/g, ''))
  );
}

/** The container's variables that name a proxy which is not carpool. */
export function otherProxies(container: JsonObject, port: number): readonly JsonObject[] {
  return objectsAt(container, 'env').filter(
    (variable) =>
      PROXY_NAMES.includes(String(variable.name)) &&
      !leadsHere(variable, port) &&
      ('valueFrom' in variable || (typeof variable.value === 'string' && variable.value !== '')),
  );
}

/**
 * The variables that a container lacks, in order, and what is to be said about those that it has. None of a value that is there
 * changes, and none is added that would send calls another way which the app sends by a proxy of its own.
 * @param adopts whether a proxy of the app's has become carpool's parent
 */
export function missingVariables(
  container: JsonObject,
  values: ProxyValues,
  adopts: boolean,
): { variables: readonly Variable[]; warnings: readonly string[] } {
  const label = `container ${String(container.name)}`;
  if (objectsAt(container, 'envFrom').length > 0 && !values.envFrom)
    return {
      variables: [],
      warnings: [
        `${label} has envFrom, which may hold proxy variables: it gets none (carpool.dev/env-from: "true" adds them)`,
      ],
    };
  const env = objectsAt(container, 'env');
  const there = (names: readonly string[]): JsonObject[] => env.filter(({ name }) => names.includes(String(name)));
  const others = otherProxies(container, values.port).map(({ name }) => String(name));
  const url = proxyUrl(values.port);
  const list = values.noProxy.join(',');
  const variables: Variable[] = [];
  const warnings: string[] = [];
  const add = (value: string, ...names: readonly string[]): void => {
    for (const name of names) variables.push({ name, value });
  };
  const leads = (names: readonly string[]): boolean =>
    there(names).some((variable) => leadsHere(variable, values.port));
  // ALL_PROXY counts for what has no variable of its own.
  const free = (names: readonly string[]): boolean =>
    there(names).length === 0 && !others.some((name) => ALL.includes(name));

  const http = free(HTTP);
  const https = values.httpsProxy && free(HTTPS);
  const grpc = others.length === 0 && there(GRPC).length === 0;
  const used = http || https || grpc || leads(PROXY_NAMES);
  if (http) add(url, ...HTTP);
  if (grpc) add(url, 'grpc_proxy');
  if (used && there(NO).length === 0) add(list, ...NO);
  // It makes Node's fetch read all of the variables: also those of another proxy that it did not go by before.
  if (others.length === 0 && there([NODE]).length === 0) add('1', NODE);
  if (https) add(url, ...HTTPS);
  if (values.java) {
    if (there([JAVA]).length === 0) add(javaOptions(values), JAVA);
    else warnings.push(`${label}: ${JAVA} is set, and stays: the proxy properties are not in it`);
  }

  const kept = [...there(HTTP), ...there(values.httpsProxy ? HTTPS : [])]
    .filter((variable) => !leadsHere(variable, values.port))
    .map(({ name }) => String(name));
  const named = [...new Set([...others, ...kept])];
  if (named.length > 0) warnings.push(keptWarning(label, named, others.length > 0, adopts));
  if (used) warnings.push(...noProxyWarnings(label, there(NO)));
  return { variables, warnings };
}

/** What to say about proxy variables that stay. */
function keptWarning(label: string, names: readonly string[], others: boolean, adopts: boolean): string {
  const are = names.length > 1 ? 'are set, and stay' : 'is set, and stays';
  const said = `${label}: ${names.join(', ')} ${are}: such calls do not go through carpool`;
  if (!others) return said;
  const beside = `${said}, and it gets no grpc_proxy and no NODE_USE_ENV_PROXY`;
  return adopts
    ? `${beside}: carpool has one parent proxy, and this is another`
    : `${beside} (carpool.dev/adopt-proxy: "true" makes that proxy carpool’s parent)`;
}

/** What a NO_PROXY of the app lacks, as far as its value can be seen. */
function noProxyWarnings(label: string, there: readonly JsonObject[]): string[] {
  return there.flatMap(({ name, value }) => {
    if (typeof value !== 'string') return [];
    const entries = value.split(/[\s,]+/);
    if (entries.includes('*')) return [`${label}: ${String(name)} holds *: no call goes through carpool`];
    const lacks = MUST_BYPASS.filter((host) => !entries.includes(host));
    return lacks.length === 0
      ? []
      : [
          `${label}: ${String(name)} is set, and stays, but lacks ${lacks.join(', ')}: calls there go to carpool, which refuses them`,
        ];
  });
}

function javaOptions({ port, httpsProxy, noProxy }: ProxyValues): string {
  return [
    javaProxy('http', port),
    ...(httpsProxy ? [javaProxy('https', port)] : []),
    `-Dhttp.nonProxyHosts=${javaNonProxyHosts(noProxy)}`,
  ].join(' ');
}

const javaProxy = (scheme: string, port: number): string =>
  `-D${scheme}.proxyHost=127.0.0.1 -D${scheme}.proxyPort=${port}`;
