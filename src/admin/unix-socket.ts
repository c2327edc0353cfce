import { lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';
import { CarpoolError } from '../errors.ts';
import { errorCode, listen } from './listening.ts';

/** How long a process behind an existing socket has to answer the connection, in milliseconds. */
const PROBE_MS = 1000;

/** What the kernel's address structure holds of a path (Linux: 108 with the final NUL). */
const MAX_PATH_BYTES = 107;

/**
 * Binds `server` to a Unix socket that only this user may open. The directory is made if need be; a socket file that a
 * crashed process left is replaced; that of a living one is not.
 * @returns null, or why there can be no socket at that place (a read-only file system, a missing directory that cannot
 *   be made): the sidecar works without
 * @throws CarpoolError CONFIG_INVALID where another process or another file is at that path
 */
export async function listenOnUnixSocket(server: Server, path: string, clock: Clock): Promise<string | null> {
  const hint = 'mount a writable directory (emptyDir) there, or set control.socket to a path that can be written';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    return `no control socket: ${path} is longer than ${MAX_PATH_BYTES} bytes; set control.socket to a shorter path`;
  try {
    makeDirectory(dirname(path));
  } catch (error) {
    return `no control socket: the directory of ${path} cannot be made (${errorCode(error)}); ${hint}`;
  }
  try {
    await removeStale(path, clock);
  } catch (error) {
    if (error instanceof CarpoolError) throw error;
    return `no control socket: what is at ${path} can neither be used nor removed (${errorCode(error)}); ${hint}`;
  }
  // Mode 0600. The file must never exist with wider rights, not even until a chmod: bind itself obeys the umask.
  const umask = process.umask(0o177);
  let bound: Promise<unknown>;
  try {
    bound = listen(server, { path });
  } finally {
    process.umask(umask);
  }
  try {
    await bound;
    return null;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EADDRINUSE') throw inUse(path);
    return `no control socket: cannot bind ${path} (${code || error}); ${hint}`;
  }
}

/** Removes the socket of a process that is gone. */
async function removeStale(path: string, clock: Clock): Promise<void> {
  const kind = lstatSync(path, { throwIfNoEntry: false });
  if (!kind) return;
  if (!kind.isSocket())
    throw new CarpoolError(
      'CONFIG_INVALID',
      `control.socket ${path} is there already and is no socket: remove it, or set another path`,
    );
  if (await answers(path, clock)) throw inUse(path);
  unlinkSync(path);
}

function inUse(path: string): CarpoolError {
  return new CarpoolError(
    'CONFIG_INVALID',
    `control.socket ${path} belongs to a running process: stop it, or set control.socket (CARPOOL_CONTROL_SOCKET) to another path`,
  );
}

/** Whether a process accepts connections on the socket; one that is too busy to say so in time counts as living. */
function answers(path: string, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (living: boolean) => {
      deadline.cancel();
      socket.destroy();
      resolve(living);
    };
    const deadline = clock.setTimer(() => end(true), PROBE_MS);
    socket.once('connect', () => end(true));
    socket.on('error', (error) => end(errorCode(error) !== 'ECONNREFUSED' && errorCode(error) !== 'ENOENT'));
  });
}

/** As `mkdirSync` with `recursive`, which never returns where a file system refuses by ENOENT, as /proc does. */
function makeDirectory(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(directory);
  if (parent !== directory) makeDirectory(parent);
  mkdirSync(directory, { mode: 0o700 });
}
