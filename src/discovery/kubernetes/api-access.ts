import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ApiError } from './kube-api.ts';

/** Where the API server is and how this process shows who it is. */
export type ApiAccess = {
  readonly server: URL;
  /** PEM, one or more; null: the CAs that Node knows. */
  readonly ca: string | null;
  readonly token: string | null;
  /** A client certificate and its key, PEM. */
  readonly cert: string | null;
  readonly key: string | null;
  /** The name that the certificate is for, in place of the server's. */
  readonly serverName: string | null;
  /** The certificate is not verified. */
  readonly insecure: boolean;
};

/** What is wrong with what should give access, and what to do; nothing was sent. */
export function noCredentials(message: string, hint: string, cause?: unknown): ApiError {
  return new ApiError('no_credentials', message, hint, { cause });
}

const CAUSES: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  EACCES: 'may not be read by this process',
  EPERM: 'may not be read by this process',
  EISDIR: 'is a directory',
  ENOTDIR: 'is not there',
};

/**
 * The text of a small file on a local disk; a few of them, every ten seconds at most, cost less than a hop of the thread pool.
 * @param what how to call the file: `the service account token`
 * @throws ApiError `no_credentials`
 */
export function readSmallFile(path: string, what: string, hint: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    throw noCredentials(
      `${what} ${path} ${CAUSES[code] ?? `cannot be read (${code || 'unknown error'})`}`,
      hint,
      cause,
    );
  }
}

/**
 * A token as it goes into a request's head. What is wrong with it is told without showing it.
 * @throws ApiError `no_credentials`
 */
export function checkedToken(text: string, where: string, hint: string): string {
  const token = text.trim();
  if (token === '') throw noCredentials(`${where} is empty`, hint);
  if (!/^[\x21-\x7e]+$/.test(token))
    throw noCredentials(`${where} holds no token: there are spaces or characters in it that a token cannot have`, hint);
  return token;
}

/**
 * Certificates as TLS takes them.
 * @throws ApiError `no_credentials`
 */
export function checkedCertificates(pem: string, where: string, hint: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw noCredentials(`${where} holds no certificate in PEM form`, hint);
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (cause) {
      throw noCredentials(`${where} holds a certificate that cannot be read`, hint, cause);
    }
  }
  return pem;
}

/**
 * The API server's address, without a slash at the end of its path.
 * @param where what says so: `discovery.kubernetes.apiServer`
 * @throws ApiError `no_credentials`
 */
export function checkedServer(text: string, where: string): URL {
  const hint = `Write ${where} as https://HOST:PORT.`;
  const url = URL.canParse(text) ? new URL(text) : null;
  // The text itself may hold a password.
  if (url === null) throw noCredentials(`${where} is no URL`, hint);
  if (url.protocol !== 'https:')
    throw noCredentials(`${where} begins with ${url.protocol}//: a token is sent over TLS only`, hint);
  if (url.username !== '' || url.password !== '')
    throw noCredentials(`${where} has a user name or password in it, which the API server does not take`, hint);
  url.pathname = url.pathname.replace(/\/+$/, '');
  url.search = '';
  url.hash = '';
  return url;
}
