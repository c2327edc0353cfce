/** Where the reader is: the page's hash, so that each place has a link and the browser's back button works. */
export type Place = {
  /** The destination that is looked at, or null: all of them. */
  readonly destination: string | null;
  readonly view: View;
  /** What the table of destinations is narrowed down to at first; empty: nothing. */
  readonly filter: string;
};

export const ALL_VIEWS = ['destinations', 'events', 'errors', 'configuration', 'sidecar'] as const;
export const DESTINATION_VIEWS = ['endpoints', 'connections', 'events', 'errors'] as const;
export type View = (typeof ALL_VIEWS)[number] | (typeof DESTINATION_VIEWS)[number];

/** Reads a hash; what it does not know shows the first view. */
export function placeOf(hash: string): Place {
  const fields = new Map<string, string>();
  for (const field of hash.replace(/^#/, '').split('&')) {
    const [key = '', value = ''] = [field.slice(0, field.indexOf('=')), field.slice(field.indexOf('=') + 1)];
    fields.set(key, decode(value));
  }
  const destination = fields.get('destination') || null;
  const views: readonly View[] = destination === null ? ALL_VIEWS : DESTINATION_VIEWS;
  const view =
    views.find((name) => name === fields.get('view')) ?? (destination === null ? 'destinations' : 'endpoints');
  return { destination, view, filter: fields.get('filter') ?? '' };
}

/**
 * Where a link leads that names a destination as a metric does: by its label. One destination of that label is shown itself, of
 * several (`*.shop:8080`, `other`) the table. Null: the place is as good as it is.
 */
export function betterPlace(
  { destination, view }: Place,
  rows: ReadonlyMap<string, { readonly label: string }>,
): Place | null {
  if (destination === null || rows.has(destination)) return null;
  const named = [...rows].filter(([, { label }]) => label === destination).map(([name]) => name);
  if (named.length === 1) return { destination: named[0] ?? null, view, filter: '' };
  if (named.length > 1) return { destination: null, view: 'destinations', filter: destination };
  // What a dashboard writes where all, or several, are chosen.
  return /^\.[*+]$|[{}|$]/.test(destination) ? { destination: null, view: 'destinations', filter: '' } : null;
}

/** The hash of a place. `#destination=orders.shop:8080&view=connections` */
export function hashOf({ destination, view, filter = '' }: Omit<Place, 'filter'> & Partial<Place>): string {
  const fields: string[] = [];
  if (destination !== null) fields.push(`destination=${encodeURIComponent(destination).replaceAll('%3A', ':')}`);
  if (view !== 'destinations' && view !== 'endpoints') fields.push(`view=${view}`);
  if (filter !== '') fields.push(`filter=${encodeURIComponent(filter)}`);
  return fields.length === 0 ? '#' : `#${fields.join('&')}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
