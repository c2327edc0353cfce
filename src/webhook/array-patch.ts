import { isDeepStrictEqual } from 'node:util';
import { createPatch, type Operation, type Pointer } from 'rfc6902';
import { isJsonObject } from '../discovery/kubernetes/json-value.ts';

/**
 * How two lists differ, for `createPatch`, in time that grows with their length alone. rfc6902 itself compares each item with
 * each other one: 15 s and 3 GB for a container with a thousand variables, which anybody who may make a pod could ask for.
 *
 * Injection adds to lists and changes what is in them, and reorders nothing. So the items are walked side by side, those of
 * the same name are compared, and a new one is added where it stands. Any other change replaces the list.
 *
 * @returns undefined for what are no lists: rfc6902 goes on with its own way
 */
export function shortArrays(before: unknown, after: unknown, at: Pointer): Operation[] | undefined {
  if (!Array.isArray(before) || !Array.isArray(after)) return undefined;
  if (isDeepStrictEqual(before, after)) return [];
  return additions(before, after, at) ?? [{ op: 'replace', path: at.toString(), value: after }];
}

/** Null: something has gone or moved. */
function additions(before: readonly unknown[], after: readonly unknown[], at: Pointer): Operation[] | null {
  const operations: Operation[] = [];
  let next = 0;
  for (const [index, item] of after.entries()) {
    const path = at.add(String(index)).toString();
    const old = before[next];
    if (next >= before.length || !sameItem(old, item)) {
      operations.push({ op: 'add', path, value: item });
      continue;
    }
    next++;
    for (const operation of createPatch(old, item, shortArrays)) operations.push(below(path, operation));
  }
  return next === before.length ? operations : null;
}

/** Whether one may be the other, changed: lists of Kubernetes have their items by name. */
function sameItem(before: unknown, after: unknown): boolean {
  if (!isJsonObject(before) || !isJsonObject(after) || before.name === undefined)
    return isDeepStrictEqual(before, after);
  return before.name === after.name;
}

function below(path: string, operation: Operation): Operation {
  return 'from' in operation
    ? { ...operation, from: path + operation.from, path: path + operation.path }
    : { ...operation, path: path + operation.path };
}
