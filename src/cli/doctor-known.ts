import { parseEndpoint } from '../config/addresses.ts';
import type { DestinationPolicy } from '../config/types.ts';
import { addressPort } from '../discovery/ip-address.ts';
import { CliError } from './deps.ts';
import { dialEndpoints } from './doctor-dial.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';
import { runningSidecar } from './doctor-status.ts';
import { checkTls } from './doctor-tls.ts';
import { call, type Target } from './http-call.ts';
import { type JsonObject, listAt, numberAt, objectAt, parseObject, textAt } from './json-reader.ts';

const TIMEOUT_MS = 3000;

type Look = {
  readonly context: DoctorContext;
  readonly named: { readonly host: string; readonly port: number };
  readonly policy: DestinationPolicy;
  readonly findings: FindingSink;
  /** Whether the configuration given to this command says where its requests go. */
  readonly written: boolean;
};

/**
 * A destination as the running sidecar knows it: its configuration may be another one than this command was given. Endpoints that
 * it finds by DNS or Kubernetes are looked up anew, unless the user named the sidecar.
 * @returns whether that was told; else there is nothing to go by but the configuration
 */
export async function checkKnown(look: Look): Promise<boolean> {
  const { context, named, policy, findings, written } = look;
  const running = await runningSidecar(context);
  if (running.kind !== 'told') return false;
  const authority = addressPort(named.host, named.port);
  const row = listAt(running.status, 'destinations').find((each) =>
    [authority, `https://${authority}`].includes(textAt(each, 'name')),
  );
  // Before its first call it is in the configuration alone.
  if (row === undefined) return checkWritten(look, running.target);
  const discovery = objectAt(row, 'discovery');
  const source = textAt(discovery, 'source');
  if (context.named === null && (written || source !== 'static')) return false;
  const path = `/status/endpoints?destination=${encodeURIComponent(textAt(row, 'name'))}`;
  const endpoints = await listOf('endpoints', path, running.target, context);
  const addresses = endpoints.flatMap((each) => parseEndpoint(textAt(each, 'id')) ?? []);
  if (addresses.length === 0) return false;
  const how = `${SOURCES[source] ?? source}, as the running sidecar has it`;
  const error = textAt(discovery, 'error');
  if (error !== '')
    findings.warn(`${how}: no fresh answer about its endpoints: ${error}`, 'The endpoints known before are used on.');
  const connected = numberAt(row, 'active') + numberAt(row, 'idle') > 0;
  const taken = await dialEndpoints(how, addresses, context, findings, connected);
  if (taken !== null && policy.tls.originate) await checkTls(named, taken, policy, context.clock, findings);
  return true;
}

/** Where endpoints come from, in words. */
const SOURCES: Readonly<Record<string, string>> & { readonly static: string } = {
  static: 'endpoints of the configuration',
  dns: 'DNS',
  literal: 'an address',
  kubernetes: 'Kubernetes',
};

/** An entry with endpoints of its own in the configuration of the running sidecar, where the one given here has none. */
async function checkWritten({ context, named, written, findings }: Look, target: Target): Promise<boolean> {
  if (written) return false;
  const path = target.kind === 'url' ? '/debug/config?sources' : '/config';
  const settings = await listOf('settings', path, target, context);
  const entries = [addressPort(named.host, named.port), named.host].map((match) => `destinations[${match}].endpoints`);
  const value = settings.find((each) => entries.includes(textAt(each, 'path')))?.get('value');
  const addresses = Array.isArray(value) ? value.flatMap((each) => parseEndpoint(String(each)) ?? []) : [];
  if (addresses.length === 0) return false;
  await dialEndpoints(`${SOURCES.static}, as the running sidecar has it`, addresses, context, findings);
  return true;
}

/** A list in an answer of the sidecar; empty where it does not tell. */
async function listOf(
  key: string,
  path: string,
  target: Target,
  { clock }: DoctorContext,
): Promise<readonly JsonObject[]> {
  try {
    const { status, body } = await call(target, { method: 'GET', path, timeoutMs: TIMEOUT_MS }, clock);
    return status === 200 ? listAt(parseObject(body, path), key) : [];
  } catch (error) {
    if (error instanceof CliError) return [];
    throw error;
  }
}
