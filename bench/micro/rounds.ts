import { median, minimum } from '../rig/statistics.ts';

/** A piece of work inside one process: `run` does it `operations` times. */
export type Work = {
  readonly name: string;
  readonly operations: number;
  /** Returns something that depends on the work, so that no compiler leaves it out. */
  readonly run: () => number;
};

export type WorkFigures = { readonly name: string; readonly medianNs: number; readonly minimumNs: number };

/** A nanosecond clock, as `process.hrtime.bigint`. */
export type NanoClock = () => bigint;

/** Repeats the work until it has taken this long in a round, so that the clock's own cost is none of it. */
const ROUND_NS = 20_000_000n;

/**
 * Nanoseconds for one operation of each work: rounds are interleaved, as between proxies, and the first two of each are
 * left out, in which the compiler is at work.
 */
export function measureWork(
  works: readonly Work[],
  rounds: number,
  clock: NanoClock = process.hrtime.bigint,
): readonly WorkFigures[] {
  const samples = works.map((): number[] => []);
  for (let round = -2; round < rounds; round++) {
    for (const [index, work] of works.entries()) {
      const nanoseconds = oneRound(work, clock);
      if (round >= 0) samples[index]?.push(nanoseconds);
    }
  }
  return works.map(({ name }, index) => {
    const sample = samples[index] ?? [];
    return { name, medianNs: median(sample) ?? 0, minimumNs: minimum(sample) ?? 0 };
  });
}

let sink = 0;

function oneRound(work: Work, clock: NanoClock): number {
  const begun = clock();
  let operations = 0;
  let spent = 0n;
  while (spent < ROUND_NS) {
    sink = (sink + work.run()) | 0;
    operations += work.operations;
    spent = clock() - begun;
  }
  return Number(spent) / operations;
}
