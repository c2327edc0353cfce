import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { DESTINATION } from './destination.ts';
import { draw } from './draw.ts';
import { FLEET } from './fleet.ts';
import type { Dashboard } from './panel.ts';
import { chartRules, plainRules } from './rule-files.ts';

/**
 * Writes the dashboards and the alert rules: into the chart, and as plain files beside this one. With --check it only says
 * whether they are up to date (exit code 1 when not).
 */

/** All dashboards, by the name of their file. */
export const DASHBOARDS: Readonly<Record<string, Dashboard>> = { fleet: FLEET, destination: DESTINATION };

const ROOT = join(import.meta.dirname, '..');

/** What is made, by path from the root of the repository. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['charts/carpool/files/rules.yaml', chartRules()],
    ['dashboards/carpool.rules.yaml', plainRules()],
    ...Object.entries(DASHBOARDS).map(([name, dashboard]): [string, string] => [
      `charts/carpool/files/dashboards/${name}.json`,
      draw(dashboard),
    ]),
  ]);
}

/** The files that are not as they would be made. */
export function staleFiles(): string[] {
  return [...generatedFiles()].flatMap(([path, text]) => {
    try {
      return readFileSync(join(ROOT, path), 'utf8') === text ? [] : [path];
    } catch {
      return [path];
    }
  });
}

if (import.meta.main) {
  const stale = staleFiles();
  if (process.argv.includes('--check')) {
    for (const path of stale) process.stderr.write(`${path} is stale: run node dashboards/generate.ts\n`);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    for (const [path, text] of generatedFiles()) {
      mkdirSync(dirname(join(ROOT, path)), { recursive: true });
      writeFileSync(join(ROOT, path), text);
    }
  }
}
