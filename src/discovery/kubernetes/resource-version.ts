const NUMBER = /^(?:0|[1-9][0-9]{0,38})$/;

/**
 * Whether resource version `a` is of a time before `b`. They are opaque by the API's old contract, and numbers that grow
 * in every server there is (and by its new one, KEP-5504): where one is no number, nothing is concluded (false).
 */
export function olderVersion(a: string, b: string): boolean {
  if (!NUMBER.test(a) || !NUMBER.test(b)) return false;
  return a.length === b.length ? a < b : a.length < b.length;
}
