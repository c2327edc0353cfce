/**
 * A strict reader of the two metric formats: it throws at the first thing that the format does not allow, so that a
 * test which parses a scrape has checked it. OpenMetrics 1.0, and the Prometheus text format 0.0.4.
 */

export type ParsedSample = { name: string; labels: Map<string, string>; value: number };
export type ParsedFamily = { name: string; type: string; help: string; samples: ParsedSample[] };

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"/;
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;

export function parseExposition(text: string, format: 'openmetrics' | 'prometheus'): Map<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no line end');
  const lines = text.slice(0, -1).split('\n');
  if (format === 'openmetrics' && lines.pop() !== '# EOF') throw new Error('no # EOF at the end');
  const families = new Map<string, ParsedFamily>();
  const seen = new Set<string>();
  let family: ParsedFamily | undefined;
  for (const line of lines) {
    if (line === '# EOF') throw new Error('# EOF in the middle');
    const meta = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (meta) {
      const [, keyword = '', name = '', rest = ''] = meta;
      if (keyword === 'HELP') {
        if (families.has(name)) throw new Error(`family twice: ${name}`);
        if (!NAME.test(name)) throw new Error(`bad name: ${name}`);
        if (rest.includes('"')) throw new Error(`unescaped quote in HELP of ${name}`);
        family = { name, type: '', help: rest, samples: [] };
        families.set(name, family);
      } else {
        if (family?.name !== name || family.samples.length > 0) throw new Error(`stray TYPE: ${line}`);
        family.type = rest;
      }
      continue;
    }
    if (!family) throw new Error(`no family for: ${line}`);
    const sample = parseSample(line);
    checkSample(family, sample, format);
    const identity = `${sample.name}{${[...sample.labels].map(([key, value]) => `${key}=${value}`).sort()}}`;
    if (seen.has(identity)) throw new Error(`series twice: ${identity}`);
    seen.add(identity);
    family.samples.push(sample);
  }
  for (const each of families.values()) if (each.type === 'histogram') checkHistogram(each, format);
  return families;
}

function parseSample(line: string): ParsedSample {
  const head = /^([a-zA-Z_:][a-zA-Z0-9_:]*)/.exec(line)?.[1];
  if (head === undefined) throw new Error(`not a sample: ${line}`);
  let rest = line.slice(head.length);
  const labels = new Map<string, string>();
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    for (;;) {
      const label = LABEL.exec(rest);
      if (!label) throw new Error(`bad label in: ${line}`);
      const [all, key = '', value = ''] = label;
      if (labels.has(key)) throw new Error(`label twice in: ${line}`);
      labels.set(key, value);
      rest = rest.slice(all.length);
      if (rest.startsWith('}')) break;
      if (!rest.startsWith(',')) throw new Error(`bad separator in: ${line}`);
      rest = rest.slice(1);
    }
    rest = rest.slice(1);
  }
  if (!rest.startsWith(' ') || !NUMBER.test(rest.slice(1))) throw new Error(`bad value in: ${line}`);
  return { name: head, labels, value: Number(rest.slice(1).replace('Inf', 'Infinity')) };
}

function checkSample(family: ParsedFamily, sample: ParsedSample, format: string): void {
  const suffix = sample.name.slice(family.name.length);
  if (!sample.name.startsWith(family.name)) throw new Error(`${sample.name} is not of ${family.name}`);
  if (family.type === 'histogram') {
    if (!['_bucket', '_sum', '_count'].includes(suffix)) throw new Error(`bad suffix: ${sample.name}`);
    if ((suffix === '_bucket') !== sample.labels.has('le')) throw new Error(`le out of place: ${sample.name}`);
  } else if (family.type === 'counter' && format === 'openmetrics') {
    if (suffix !== '_total' || family.name.endsWith('_total')) throw new Error(`bad counter name: ${sample.name}`);
  } else if (suffix !== '') throw new Error(`bad suffix: ${sample.name}`);
  if (family.type !== 'gauge' && !(sample.value >= 0)) throw new Error(`negative: ${sample.name}`);
  if (!['counter', 'gauge', 'histogram'].includes(family.type)) throw new Error(`bad type of ${family.name}`);
}

/** Buckets rise, end with +Inf, and agree with _count; all three parts are there. */
function checkHistogram(family: ParsedFamily, format: string): void {
  const groups = new Map<string, ParsedSample[]>();
  for (const sample of family.samples) {
    const key = [...sample.labels].filter(([name]) => name !== 'le').join();
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const samples of groups.values()) {
    const buckets = samples.filter(({ name }) => name.endsWith('_bucket'));
    const bounds = buckets.map(({ labels }) => labels.get('le') ?? '');
    if (bounds.at(-1) !== '+Inf') throw new Error(`no +Inf bucket in ${family.name}`);
    if (format === 'openmetrics' && !bounds.slice(0, -1).every((le) => le.includes('.')))
      throw new Error(`le not written as a float in ${family.name}`);
    for (let i = 1; i < buckets.length; i++) {
      if (Number((bounds[i] ?? '').replace('Inf', 'Infinity')) <= Number(bounds[i - 1]))
        throw new Error(`le out of order in ${family.name}`);
      if ((buckets[i]?.value ?? 0) < (buckets[i - 1]?.value ?? 0)) throw new Error(`bucket falls in ${family.name}`);
    }
    const count = samples.filter(({ name }) => name.endsWith('_count'));
    if (count.length !== 1 || count[0]?.value !== buckets.at(-1)?.value)
      throw new Error(`bad _count in ${family.name}`);
    if (samples.filter(({ name }) => name.endsWith('_sum')).length !== 1) throw new Error(`no _sum in ${family.name}`);
  }
}

/** The value of one series, or undefined where there is none. */
export function sampleValue(
  families: ReadonlyMap<string, ParsedFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  for (const family of families.values())
    for (const sample of family.samples) {
      if (sample.name !== name || sample.labels.size !== Object.keys(labels).length) continue;
      if (Object.entries(labels).every(([key, value]) => sample.labels.get(key) === value)) return sample.value;
    }
  return undefined;
}

/** All series, or those of one destination. */
export function seriesOf(families: ReadonlyMap<string, ParsedFamily>, destination?: string): ParsedSample[] {
  const all = [...families.values()].flatMap(({ samples }) => samples);
  return destination === undefined ? all : all.filter(({ labels }) => labels.get('destination') === destination);
}
