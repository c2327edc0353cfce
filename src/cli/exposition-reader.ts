/** Reads what /metrics says in the Prometheus text format, as far as one destination is concerned. */

export type Sample = { readonly labels: ReadonlyMap<string, string>; readonly value: number };

/** Samples by metric name. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** The samples whose label `destination` is `label`; lines that cannot be read are passed over. */
export function samplesOf(text: string, label: string): Samples {
  const found = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    const [, name, pairs = '', number] = LINE.exec(line) ?? [];
    if (name === undefined || !pairs.includes('destination=')) continue;
    const labels = new Map([...pairs.matchAll(LABEL)].map(([, key = '', value = '']) => [key, unescaped(value)]));
    if (labels.get('destination') !== label) continue;
    const value = Number(number?.replace('Inf', 'Infinity'));
    if (Number.isNaN(value)) continue;
    const list = found.get(name);
    if (list) list.push({ labels, value });
    else found.set(name, [{ labels, value }]);
  }
  return found;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
}
