/** One line of /metrics. */
type Sample = { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly value: number };

/** What /metrics said at one moment. */
export class Metrics {
  readonly #samples: readonly Sample[];

  constructor(text: string) {
    this.#samples = text.split('\n').flatMap((line) => {
      const found = /^([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)/.exec(line);
      if (found === null) return [];
      const labels = [...(found[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name = '', value = '']) => [
        name,
        value,
      ]);
      return [{ name: found[1] ?? '', labels: Object.fromEntries(labels), value: Number(found[3]) }];
    });
  }

  has(name: string): boolean {
    return this.#samples.some((sample) => sample.name === name);
  }

  /** The sum of all samples of that name whose labels are as given. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#matching(name, labels).reduce((sum, sample) => sum + sample.value, 0);
  }

  /** The sums by one label. */
  by(name: string, label: string, labels: Readonly<Record<string, string>> = {}): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    for (const sample of this.#matching(name, labels)) {
      const value = sample.labels[label] ?? '';
      sums.set(value, (sums.get(value) ?? 0) + sample.value);
    }
    return sums;
  }

  /** The share of a histogram's values that are at most `bound`, which must be one of its buckets' bounds. */
  shareWithin(name: string, bound: number): { readonly count: number; readonly share: number } {
    const count = this.sum(`${name}_count`);
    return { count, share: count === 0 ? 1 : this.sum(`${name}_bucket`, { le: String(bound) }) / count };
  }

  #matching(name: string, labels: Readonly<Record<string, string>>): readonly Sample[] {
    const wanted = Object.entries(labels);
    return this.#samples.filter(
      (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
    );
  }
}
