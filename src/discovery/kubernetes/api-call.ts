import type { Query } from './kube-api.ts';

/** A call to the API server as messages and metrics name it. */
export type ApiCall = {
  readonly verb: 'get' | 'list' | 'watch';
  /** Path and query, without the server's own path. */
  readonly target: string;
  /** `endpointslices.discovery.k8s.io`; empty for what is no resource (`/version`). */
  readonly resource: string;
  /** Empty: none. */
  readonly namespace: string;
  /** `list of endpointslices in namespace shop` */
  readonly words: string;
};

const RESOURCE = /^\/(?:api\/[^/]+|apis\/([^/]+)\/[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?$/;

export function apiCall(path: string, query: Query, watch: boolean): ApiCall {
  const [, group = '', namespace = '', plural = '', name] = RESOURCE.exec(path) ?? [];
  const entries = Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]);
  const search = new URLSearchParams(entries).toString();
  const verb = watch ? 'watch' : plural !== '' && name === undefined ? 'list' : 'get';
  const where = namespace === '' ? '' : ` in namespace ${decoded(namespace)}`;
  return {
    verb,
    target: search === '' ? path : `${path}?${search}`,
    resource: group === '' ? plural : `${plural}.${group}`,
    namespace: decoded(namespace),
    words: plural === '' ? `${verb} of ${path}` : `${verb} of ${plural}${where}`,
  };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
