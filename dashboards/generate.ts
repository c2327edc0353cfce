import { type WrittenFiles, writeOrCheck } from '../src/config/written-files.ts';
import { DESTINATION } from './destination.ts';
import { draw } from './draw.ts';
import { FLEET } from './fleet.ts';
import type { Dashboard } from './panel.ts';
import { POD } from './pod.ts';
import { chartRules, plainRules } from './rule-files.ts';

/**
 * Writes the dashboards and the alert rules: into the chart, and as plain files beside this one, to be imported by hand. With --check it only says
 * whether they are up to date (exit code 1 when not).
 */

/** All dashboards, by the name of their file. */
export const DASHBOARDS: Readonly<Record<string, Dashboard>> = {
  fleet: FLEET,
  destination: DESTINATION,
  pod: POD,
};

/** What is made, by path from the root of the repository. */
export function generatedFiles(): WrittenFiles {
  return new Map([
    ['charts/carpool/files/rules.yaml', chartRules()],
    ['dashboards/carpool.rules.yaml', plainRules()],
    ...Object.entries(DASHBOARDS).flatMap(([name, dashboard]): [string, string][] => {
      const text = draw(dashboard);
      return [
        [`charts/carpool/files/dashboards/${name}.json`, text],
        [`dashboards/${name}.json`, text],
      ];
    }),
  ]);
}

if (import.meta.main) writeOrCheck('dashboards/generate.ts', generatedFiles());
