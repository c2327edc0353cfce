import type { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls';

/** What one TLS connection is opened with. */
export type SecureTarget = {
  readonly context: SecureContext;
  /** The name, or the address, that the certificate must have; a name is also asked for (SNI). */
  readonly serverName: string;
  /** What the client offers to speak, in the form of RFC 7301 section 3.1. */
  readonly alpn: Uint8Array;
  /** A session to resume, or null. */
  readonly session: Buffer | null;
  /** The server gave a session that a later connection can resume. */
  keepSession(session: Buffer): void;
};

/** How far a TLS connection has come. A certificate is looked at when the rest of the handshake is done. */
export type SecurePhase = 'connecting' | 'handshake' | 'verifying' | 'established';

/** A TLS socket that dials, and what can be told of it when it fails. */
export type SecureSocket = {
  readonly socket: TLSSocket;
  phase: SecurePhase;
  /** The server's certificate, from `verifying` on. */
  certificate: X509Certificate | null;
};

type Address = {
  readonly address: string;
  readonly port: number;
  readonly keepAliveMs: number;
  /** A connection that stands, through a proxy: TLS goes over it, and nothing is dialled. */
  readonly over?: Socket | null;
};

/**
 * Opens TLS to an address. The name is checked and the chain verified, whatever the process' variables say.
 * @param onread where to read to; null: `data` events tell, as they do always over another socket
 */
export function connectSecure(
  { address, port, keepAliveMs, over = null }: Address,
  target: SecureTarget,
  writeHighWater: number,
  onread: { readonly buffer: Buffer; readonly callback: (bytes: number) => boolean } | null,
): SecureSocket {
  const { connect, checkServerIdentity } = process.getBuiltinModule('node:tls');
  const { serverName } = target;
  // `onread`, and some of what net.connect takes, are not in the types of tls.connect.
  const options: ConnectionOptions & Record<string, unknown> = {
    ...(over === null ? { host: address, port } : { socket: over }),
    noDelay: true,
    keepAlive: keepAliveMs > 0,
    keepAliveInitialDelay: keepAliveMs,
    allowHalfOpen: true,
    highWaterMark: writeHighWater,
    autoSelectFamily: false,
    secureContext: target.context,
    // An address is no name for SNI (RFC 6066 section 3).
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ALPNProtocols: target.alpn,
    rejectUnauthorized: true,
    checkServerIdentity: (_host: string, certificate) => checkServerIdentity(serverName, certificate),
    ...(target.session === null ? {} : { session: target.session }),
    ...(onread === null || over !== null ? {} : { onread }),
  };
  const socket = connect(options);
  const secure: SecureSocket = { socket, phase: over === null ? 'connecting' : 'handshake', certificate: null };
  socket.once('connect', () => {
    secure.phase = 'handshake';
  });
  // Before Node verifies: afterwards a socket that was refused has no certificate to tell of any more.
  socket.prependOnceListener('secure', () => {
    secure.phase = 'verifying';
    secure.certificate = socket.getPeerX509Certificate() ?? null;
  });
  socket.once('secureConnect', () => {
    secure.phase = 'established';
    secure.certificate = null;
  });
  // Only verified connections give sessions.
  socket.on('session', (session: Buffer) => target.keepSession(session));
  return secure;
}

/** TCP ended, and TLS had not: like a reset, it says nothing of whether the message was whole. */
export function truncated(): NodeJS.ErrnoException {
  const error = new Error('the TLS connection ended without close_notify: something may be missing');
  return Object.assign(error, { code: 'ECONNRESET' });
}
