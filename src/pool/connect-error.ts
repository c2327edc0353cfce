import type { DialFailure } from '../connection/dial-failure.ts';
import { bracketed } from '../connection/proxy-refusal.ts';
import { tlsError } from '../connection/tls-failure.ts';
import { CarpoolError } from '../errors.ts';
import type { EndpointPool } from './endpoint-pool.ts';

/** Connect errors that say nothing about the endpoint: no port, descriptor or memory was left on this side. */
const OUR_OWN_FAULT: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'EADDRINUSE',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
]);

/** What helps where a connect by a parent proxy took too long. */
export const PROXY_TOO_LATE =
  'The parent proxy did not answer within timeouts.connect, or what it was asked to reach did not: look at the log of the proxy and at network policies between this pod and it, or raise the timeout.';

/** Whether a failed connect tells something about the endpoint. */
export const blamesEndpoint = ({ errno, tls, refusal }: DialFailure): boolean =>
  tls?.kind !== 'files' && !OUR_OWN_FAULT.has(errno) && refusal?.proxyError !== 'http_request_denied';

/** What a request hears whose connects have failed. @param name the destination */
export function connectError(name: string, endpoint: EndpointPool, failure: DialFailure): CarpoolError {
  const { refusal } = failure;
  if (refusal !== undefined)
    return new CarpoolError('CONNECT_FAILED', `${name}: ${refusal.message}`, {
      proxyError: refusal.proxyError,
      hint: refusal.hint,
    });
  const addresses = endpoint.addresses.map((address) => `${address}:${endpoint.spec.port}`).join(' and ');
  const { proxied } = endpoint.spec;
  const where = proxied === undefined ? addresses : `the parent proxy ${proxied.proxy.url} (${addresses})`;
  if (failure.tls !== null) {
    // The proxy has made its tunnel, and what is in it is between this side and the host.
    const inside = proxied !== undefined && failure.tls.toProxy !== true;
    const peer = inside ? `${bracketed(proxied.host)}:${proxied.port} by the parent proxy ${proxied.proxy.url}` : where;
    return tlsError(`${name}: no connection to ${peer}`, failure.tls);
  }
  // Node's own message says code and address once more: `connect ECONNREFUSED 10.0.0.5:9000`.
  const cause = failure.message.includes(failure.errno) ? failure.errno : `${failure.errno} ${failure.message}`;
  const message = `${name}: no connection to ${where}: ${cause}`;
  if (failure.timedOut)
    return new CarpoolError('CONNECT_TIMEOUT', message, proxied === undefined ? {} : { hint: PROXY_TOO_LATE });
  const unroutable = failure.errno === 'EHOSTUNREACH' || failure.errno === 'ENETUNREACH';
  return new CarpoolError('CONNECT_FAILED', message, {
    proxyError: unroutable ? 'destination_ip_unroutable' : 'connection_refused',
  });
}
