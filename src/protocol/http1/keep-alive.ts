/**
 * The idle time that a server promises with `Keep-Alive: timeout=N` (RFC 2068 section 19.7.1), in milliseconds, or null
 * where the field names none.
 */
export function advertisedIdleMs(value: string): number | null {
  const match = /(?:^|[,\s])timeout\s*=\s*"?(\d{1,7})"?/i.exec(value);
  return match?.[1] === undefined ? null : Number(match[1]) * 1000;
}
