import { parseHostPattern } from '../config/addresses.ts';
import type { Config, DestinationPolicy } from '../config/types.ts';
import { AddressRules } from '../discovery/address-rules.ts';
import { DnsStub, type LookupResult } from '../discovery/dns-stub.ts';
import { addressPort, isIpLiteral } from '../discovery/ip-address.ts';
import { findEntry } from '../routing/host-pattern.ts';
import { dialEndpoints } from './doctor-dial.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';
import { checkKnown } from './doctor-known.ts';
import { goesByParentProxy } from './doctor-parent-proxy.ts';
import { type Address, type Endpoints, findService } from './doctor-service.ts';
import { checkTls } from './doctor-tls.ts';

const CONNECT_TIMEOUT_MS = 2000;
const LOOKUP_TIMEOUT_MS = 4000;

/** A destination as carpool sees it. */
export type NamedDestination = { readonly host: string; readonly port: number };

/** Reads `orders.shop:8080`, `orders.shop` (port 80) or a URL; null where it is none of them. */
export function readDestination(text: string): NamedDestination | null {
  const url = /^(https?):\/\/([^/?#]+)/i.exec(text.trim());
  const authority = url?.[2] ?? text.trim();
  const pattern = parseHostPattern(authority);
  if (pattern === null || pattern.host.includes('*')) return null;
  // The dot at the end says that the name is absolute.
  const dot = /\.(?::\d+)?$/.test(authority) && !isIpLiteral(pattern.host) ? '.' : '';
  return { host: pattern.host + dot, port: pattern.port ?? (url?.[1]?.toLowerCase() === 'https' ? 443 : 80) };
}

/** How a destination would be found, whether it may be dialled, and whether its endpoints take connections. */
export async function checkDestination(
  context: DoctorContext,
  named: NamedDestination | null,
  findings: FindingSink,
  stopped: AbortSignal,
): Promise<void> {
  if (named === null) {
    findings.fail('is no destination', 'Write it as the app calls it: orders.shop:8080, 10.0.0.5:80, [fd00::5]:80.');
    return;
  }
  const entry = findEntry(context.config.destinations, named.host, named.port);
  const policy = entry?.policy ?? context.config.defaults;
  const look = { context, named, policy, findings, stopped };
  const written = (entry?.endpoints ?? entry?.to ?? null) !== null;
  if (await checkKnown({ ...look, written })) return;
  if (entry === null || entry.to === null) await checkTarget(look, named, entry?.endpoints ?? null);
  else
    for (const target of entry.to) {
      findings.ok(`requests go to ${addressPort(target.host, target.port)} instead (weight ${target.weight})`);
      // An address that is written there may be dialled like endpoints that are.
      await checkTarget(look, target, isIpLiteral(target.host) ? [{ address: target.host, port: target.port }] : null);
    }
}

/** What a look at one destination has at hand. */
type Look = {
  readonly context: DoctorContext;
  /** As the app calls it: whose name the certificate has. */
  readonly named: NamedDestination;
  readonly policy: DestinationPolicy;
  readonly findings: FindingSink;
  readonly stopped: AbortSignal;
};

/** @param target where requests go: the destination itself, or one of its `to` */
async function checkTarget(look: Look, target: NamedDestination, written: readonly Address[] | null): Promise<void> {
  const { context, named, policy, findings, stopped } = look;
  const found: Endpoints =
    written === null
      ? await find(context, target, findings, stopped)
      : { kind: 'found', how: 'endpoints of the configuration', addresses: written, written: true };
  if (found.kind === 'failed') {
    findings.fail(found.what, found.remedy);
    return;
  }
  if (found.kind === 'proxied') {
    findings.ok('goes by the parent proxy, which finds it');
    return;
  }
  const rules = addressRules(context.config);
  const check = ({ address, port }: Address) =>
    found.written
      ? rules.checkOwn(address, port)
      : rules.check(address, port, address === named.host || named.host === 'localhost');
  const allowed = found.addresses.filter((address) => check(address) === null);
  for (const address of found.addresses) {
    const denied = check(address);
    // One is enough to know why.
    if (denied === null) continue;
    findings.fail(`${found.how}: ${denied.message}`, denied.hint);
    break;
  }
  if (allowed.length === 0) return;
  const taken = await dialEndpoints(found.how, allowed, context, findings);
  if (taken !== null && policy.tls.originate) await checkTls(named, taken, policy, context.clock, findings);
}

function addressRules(config: Config): AddressRules {
  const { listener, operator, destinations, security } = config;
  const local = destinations.flatMap(({ localPort }) => (localPort === null ? [] : [localPort]));
  const listeners = [
    { host: listener.host, port: listener.port },
    ...(operator.enabled ? [{ host: operator.host, port: operator.port }] : []),
    ...local.map((port) => ({ host: '127.0.0.1', port })),
  ];
  return new AddressRules({ allow: security.allowAddresses, allowLoopback: security.allowLoopback, listeners });
}

/** In the order in which discovery asks: an address, a Service, the parent proxy or DNS. */
async function find(
  context: DoctorContext,
  { host, port }: NamedDestination,
  findings: FindingSink,
  stopped: AbortSignal,
): Promise<Endpoints> {
  const outside = goesByParentProxy(context.config, host, port);
  if (isIpLiteral(host) && outside) return { kind: 'proxied' };
  if (isIpLiteral(host))
    return { kind: 'found', how: 'an address', addresses: [{ address: host, port }], written: false };
  const { dns } = context.config.discovery;
  const { hostsFile, resolvConf } = dns;
  const stub = new DnsStub({ hostsFile, resolvConf, clock: context.clock, timeoutMs: CONNECT_TIMEOUT_MS });
  try {
    const service = await findService(context, { host, port }, stub.clusterDomain, findings, stopped);
    if (service.kind !== 'dns') return service;
    if (outside && service.externalName === null) return { kind: 'proxied' };
    // What a Service stands for is no name to search for.
    const name = service.externalName === null ? host : `${service.externalName.replace(/\.$/, '')}.`;
    return fromDns(await lookup(stub, name, context), name, port);
  } finally {
    stub.close();
  }
}

/** The answer of DNS; closing the stub ends a lookup that takes too long, as failed. */
async function lookup(stub: DnsStub, name: string, { clock }: DoctorContext): Promise<LookupResult> {
  const timer = clock.setTimer(() => stub.close(), LOOKUP_TIMEOUT_MS);
  const result = await stub.lookup(name);
  timer.cancel();
  return result;
}

function fromDns(result: LookupResult, name: string, port: number): Endpoints {
  if (result.kind !== 'found')
    return { kind: 'failed', what: `DNS: ${result.error.message}`, remedy: result.error.hint };
  const how = result.ttlMs === Number.POSITIVE_INFINITY ? `hosts file, ${name}` : `DNS, ${result.name}`;
  return { kind: 'found', how, addresses: result.addresses.map((address) => ({ address, port })), written: false };
}
