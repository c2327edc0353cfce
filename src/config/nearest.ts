/** Finds the name that somebody probably meant. */

/** snake_case, kebab-case and camelCase of one name are the same to a person. */
const fold = (name: string): string => name.replace(/[_\-\s]/g, '').toLowerCase();

/** Edits (insert, delete, replace, swap of neighbours) between two short names. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        edits = Math.min(edits, (beforeLast[j - 2] ?? 0) + 1);
      row.push(edits);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? Number.POSITIVE_INFINITY;
}

/** The candidate within a third of the name's length (at least 2 edits, but never the whole word), or null. */
export function nearest(name: string, candidates: Iterable<string>): string | null {
  // A longer name is no typing error, and would cost more to compare than its message is worth.
  if (name.length > 80) return null;
  const folded = fold(name);
  let best: string | null = null;
  let bestEdits = Math.max(2, Math.floor(folded.length / 3)) + 1;
  for (const candidate of candidates) {
    const target = fold(candidate);
    const edits = folded === target ? 0 : distance(folded, target);
    if (edits < bestEdits && edits < target.length - 1) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** Whether two names differ in their way of writing only (`max_idle`, `maxIdle`). */
export function sameName(a: string, b: string): boolean {
  return fold(a) === fold(b);
}
