import { dialledHost, isLoopback, isWildcard, showHostPattern } from '../config/addresses.ts';
import type { Config } from '../config/types.ts';

/** A proxy's URL as it may be shown: without credentials. */
export function masked(text: string): string {
  return text.replace(/^([a-z0-9+.-]+:\/\/)?.*@/i, '$1***@');
}

/** Why a proxy variable does not lead to carpool as it should. */
export type WrongProxy = { readonly status: 'warn' | 'fail'; readonly what: string; readonly remedy: string };

/** What is wrong with the value of a variable that is to lead to the listener; null: nothing. */
export function wrongProxy(value: string, config: Config): WrongProxy | null {
  const { host, port } = config.listener;
  const wanted = `http://${showHostPattern({ host: dialledHost(host), port })}`;
  const wrong = (what: string, status: WrongProxy['status'] = 'fail'): WrongProxy => ({
    status,
    what,
    remedy: `Set it to ${wanted}.`,
  });
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`);
  if (url === null || url.hostname === '') return wrong('is no URL');
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'http') return wrong(`says ${scheme}, but the listener speaks plain HTTP`);
  const named = url.hostname.replace(/^\[|\]$/g, '');
  if (!leadsTo(named, config) || Number(url.port || 80) !== port)
    return wrong(`leads elsewhere, not to carpool at ${wanted}`);
  return value.includes('://') ? null : wrong('has no scheme, which some clients refuse', 'warn');
}

function leadsTo(named: string, { listener, discovery }: Config): boolean {
  if (named === listener.host) return true;
  if (isWildcard(listener.host)) return isLoopback(named) || named === discovery.kubernetes.podAddress;
  // localhost is both loopback addresses, and clients try one after the other.
  return isLoopback(listener.host) && (named === 'localhost' || listener.host === 'localhost') && isLoopback(named);
}
