const QUANTITY = /^(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?$/;

const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
/** Parts of one are divided by, for 9 × 0.001 is more than 0.009. */
const PARTS: Readonly<Record<string, number>> = { n: 1e9, u: 1e6, m: 1e3 };
const DECIMAL: Readonly<Record<string, number>> = {
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
};

/** CPU or memory as Kubernetes writes it (`20m`, `96Mi`, `1e3`) as a number; null for what is none, or below 0. */
export function parseQuantity(text: string): number | null {
  const [, digits, binary, decimal, exponent] = QUANTITY.exec(text) ?? [];
  if (digits === undefined) return null;
  const value = Number(digits);
  if (binary !== undefined) return value * 1024 ** (BINARY.indexOf(binary) + 1);
  if (decimal !== undefined) return (value * (DECIMAL[decimal] ?? 1)) / (PARTS[decimal] ?? 1);
  return Number(`${digits}e${exponent ?? 0}`);
}
