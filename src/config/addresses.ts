import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { HostPattern } from './types.ts';

/** Reads the addresses, hosts and ports that stand in a configuration. Each function returns null for what it refuses. */

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const PORT = /^[0-9]{1,5}$/;

function parsePort(text: string): number | null {
  if (!PORT.test(text)) return null;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : null;
}

/** Splits `host[:port]`, `[v6]:port`; a port that is there but wrong makes the whole null. */
function splitPort(text: string): { host: string; port: number | null } | null {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  const plain = /^([^:]*)(?::([^:]*))?$/.exec(text);
  const [, host, portText] = bracketed ?? plain ?? [];
  if (host === undefined || (bracketed !== null && !isIPv6(host))) return null;
  if (portText === undefined) return { host, port: null };
  const port = parsePort(portText);
  return port === null ? null : { host, port };
}

/** An IPv6 address can be written in many ways: the one of RFC 5952. */
function oneSpelling(address: string): string {
  if (!isIPv6(address) || address.includes('%')) return address;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/**
 * `orders.shop:8080`, `*.shop`, `[fd00::1]:80`, `10.0.0.1`: lower case, without the trailing dot or the brackets of the
 * result; `*` only as a whole label.
 */
export function parseHostPattern(text: string): HostPattern | null {
  const split = splitPort(text);
  if (!split) return null;
  if (isIP(split.host)) return { host: oneSpelling(split.host), port: split.port };
  const host = split.host.toLowerCase().replace(/\.$/, '');
  const labels = host.split('.');
  if (host.length > 253 || !labels.every((label) => label === '*' || LABEL.test(label))) return null;
  // All digits and dots but no IPv4 address (10.0.0.300) is a typing error, and no resolver would find it.
  if (/^[0-9.]+$/.test(host)) return null;
  return { host, port: split.port };
}

/** The inverse of `parseHostPattern`. */
export function showHostPattern(pattern: HostPattern): string {
  const host = isIPv6(pattern.host) ? `[${pattern.host}]` : pattern.host;
  return pattern.port === null ? host : `${host}:${pattern.port}`;
}

/** `10.0.0.5:9000` or `[fd00::5]:9000`: an address literal and a port, both needed. */
export function parseEndpoint(text: string): { address: string; port: number } | null {
  const split = splitPort(text);
  if (!split || split.port === null || !isIP(split.host)) return null;
  return { address: oneSpelling(split.host), port: split.port };
}

/** The inverse of `parseEndpoint`. */
export function showEndpoint(endpoint: { readonly address: string; readonly port: number }): string {
  return showHostPattern({ host: endpoint.address, port: endpoint.port });
}

/** `8080` or `"1024-65535"` as an inclusive range. */
export function parsePortRange(raw: unknown): { from: number; to: number } | null {
  if (typeof raw !== 'number' && typeof raw !== 'string') return null;
  const [first = '', last, ...rest] = String(raw).split('-');
  const from = parsePort(first.trim());
  const to = last === undefined ? from : parsePort(last.trim());
  if (from === null || to === null || from > to || rest.length > 0) return null;
  return { from, to };
}

/** The inverse of `parsePortRange`. */
export function showPortRange(range: { readonly from: number; readonly to: number }): string {
  return range.from === range.to ? String(range.from) : `${range.from}-${range.to}`;
}

/** Whether a listening address can be reached from inside the pod only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** Whether a listening address stands for all addresses of the pod. */
export function isWildcard(host: string): boolean {
  return host === '::' || host === '0.0.0.0';
}

/** The address to dial, from inside the pod, for one that is listened on. `::` takes IPv4 too, and there may be no IPv6. */
export function dialledHost(host: string): string {
  return isWildcard(host) ? '127.0.0.1' : host;
}
