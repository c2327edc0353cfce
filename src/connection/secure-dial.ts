import type { SecureTarget } from '../transport/secure-socket.ts';

/** What a dial needs so that what it opens is a TLS connection. Made by the identity of a destination, one for each lane. */
export interface SecureDial {
  /**
   * What the next handshake is to be made with; each call may give another session.
   * @throws TlsFileError where the files are of no use, and have not been since the identity was made
   */
  target(): SecureTarget;
  /** The protocol that must be agreed on, or null: any that was offered, or none. */
  readonly must: string | null;
}
