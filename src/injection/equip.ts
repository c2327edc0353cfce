import { isJsonObject, type JsonObject } from '../discovery/kubernetes/json-value.ts';
import { adoptVariables, type ParentProxy } from './adopt.ts';
import { listAt, type PodObject, specOf } from './pod.ts';
import { missingVariables, type ProxyValues } from './variables.ts';

/** The pod's lists of containers with their variables, and what the record says about them. */
export type Equipped = {
  /** `initContainers` and `containers`, as far as the pod has them. */
  readonly lists: Readonly<Record<string, readonly unknown[]>>;
  readonly variables: Readonly<Record<string, readonly string[]>>;
  readonly adopted: Readonly<Record<string, readonly JsonObject[]>>;
  readonly made: readonly string[];
  readonly nulls: readonly string[];
  readonly warnings: readonly string[];
};

/** Whether the container's own proxy may be adopted: with `envFrom` nothing of a container changes without a word. */
export function mayAdopt(container: JsonObject, envFrom: boolean): boolean {
  return envFrom || listAt(container, 'envFrom').length === 0;
}

/** Adds the variables to the containers that `receives` says. */
export function equip(
  pod: PodObject,
  receives: (container: JsonObject, list: string) => boolean,
  values: ProxyValues,
  parent: ParentProxy | null,
): Equipped {
  const variables: [string, readonly string[]][] = [];
  const adopted: [string, readonly JsonObject[]][] = [];
  const made: string[] = [];
  const nulls: string[] = [];
  const warnings: string[] = [];

  const one = (container: JsonObject): JsonObject => {
    const name = String(container.name);
    const changed =
      parent !== null && mayAdopt(container, values.envFrom)
        ? adoptVariables(container, parent, values)
        : { container, originals: [] };
    if (changed.originals.length > 0) adopted.push([name, changed.originals]);
    const missing = missingVariables(changed.container, values, parent !== null);
    warnings.push(...missing.warnings);
    variables.push([name, missing.variables.map((variable) => variable.name)]);
    if (missing.variables.length === 0) return changed.container;
    if (container.env === undefined) made.push(`env/${name}`);
    if (container.env === null) nulls.push(`env/${name}`);
    return { ...changed.container, env: [...listAt(changed.container, 'env'), ...missing.variables] };
  };

  const spec = specOf(pod);
  const lists = ['initContainers', 'containers']
    .filter((list) => Array.isArray(spec[list]))
    .map((list): [string, readonly unknown[]] => [
      list,
      listAt(spec, list).map((each) => (isJsonObject(each) && receives(each, list) ? one(each) : each)),
    ]);
  return {
    lists: Object.fromEntries(lists),
    variables: Object.fromEntries(variables),
    adopted: Object.fromEntries(adopted),
    made,
    nulls,
    warnings,
  };
}
