import type { Server } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import type { Clock } from '../clock.ts';

/** How long an answer that is being written may go on after `stopServer`, in milliseconds. */
const STOP_GRACE_MS = 1000;

/** Starts listening; rejects with the error of the bind. */
export function listen(server: Server, options: ListenOptions): Promise<AddressInfo | string | null> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      server.off('listening', listening);
      reject(error);
    };
    const listening = () => {
      server.off('error', failed);
      resolve(server.address());
    };
    server.once('error', failed);
    server.once('listening', listening);
    server.listen(options);
  });
}

/** Ends a server: no new connection, idle ones close now (`close` does that), answers in progress have a second. */
export function stopServer(server: Server, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const grace = clock.setTimer(() => server.closeAllConnections(), STOP_GRACE_MS);
    server.close(() => {
      grace.cancel();
      resolve();
    });
  });
}

/** The system's error code, or an empty string. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
