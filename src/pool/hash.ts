/** FNV-1a, 32 bits: the first value and the factor. */
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The finalizer of murmur3: each bit of what goes in moves each bit of what comes out with a chance of one half. */
export function mix(value: number): number {
  const once = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return twice ^ (twice >>> 16);
}

/** What `buffer[start..end)` hashes to, from 0 to 2³¹ − 1: the same in every process, so that all sidecars agree. */
export function hashBytes(buffer: Uint8Array, start: number, end: number): number {
  let value = FNV_BASIS;
  for (let at = start; at < end; at++) value = Math.imul(value ^ (buffer[at] ?? 0), FNV_PRIME);
  return mix(value) >>> 1;
}

/** The same for text, as its UTF-8 bytes. */
export function hashText(text: string): number {
  const bytes = Buffer.from(text);
  return hashBytes(bytes, 0, bytes.length);
}
