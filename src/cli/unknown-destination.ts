import { nearest } from '../config/nearest.ts';

/** More would not be read. */
const MOST_NAMES = 5;

/**
 * What to say of a destination that the sidecar does not have.
 * @param said the sidecar's own words, the hint on a line of its own
 * @param names of the destinations that it has
 */
export function explainUnknown(said: string, wanted: string, names: readonly string[]): string {
  const [message = '', ...hint] = said.split('\n');
  const meant = meantBy(wanted, names);
  if (meant.length === 0) return said;
  const several = meant.slice(0, MOST_NAMES).join(', ');
  return [message, `Did you mean ${several}?`, ...hint].join('\n');
}

/** The likeliest names: written with a scheme or a path, without its port, a part of it, or a typing error. */
function meantBy(wanted: string, names: readonly string[]): string[] {
  const scheme = /^(https?):\/\//i.exec(wanted)?.[1]?.toLowerCase();
  const bare = wanted.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/[/?#].*$/, '');
  const port = scheme === 'https' ? 443 : 80;
  const exact = names.filter((name) => name === bare || (scheme !== undefined && name === `${bare}:${port}`));
  if (exact.length > 0) return exact;
  const host = bare.replace(/:\d*$/, '');
  const sameHost = names.filter((name) => name.replace(/:\d+$/, '') === host);
  if (sameHost.length > 0) return sameHost;
  const longer = host.length < 2 ? [] : names.filter((name) => name.startsWith(`${host}.`) || name.includes(host));
  if (longer.length > 0) return longer;
  const near = nearest(bare, names);
  return near === null ? [] : [near];
}
