/** One case of h2spec, as its JUnit report has it. */
export type SpecCase = {
  /** Such as `http2/6.9.1`. */
  readonly section: string;
  readonly title: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What it expected, and what came. */
  readonly details: string;
};

const CASE = /<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs;

/** Reads the report that `h2spec --junit-report` writes. */
export function readSpecReport(xml: string): readonly SpecCase[] {
  return [...xml.matchAll(CASE)].map(([, section = '', title = '', inside = '']) => ({
    section,
    title: unescaped(title),
    outcome: /<(?:error|failure)\b/.test(inside) ? 'failed' : /<skipped\b/.test(inside) ? 'skipped' : 'passed',
    details: unescaped(inside.replace(/<[^>]*>/g, ' ')).trim(),
  }));
}

function unescaped(text: string): string {
  const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
  return text.replace(/&(?:#(?:x([0-9a-f]+)|([0-9]+))|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return named[String(name)] ?? whole;
  });
}
