/** When a JSON web token expires, in milliseconds since the epoch; null where it does not say. Its signature is not looked at. */
export function tokenExpiry(token: string): number | null {
  const [, payload, ...rest] = token.trim().split('.');
  if (payload === undefined || rest.length !== 1) return null;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const expiry: unknown = typeof claims === 'object' && claims !== null ? Reflect.get(claims, 'exp') : null;
    return typeof expiry === 'number' && Number.isFinite(expiry) && expiry < 8.64e12 ? expiry * 1000 : null;
  } catch {
    return null;
  }
}
