import { ApiError, type KubeApi } from './kube-api.ts';
import { type ListedItems, listItems } from './read-objects.ts';

/** How fresh a list has to be. */
export type ListAge =
  /** Whatever the API server has in its cache: the cheapest. */
  | { readonly age: 'cached' }
  /** From the cache too, but not of a time before this resource version. */
  | { readonly age: 'not_older'; readonly version: string }
  /** The latest, read from etcd, in pages. */
  | { readonly age: 'latest' };

/** A complete list. */
export type SliceList = { readonly items: readonly unknown[]; readonly version: string };

const PAGE_ITEMS = 500;
/** Half a million slices; a server that goes on beyond that is none. */
const MAX_PAGES = 1_000;

const HINT = 'Look at what answers at the address of the API server (KUBERNETES_SERVICE_HOST, or the kubeconfig).';

/**
 * Lists all objects at `path` that `labelSelector` picks.
 * @param page called for each page that has come; false: the list is of no interest any more
 * @returns null when `page` said so
 * @throws ApiError
 */
export async function listSlices(
  api: KubeApi,
  path: string,
  labelSelector: string,
  age: ListAge,
  page: () => boolean,
): Promise<SliceList | null> {
  let query = firstQuery(labelSelector, age);
  const items: unknown[] = [];
  let version: string | null = null;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const answer = await api.get(path, query);
    if (!page()) return null;
    const list = readList(answer, path);
    for (const item of list.items) items.push(item);
    // All pages are of the first one's moment; were one not, the watch from there tells again what it had.
    version ??= list.resourceVersion;
    if (list.continueToken === null) return { items, version };
    query = { labelSelector, limit: PAGE_ITEMS, continue: list.continueToken };
  }
  throw new ApiError('not_an_api', `the list at ${path} does not end`, HINT);
}

function firstQuery(labelSelector: string, age: ListAge): Record<string, string | number> {
  switch (age.age) {
    case 'cached':
      return { labelSelector, resourceVersion: '0' };
    case 'not_older':
      return { labelSelector, resourceVersion: age.version, resourceVersionMatch: 'NotOlderThan' };
    case 'latest':
      return { labelSelector, limit: PAGE_ITEMS };
  }
}

function readList(answer: unknown, path: string): ListedItems {
  try {
    return listItems(answer);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ApiError('not_an_api', `${path} could not be listed: ${reason}`, HINT, { cause });
  }
}
