import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** A certificate and its key, as the server shows them. */
export type ServingPair = {
  /** PEM: the leaf first, then what stands between it and the CA. */
  readonly cert: string;
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of the leaf, to tell one from another in the log. */
  readonly fingerprint: string;
};

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The certificates of a PEM text; null where one of them cannot be read. */
export function readCertificates(pem: string): readonly X509Certificate[] | null {
  try {
    return (pem.match(BLOCK) ?? []).map((block) => new X509Certificate(block));
  } catch {
    return null;
  }
}

/** Whether a certificate holds at a time, in milliseconds since the epoch. */
export function isValidAt(certificate: X509Certificate, wallMs: number): boolean {
  return certificate.validFromDate.getTime() <= wallMs && wallMs <= certificate.validToDate.getTime();
}

/**
 * Checks what a Secret or a directory holds.
 * @param names all of which the certificate has to be for
 * @returns the pair, or in words why it is of no use at this time
 */
export function readServingPair(
  cert: string,
  key: string,
  names: readonly string[],
  wallMs: number,
): ServingPair | { readonly problem: string } {
  if (cert.trim() === '' && key.trim() === '') return { problem: 'there is no certificate yet' };
  const [leaf] = readCertificates(cert) ?? [];
  if (leaf === undefined) return { problem: 'tls.crt holds no certificate that can be read' };
  const { notBefore, notAfter } = validity(leaf);
  try {
    if (!leaf.checkPrivateKey(createPrivateKey(key))) return { problem: 'the key in tls.key is not that of tls.crt' };
  } catch {
    return { problem: 'tls.key holds no key that can be read' };
  }
  try {
    // It also reads what stands behind the leaf, and refuses keys that are too short.
    createSecureContext({ cert, key });
  } catch (error) {
    return {
      problem: `TLS does not take tls.crt and tls.key: ${error instanceof Error ? error.message : 'no reason'}`,
    };
  }
  if (wallMs > notAfter) return { problem: `the certificate expired at ${new Date(notAfter).toISOString()}` };
  if (wallMs < notBefore) return { problem: `the certificate is valid from ${new Date(notBefore).toISOString()} on` };
  const missing = names.find((name) => leaf.checkHost(name) === undefined);
  if (missing !== undefined) return { problem: `the certificate is not for ${missing}` };
  return { cert, key, notBefore, notAfter, fingerprint: leaf.fingerprint256 };
}

/** From and until when, in milliseconds since the epoch. */
export function validity(certificate: X509Certificate): { readonly notBefore: number; readonly notAfter: number } {
  return { notBefore: certificate.validFromDate.getTime(), notAfter: certificate.validToDate.getTime() };
}
