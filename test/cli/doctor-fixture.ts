import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { type Check, type DoctorContext, type Finding, runChecks } from '../../src/cli/doctor-finding.ts';
import type { Clock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/load.ts';
import { TestClock } from '../test-clock.ts';

/** A file of this text, gone with the test. */
export function temporaryFile(t: Test, name: string, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'carpool-doctor-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
}

/** Settings with which no running sidecar is asked: one that this machine happens to run has no say. */
export const NOBODY = { operator: { enabled: false }, control: { socket: null } };

/** What the checks see where nothing of the machine's own reaches them. */
export function doctorContext(
  t: Test,
  settings: Record<string, unknown> = {},
  changes: Partial<DoctorContext> = {},
): DoctorContext {
  const file = temporaryFile(t, 'carpool.yaml', stringify(settings));
  const { config } = loadConfig({ file, env: {}, flags: [] });
  return { clock: new TestClock(), env: {}, config, version: '1.2.3', destinations: [], named: null, ...changes };
}

/** Runs one check as the command does. */
export function findingsOf(clock: Clock, run: Check['run']): Promise<readonly Finding[]> {
  return runChecks([{ name: 'it', run }], clock);
}

/** `ok …`, `warn …`, `fail …`: each finding without its remedy. */
export function inShort(findings: readonly Finding[]): string[] {
  return findings.map(({ status, message }) => `${status} ${message}`);
}
