import { ApiError } from './kube-api.ts';

/** Failures of a watch that no answer of the API server says, in words. */

/** An open watch told nothing, bookmarks (one a minute) included. */
export function silentWatch(namespace: string, forMs: number): ApiError {
  return new ApiError(
    'unreachable',
    `the watch of EndpointSlices in ${namespace} has told nothing for ${forMs / 1_000} s, not even a bookmark`,
    'They are listed again and again meanwhile. Look for a proxy or load balancer before the API server that holds answers back or forgets connections.',
  );
}

export function unanswered(verb: 'list' | 'watch', namespace: string, afterMs: number): ApiError {
  return new ApiError(
    'unreachable',
    `the API server has not answered the ${verb} of EndpointSlices in ${namespace} within ${afterMs / 1_000} s`,
    'Look at the API server, at network policies and at what is between it and this pod.',
  );
}

export function endedAtOnce(namespace: string): ApiError {
  return new ApiError(
    'unreachable',
    `the API server ended the watch of EndpointSlices in ${namespace} as soon as it was open`,
    'Look for a proxy or load balancer before the API server that does not let long answers through.',
  );
}

/** A bookmark is the server's own word on how far it is; it goes back only where its data were put back to an earlier day. */
export function wentBack(namespace: string): ApiError {
  return new ApiError(
    'gone',
    `the API server went back to an earlier version of the EndpointSlices in ${namespace}`,
    'They are listed again.',
  );
}
