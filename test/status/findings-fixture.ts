import type { Test } from 'tap';
import type { Finding, StatusSnapshot } from '../../src/status/types.ts';
import { rawClient } from '../raw-origin.ts';
import { isWhole } from '../relay/tls-fixture.ts';
import type { Sidecar } from '../sidecar.ts';

/** What `/status` of a sidecar under test says. @param destination whose detail is wanted */
export async function statusOf({ operatorPort }: Sidecar, destination?: string): Promise<StatusSnapshot> {
  const query = destination === undefined ? '' : `?destination=${destination}`;
  const response = await fetch(`http://127.0.0.1:${operatorPort}/status${query}`);
  return JSON.parse(await response.text());
}

/** The codes of its findings, the worst first. */
export async function codesOf(sidecar: Sidecar): Promise<string[]> {
  return (await statusOf(sidecar)).findings.map(({ code }) => code);
}

/** The one finding with this code; fails where there is none. */
export async function findingOf(sidecar: Sidecar, code: string): Promise<Finding> {
  const { findings } = await statusOf(sidecar);
  const found = findings.filter((finding) => finding.code === code);
  const [first] = found;
  if (first === undefined || found.length > 1)
    throw new Error(`${found.length} findings ${code}: ${JSON.stringify(findings, null, 1)}`);
  return first;
}

/** Moves the clock in the steps of the tick. */
export function pass(sidecar: Sidecar, seconds: number): void {
  for (let second = 0; second < seconds; second++) sidecar.clock.advance(1000);
}

/** What a port answers to these bytes. */
export async function answerOf(t: Test, port: number, bytes: string | Buffer): Promise<string> {
  const client = await rawClient(t, port);
  client.write(bytes);
  await client.until(({ received }) => isWhole(received));
  return client.received;
}
