/** An object of the API is some twenty deep. */
const MAX_DEPTH = 200;
/** Objects, lists and what stands in them. A pod of 1.5 MiB with nothing but short variables has fewer. */
const MAX_VALUES = 300_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * Looks whether a JSON text is harmless to parse. Three megabytes of brackets become 200 MB of empty lists, more than the heap
 * of the webhook, and a heap that is full ends the process.
 * @returns in words what is wrong, or null. Whether it is JSON is not looked at.
 */
export function beyondLimits(json: string): string | null {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = endOfString(json, at);
    else if (code === COMMA) values++;
    // [ and {, which differ in one bit, as ] and } do
    else if ((code & 0xdf) === 0x5b) {
      values++;
      depth++;
    } else if ((code & 0xdf) === 0x5d) depth--;
    if (depth > MAX_DEPTH) return `it is more than ${MAX_DEPTH} levels deep`;
    if (values > MAX_VALUES) return `it has more than ${MAX_VALUES} values`;
  }
  return null;
}

/** Where the string that begins at `from` ends; the end of the text where it does not. */
function endOfString(json: string, from: number): number {
  for (let at = from + 1; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  return json.length;
}
