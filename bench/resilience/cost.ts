import { measureLoad } from '../compare/measure-load.ts';
import { type LoadScenario, scenarios } from '../compare/scenarios.ts';
import { carpool } from '../peers/carpool.ts';
import { isPeer, type Peer } from '../peers/peer.ts';
import { hostOf } from '../peers/roles.ts';
import type { Children } from '../rig/children.ts';
import { median, medianInterval, pairedRatios } from '../rig/statistics.ts';
import { EVERYTHING } from './subjects.ts';

/** CPU of a request with every mechanism on, against all off, in paired rounds. */
export type CostRow = {
  readonly rounds: number;
  readonly offUs: number | null;
  readonly onUs: number | null;
  readonly ratio: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** Rounds that ended with an error. */
  readonly failed: number;
};

/** @param seconds of each measurement; each round runs both, in turns which goes first */
export async function measureCost(
  children: Children,
  rounds: number,
  seconds: number,
  entry: string | undefined,
): Promise<CostRow> {
  const scenario = scenarios.find((each): each is LoadScenario => each.name === 'get1k' && each.kind === 'wrk');
  if (scenario === undefined) throw new Error('the scenario get1k is gone');
  const host = hostOf(scenario.role);
  const common = entry === undefined ? {} : { entry };
  const off = present(carpool({ ...common, name: 'carpool-off', yaml: `destinations: [{ match: "${host}" }]\n` }));
  const on = present(
    carpool({ ...common, name: 'carpool-on', yaml: `destinations:\n  - { match: "${host}", ${EVERYTHING} }\n` }),
  );
  const figures = { off: new Map<number, number>(), on: new Map<number, number>() };
  let failed = 0;
  const plan = { seconds, warmFactor: 1, quietWaitMs: 3000 };
  for (let round = 0; round < rounds; round++) {
    for (const which of round % 2 === 0 ? (['off', 'on'] as const) : (['on', 'off'] as const)) {
      const row = await measureLoad(children, which === 'on' ? on : off, scenario, plan, round);
      console.error(`.. cost ${round} ${which}: ${row.failed ?? `${row.cpuUs?.toFixed(2)} µs`}`);
      if (row.cpuUs === null || row.failed !== null) failed++;
      else figures[which].set(round, row.cpuUs);
    }
  }
  const ratios = pairedRatios(figures.on, figures.off);
  const interval = medianInterval(ratios);
  return {
    rounds,
    offUs: median([...figures.off.values()]),
    onUs: median([...figures.on.values()]),
    ratio: median(ratios),
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    failed,
  };
}

function present(candidate: ReturnType<typeof carpool>): Peer {
  if (!isPeer(candidate)) throw new Error(candidate.missing);
  return candidate;
}
