import { isValidAt, readCertificates } from './serving-pair.ts';

/** CAs in one bundle: more are a mistake, and each API server reads them for each webhook. */
const MAX_CAS = 16;

/**
 * The bundle that API servers should have: ours first, then those of the present one that are still valid, because other
 * replicas serve certificates of theirs until they have looked again.
 * @param ours PEM of the CAs that have to be in it @param wallMs now, in milliseconds since the epoch
 * @returns PEM; the same text as `present` where that is in order
 */
export function mendedBundle(present: string, ours: readonly string[], wallMs: number): string {
  const wanted = new Map<string, string>();
  const own = ours.flatMap((pem) => readCertificates(pem) ?? []);
  const found = readCertificates(present);
  for (const certificate of [...own, ...(found ?? [])]) {
    if (!certificate.ca || !isValidAt(certificate, wallMs) || wanted.size === MAX_CAS) continue;
    wanted.set(certificate.fingerprint256, `${certificate.toString().trim()}\n`);
  }
  const same = found !== null && found.length === wanted.size && found.every((one) => wanted.has(one.fingerprint256));
  return same ? present : [...wanted.values()].join('');
}
