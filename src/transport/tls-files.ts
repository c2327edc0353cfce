import { readFileSync, statSync } from 'node:fs';
import type { SecureContext } from 'node:tls';

/**
 * What a TLS client is made of: PEM files, which may change under us, and the least version. node:tls is loaded with the
 * first of them: a sidecar without TLS never has it.
 */
export type TlsFiles = {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
};

/** A file of which no use can be made. The message says why, and holds nothing of what is in the file. */
export class TlsFileError extends Error {
  /** Which setting names the file. */
  readonly setting: 'ca' | 'cert' | 'key';
  readonly path: string;

  constructor(setting: TlsFileError['setting'], path: string, message: string) {
    super(`${path} ${message}`);
    this.name = 'TlsFileError';
    this.setting = setting;
    this.path = path;
  }
}

const errorCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);

/** OpenSSL's word for what is wrong, without what it was found in. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && 'reason' in error && typeof error.reason === 'string' ? error.reason : errorCode(error);

function read(setting: TlsFileError['setting'], path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new TlsFileError(setting, path, `cannot be read: ${errorCode(error)}`);
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*(-----END CERTIFICATE-----)?/g;

/** Of a CA file OpenSSL skips what it cannot read, were it all of it: it has to be looked into. */
function readCertificates(setting: 'ca' | 'cert', path: string): string {
  const pem = read(setting, path);
  const certificates = pem.match(CERTIFICATE);
  if (certificates === null) throw new TlsFileError(setting, path, 'has no certificate in PEM form');
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw new TlsFileError(setting, path, `cannot be used: its certificate ${index + 1}: ${reasonOf(error)}`);
    }
  }
  return pem;
}

/** Without files all are alike, and an app may name thousands of destinations. */
const WITHOUT_FILES = new Map<TlsFiles['minVersion'], SecureContext>();

/**
 * Reads the files and makes a client of them.
 * @throws TlsFileError for a file that cannot be read or used
 */
export function readTlsContext(files: TlsFiles): SecureContext {
  const { createSecureContext } = process.getBuiltinModule('node:tls');
  if (files.ca === null && files.cert === null) {
    const known = WITHOUT_FILES.get(files.minVersion) ?? createSecureContext({ minVersion: files.minVersion });
    WITHOUT_FILES.set(files.minVersion, known);
    return known;
  }
  const ca = files.ca === null ? null : readCertificates('ca', files.ca);
  const cert = files.cert === null ? null : readCertificates('cert', files.cert);
  const key = files.key === null ? null : read('key', files.key);
  const attempt = (setting: TlsFileError['setting'], options: Parameters<typeof createSecureContext>[0]) => {
    try {
      return createSecureContext({ ...options, minVersion: files.minVersion });
    } catch (error) {
      throw new TlsFileError(setting, files[setting] ?? '', `cannot be used: ${reasonOf(error)}`);
    }
  };
  // The certificate alone first, so that what is wrong is told of the right file.
  if (cert !== null) attempt('cert', { cert });
  const own = cert === null || key === null ? {} : { cert, key };
  return attempt(cert === null ? 'ca' : 'key', { ...(ca === null ? {} : { ca }), ...own });
}

/** Which files these are (see `fileVersion`). */
export function tlsFilesVersion({ ca, cert, key }: TlsFiles): string {
  return [ca, cert, key].map((path) => (path === null ? '' : fileVersion(path))).join();
}

/**
 * Which file this is: another text when it was written, renamed over, or is behind another link (the mount of a Secret), at
 * the price of a `stat`.
 */
export function fileVersion(path: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
    return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
  } catch (error) {
    return errorCode(error);
  }
}
