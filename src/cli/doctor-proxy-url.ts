import { dialledHost, isLoopback, isWildcard, showHostPattern } from '../config/addresses.ts';
import type { Config } from '../config/types.ts';

/** A proxy's URL as it may be shown: without credentials. */
export function masked(text: string): string {
  return text.replace(/^([a-z0-9+.-]+:\/\/)?.*@/i, '$1***@');
}

/** Why a proxy variable does not lead to carpool as it should. */
export type WrongProxy = {
  readonly status: 'warn' | 'fail';
  readonly what: string;
  readonly remedy: string;
  /** It leads to something that is none of carpool’s ports: that may be meant. */
  readonly elsewhere: boolean;
};

/** What is wrong with the value of a variable that is to lead to the listener; null: nothing. */
export function wrongProxy(value: string, config: Config): WrongProxy | null {
  const { listener, operator } = config;
  const wanted = `http://${showHostPattern({ host: dialledHost(listener.host), port: listener.port })}`;
  const remedy = `Set it to ${wanted}.`;
  const wrong = (what: string): WrongProxy => ({ status: 'fail', what, remedy, elsewhere: false });
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`);
  if (url === null || url.hostname === '') return wrong('is no URL');
  const scheme = url.protocol.slice(0, -1);
  const named = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || USUAL_PORTS[scheme] || 80);
  if (operator.enabled && port === operator.port && port !== listener.port && leadsTo(named, operator, config))
    return wrong(`leads to the operator port, which is for probes and metrics and no proxy; carpool is at ${wanted}`);
  if (port !== listener.port || !leadsTo(named, listener, config))
    return { ...wrong(`leads elsewhere, not to carpool at ${wanted}`), elsewhere: true };
  if (scheme.startsWith('socks')) return wrong(`says ${scheme}, but carpool is an HTTP proxy and speaks no SOCKS`);
  if (scheme !== 'http') return wrong(`says ${scheme}, but the listener speaks plain HTTP`);
  if (!value.includes('://'))
    return { status: 'warn', what: 'has no scheme, which some clients refuse', remedy, elsewhere: false };
  return null;
}

const USUAL_PORTS: Readonly<Record<string, number>> = { https: 443, socks: 1080, socks4: 1080, socks5: 1080 };

/** @param own one of carpool’s listeners: an app that names `named` may reach it */
function leadsTo(named: string, own: { readonly host: string }, { discovery }: Config): boolean {
  if (named === own.host) return true;
  if (isWildcard(own.host)) return isLoopback(named) || named === discovery.kubernetes.podAddress;
  // localhost is both loopback addresses, and clients try one after the other.
  return isLoopback(own.host) && (named === 'localhost' || own.host === 'localhost') && isLoopback(named);
}
