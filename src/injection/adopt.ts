import { describeRaw } from '../config/problems.ts';
import { NotAllowed } from '../config/readers.ts';
import { readNoProxy, readProxyUrl } from '../config/traffic-readers.ts';
import { isJsonObject, type JsonObject } from '../discovery/kubernetes/json-value.ts';
import { listAt, objectsAt } from './pod.ts';
import { NO_PROXY_NAMES, otherProxies, PROXY_NAMES, type ProxyValues, proxyUrl } from './variables.ts';

/** The app's own proxy as carpool's parent proxy. */
export type ParentProxy = {
  /** As the app's variables have it: `value` or `valueFrom`. */
  readonly source: JsonObject;
  /** The same of NO_PROXY, or null where the app has none. */
  readonly noProxy: JsonObject | null;
};

/** What of a variable is not its name. */
const sourceOf = ({ name: _, ...source }: JsonObject): JsonObject => source;
const same = (a: JsonObject, b: JsonObject): boolean => JSON.stringify(a) === JSON.stringify(b);

/**
 * The proxy that the first container with one names; null where none does. `refused` says why carpool could not use it: it
 * would not start.
 */
export function findParentProxy(
  containers: readonly JsonObject[],
  port: number,
): ParentProxy | null | { readonly refused: string } {
  for (const container of containers) {
    const found = otherProxies(container, port);
    const doubled = found.find(({ name }) =>
      objectsAt(container, 'env').some((each) => each.name === name && each.value === proxyUrl(port)),
    );
    // Replaced it would be the same as the other, and nobody could tell any more which of them was the app's.
    if (doubled !== undefined)
      return {
        refused: `${String(doubled.name)} of container ${String(container.name)} stands twice, and leads to carpool once`,
      };
    const variable = PROXY_NAMES.flatMap((name) => found.filter((each) => each.name === name))[0];
    if (variable === undefined) continue;
    const noProxy = NO_PROXY_NAMES.flatMap((name) =>
      objectsAt(container, 'env').filter((each) => each.name === name && each.value !== ''),
    )[0];
    const refused =
      refusal(container, variable, readProxyUrl) ??
      (noProxy === undefined
        ? null
        : refusal(container, noProxy, (text) =>
            readNoProxy(
              String(text)
                .split(',')
                .map((each) => each.trim()),
            ),
          ));
    if (refused !== null) return { refused };
    return { source: sourceOf(variable), noProxy: noProxy === undefined ? null : sourceOf(noProxy) };
  }
  return null;
}

/** Why carpool could not read the value of a variable, or null; of a `valueFrom` nobody knows here. */
function refusal(container: JsonObject, variable: JsonObject, read: (text: unknown) => unknown): string | null {
  const { name, value } = variable;
  if (typeof value !== 'string') return null;
  const which = `${String(name)} of container ${String(container.name)}`;
  // The sidecar has none of the app's other variables.
  if (/\$\((?!KUBERNETES_SERVICE_(HOST|PORT)\))/.test(value)) return `${which} refers to another variable`;
  try {
    read(value);
    return null;
  } catch (error) {
    if (!(error instanceof NotAllowed)) throw error;
    return `${which} ${describeRaw(value, false)}: ${error.message}`;
  }
}

/** The variables that tell carpool about its parent. */
export function parentProxyVariables(parent: ParentProxy): readonly JsonObject[] {
  const url = { name: 'CARPOOL_EGRESS_PARENT_PROXY_URL', ...parent.source };
  if (parent.noProxy === null) return [url];
  return [url, { name: 'CARPOOL_EGRESS_PARENT_PROXY_NO_PROXY', ...parent.noProxy }];
}

/**
 * A container's variables with those that name the parent replaced by carpool's values, and its NO_PROXY too, which carpool
 * heeds from now on. A variable that names yet another proxy stays, and NO_PROXY with it.
 */
export function adoptVariables(
  container: JsonObject,
  parent: ParentProxy,
  values: ProxyValues,
): { readonly container: JsonObject; readonly originals: readonly JsonObject[] } {
  const others = otherProxies(container, values.port);
  const found = others.filter((variable) => same(sourceOf(variable), parent.source));
  if (found.length === 0) return { container, originals: [] };
  // With yet another proxy NO_PROXY is what keeps the app's calls from that one.
  const adoptsAll = found.length === others.length;
  const originals: JsonObject[] = [];
  const env = listAt(container, 'env').map((variable): unknown => {
    if (!isJsonObject(variable)) return variable;
    const { name } = variable;
    const isNoProxy = NO_PROXY_NAMES.includes(String(name));
    if (isNoProxy ? !adoptsAll : !found.includes(variable)) return variable;
    originals.push(variable);
    return { name, value: isNoProxy ? values.noProxy.join(',') : proxyUrl(values.port) };
  });
  return { container: { ...container, env }, originals };
}
