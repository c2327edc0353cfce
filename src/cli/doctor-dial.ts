import { addressPort } from '../discovery/ip-address.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';
import { probe } from './doctor-probe.ts';
import type { Address } from './doctor-service.ts';

const CONNECT_TIMEOUT_MS = 2000;
/** Endpoints that are dialled; a Service may have thousands. */
const MAX_DIALLED = 64;
/** Endpoints named in one message. */
const MAX_NAMED = 5;

/**
 * Whether endpoints take connections.
 * @param how where they come from
 * @param connected whether the running sidecar has connections to them: then that none is reached says more of this machine
 * @returns an endpoint that takes connections, or null
 */
export async function dialEndpoints(
  how: string,
  all: readonly Address[],
  { clock }: DoctorContext,
  findings: FindingSink,
  connected = false,
): Promise<Address | null> {
  const tried = all.slice(0, MAX_DIALLED);
  const results = await Promise.all(
    tried.map(async ({ address, port }) => ({
      address,
      port,
      endpoint: addressPort(address, port),
      result: await probe({ host: address, port }, { clock, timeoutMs: CONNECT_TIMEOUT_MS }),
    })),
  );
  const failed = results.flatMap(({ endpoint, result }) =>
    result.kind === 'failed' ? [`${endpoint} ${result.code}`] : [],
  );
  const taken = tried.length - failed.length;
  const noun = tried.length === 1 ? 'endpoint takes' : 'endpoints take';
  const rest = all.length > tried.length ? ` (there are ${all.length})` : '';
  const words = `${how}: ${taken} of ${tried.length} ${noun} connections${rest}`;
  if (failed.length === 0) {
    findings.ok(words);
    return tried[0] ?? null;
  }
  const more = failed.length > MAX_NAMED ? ` and ${failed.length - MAX_NAMED} more` : '';
  const told = `${words}; not ${failed.slice(0, MAX_NAMED).join(', ')}${more}`;
  if (taken > 0)
    findings.warn(
      told,
      'Requests go to the others. Look at those that do not: is the process up, is the port right, does a network policy drop the packets?',
    );
  else if (connected)
    findings.warn(
      `${told}; but the sidecar has connections to this destination`,
      'They cannot be reached from where this command runs: run it in the container of the sidecar.',
    );
  else
    findings.fail(
      told,
      'Is the process there up, is the port right (a headless Service has the port of its pods), does a network policy let this pod reach it?',
    );
  return results.find(({ result }) => result.kind === 'connected') ?? null;
}
