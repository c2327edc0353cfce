import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Shorter ones can be guessed. */
const MIN_TOKEN_CHARACTERS = 16;

/** The token in the file, or what is wrong with it. Read at each call, so that a rotated Secret counts at once. */
export function readToken(file: string): { readonly token: string } | { readonly problem: string } {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch {
    return { problem: `control.tokenFile ${file} cannot be read` };
  }
  if (token.length < MIN_TOKEN_CHARACTERS)
    return { problem: `control.tokenFile ${file} holds fewer than ${MIN_TOKEN_CHARACTERS} characters` };
  return { token };
}

/** Whether an Authorization field carries the token; takes the same time wherever they differ. */
export function carriesToken(authorization: string | undefined, token: string): boolean {
  const match = /^Bearer +(\S+) *$/i.exec(authorization ?? '');
  return timingSafeEqual(digest(match?.[1] ?? ''), digest(token)) && match !== null;
}

function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}
