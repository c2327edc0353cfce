import net from 'node:net';
import { connectSecure, type SecureSocket, type SecureTarget } from './secure-socket.ts';

/** A socket that dials a proxy, to be made something else of when the proxy has answered. */
export type RawSocket = { readonly socket: net.Socket; readonly secure: SecureSocket | null };

/**
 * Dials `address:port` with a plain socket of Node, by TLS where `secure` says so. The caller listens to its events.
 * @param connected called once when it stands, TLS included
 */
export function connectRaw(
  { address, port, keepAliveMs }: { readonly address: string; readonly port: number; readonly keepAliveMs: number },
  secure: SecureTarget | null,
  writeHighWater: number,
  connected: () => void,
): RawSocket {
  if (secure !== null) {
    const opened = connectSecure({ address, port, keepAliveMs }, secure, writeHighWater, null);
    opened.socket.once('secureConnect', connected);
    return { socket: opened.socket, secure: opened };
  }
  const socket = net.connect({
    host: address,
    port,
    noDelay: true,
    keepAlive: keepAliveMs > 0,
    keepAliveInitialDelay: keepAliveMs,
    allowHalfOpen: true,
    writableHighWaterMark: writeHighWater,
    autoSelectFamily: false,
  } as net.NetConnectOpts);
  socket.once('connect', connected);
  return { socket, secure: null };
}
