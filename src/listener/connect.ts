import { CarpoolError } from '../errors.ts';
import type { TunnelTrace } from '../forward/request-trace.ts';
import type { Head } from '../protocol/head.ts';
import type { Destination } from '../routing/destination.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { ListenerContext } from './listener-context.ts';

/** The answer to a CONNECT that is taken. */
export const CONNECT_OK = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n', 'latin1');

/** Where a CONNECT goes. */
export type ConnectTarget = {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** As the app wrote it. */
  readonly authority: Buffer;
  readonly destination: Destination;
  /** TLS is what this port is for (`connect.tlsPorts`): the answer waits for the upstream connection. */
  readonly tls: boolean;
  /** Follows it while it is a tunnel, or is to become one; null: it is not followed. */
  readonly trace: TunnelTrace | null;
};

/**
 * Goes on with a connection whose CONNECT may be answered.
 * @param early what came behind the CONNECT, or null
 * @param appEnded the app's FIN has come
 */
export type TakeConnect = (
  socket: ByteSocket,
  context: ListenerContext,
  target: ConnectTarget,
  early: Buffer | null,
  appEnded: boolean,
) => void;

const within = (port: number, ranges: readonly { readonly from: number; readonly to: number }[]): boolean =>
  ranges.some(({ from, to }) => port >= from && port <= to);

/**
 * The target of a CONNECT (RFC 9110 section 9.3.6), after all checks that need no connection.
 * @throws CarpoolError where it is refused
 */
export function connectTarget(head: Head, { config, router, tunnels, forward }: ListenerContext): ConnectTarget {
  const { buffer, authorityStart, authorityEnd, hostEnd, port } = head;
  if (!within(port, config.security.connectPorts)) {
    throw new CarpoolError('PORT_DENIED', `CONNECT to port ${port} is not allowed`);
  }
  const tls = within(port, config.connect.tlsPorts);
  // What is spoken inside another port may be no tunnel.
  if (tls) tunnels.admit();
  const bracketed = buffer.toString('latin1', authorityStart, hostEnd);
  const host = bracketed.startsWith('[') ? bracketed.slice(1, -1) : bracketed;
  const destination = router.find(host, port);
  const { denied } = destination;
  if (denied !== null) throw denied;
  const trace = forward.tracing === null ? null : forward.tracing.tunnel(head, destination);
  return { host, port, authority: Buffer.from(buffer.subarray(authorityStart, authorityEnd)), destination, tls, trace };
}
