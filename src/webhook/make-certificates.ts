// What @peculiar/x509 is built on asks for it.
import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { BACKDATE_MS } from './lifetime.ts';

/** What is written into the Secret, all PEM. */
export type MadeCertificates = {
  /** Goes into `caBundle`. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/**
 * Makes a CA and a certificate of it. The CA's key is gone when this returns: nobody can have it sign anything else.
 * @param names that the certificate is for, the most exact one first
 * @param wallMs now, in milliseconds since the epoch @param lifetimeMs from now on, of both
 */
export async function makeCertificates(
  names: readonly string[],
  wallMs: number,
  lifetimeMs: number,
): Promise<MadeCertificates> {
  const made = new Date(wallMs).toISOString().slice(0, 19);
  // Each CA has a name of its own: API servers know more than one while they change over.
  const issuer = `CN=carpool-webhook ${made}Z ${crypto.randomUUID().slice(0, 8)}`;
  const period = {
    notBefore: new Date(wallMs - BACKDATE_MS),
    notAfter: new Date(wallMs + lifetimeMs),
    signingAlgorithm: ALGORITHM,
  };
  const caKeys = await crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
  const caKeyId = await SubjectKeyIdentifierExtension.create(caKeys.publicKey);
  const ca = await X509CertificateGenerator.createSelfSigned({
    ...period,
    serialNumber: serial(),
    name: issuer,
    keys: caKeys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      caKeyId,
    ],
  });
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const leaf = await X509CertificateGenerator.create({
    ...period,
    serialNumber: serial(),
    subject: 'CN=carpool-webhook',
    issuer,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value }))),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    ca: `${ca.toString('pem')}\n`,
    cert: `${leaf.toString('pem')}\n`,
    key: `-----BEGIN PRIVATE KEY-----\n${(key.match(/.{1,64}/g) ?? []).join('\n')}\n-----END PRIVATE KEY-----\n`,
  };
}

/** 16 random bytes, positive and never empty (RFC 5280 section 4.1.2.2). */
function serial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}
