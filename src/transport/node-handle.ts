import net from 'node:net';
import { getSystemErrorName } from 'node:util';

/**
 * The one file that touches what Node does not document: the handle of a socket. It lets accepted sockets read into a
 * shared buffer (`onread`, documented for `net.connect` only), and lets bytes be written without the machinery of streams,
 * which costs a seventh of a request. Everything here says by null where this Node has it no more; then plain sockets with
 * `data` events and `write` serve, the same but slower.
 */
export type Handle = {
  readonly useUserBuffer?: (buffer: Uint8Array) => void;
  readonly setNoDelay?: (on: boolean) => void;
  /** Of TLS: the TCP handle below. */
  readonly _parent?: unknown;
  /** Node 26: returns 0 or a negative errno where the write is over when it returns, else the request that goes on. */
  readonly writeBuffer?: (request: null, bytes: Buffer) => unknown;
};

/** A write that the kernel did not take whole at once. */
type WriteRequest = {
  oncomplete: (status: number) => void;
  /** Keeps the memory alive until it is written. */
  buffer: Buffer;
  /** Set where it was over before `oncomplete` was. */
  writeStatus: number | null;
};

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Turns the short cuts off, to test what they fall back to. */
const plain = (): boolean => process.env.CARPOOL_PLAIN_SOCKETS === '1';

/** `writeBuffer` takes no request since Node 26; other versions are not asked, for an older one would abort. */
const WRITES_DIRECTLY = process.versions.node.startsWith('26.');

const isWriteRequest = (value: unknown): value is WriteRequest => isObject(value) && 'oncomplete' in value;

/** The handle of a connected socket for `writeDirect`, or null where `socket.write` has to serve. */
export function directHandle(socket: net.Socket): Handle | null {
  if (!WRITES_DIRECTLY || plain()) return null;
  const handle = handleOf(socket);
  return handle?.writeBuffer === undefined ? null : handle;
}

/**
 * Writes `bytes` past the stream of their socket.
 * @returns 0: taken; a negative errno: refused, nothing was sent; or a request that goes on: `whenWritten` must follow
 */
export function writeDirect(handle: Handle, bytes: Buffer): number | WriteRequest {
  const result = handle.writeBuffer?.(null, bytes);
  if (typeof result === 'number') return result;
  if (!isWriteRequest(result)) throw new Error('this Node writes in a way that carpool does not know');
  return result;
}

/** Calls `completed` with 0 or a negative errno when the kernel has taken all `bytes`, whose memory is in use till then. */
export function whenWritten(request: WriteRequest, bytes: Buffer, completed: (status: number) => void): void {
  request.oncomplete = completed;
  request.buffer = bytes;
  // It was over before anybody listened.
  const status = request.writeStatus;
  if (typeof status !== 'number') return;
  request.writeStatus = null;
  completed(status);
}

function handleOf(socket: net.Socket): Handle | null {
  const handle: unknown = Reflect.get(socket, '_handle');
  return isObject(handle) ? handle : null;
}

/**
 * Lets a socket that reads into a buffer given to it read into `buffer` from now on.
 * @returns false where that cannot be had: of one with `data` events
 */
export function readInto(socket: net.Socket, buffer: Buffer): boolean {
  const handle = plain() || socket.listenerCount('data') > 0 ? null : handleOf(socket);
  if (handle?.useUserBuffer === undefined) return false;
  handle.useUserBuffer(buffer);
  return true;
}

/**
 * Whether a TLS socket that has just ended did so by the peer's close_notify; false: its TCP connection alone ended, and
 * the end of the message may be missing (RFC 9112 section 9.8). Ask in the `end` event, and of a socket that is not paused.
 *
 * Node tells both in the same way. But at the end of TCP libuv has stopped to read, and can be told to begin again; at a
 * close_notify it goes on, and says so (EALREADY).
 */
export function endedByCloseNotify(socket: net.Socket): boolean {
  const parent: unknown = handleOf(socket)?._parent;
  if (!isObject(parent) || typeof parent.readStart !== 'function') return true;
  return Reflect.apply(parent.readStart, parent, []) !== 0;
}

/** A socket over a bare handle that reads into `buffer`, and where to say who gets what it reads. */
export type Wrapped = { readonly socket: net.Socket; begin(onRead: (bytes: number) => void): void };

/** Makes a socket over `handle`; nothing is read before `begin`. */
export function wrapHandle(handle: Handle, buffer: Buffer, writableHighWaterMark: number): Wrapped {
  let onRead: ((bytes: number) => void) | null = null;
  const options = {
    handle,
    allowHalfOpen: true,
    pauseOnCreate: true,
    writableHighWaterMark,
    onread: {
      buffer,
      callback: (bytes: number) => {
        onRead?.(bytes);
        return true;
      },
    },
  };
  // The types of Node know no handle that comes from a server.
  const socket: unknown = Reflect.construct(net.Socket, [options]);
  if (!(socket instanceof net.Socket)) throw new Error('net.Socket made no socket');
  return {
    socket,
    begin: (callback) => {
      onRead = callback;
      socket.resume();
    },
  };
}

/**
 * Calls `accept` for each connection of a listening server: with its bare handle where Node lets us have it before it
 * makes a socket of it, else with the handle taken out of the socket, else with the socket.
 */
export function acceptHandles(server: net.Server, accept: (accepted: Handle | net.Socket) => void): void {
  server.on('connection', (socket: net.Socket) => {
    const handle = plain() ? null : handleOf(socket);
    if (handle === null) {
      accept(socket);
      return;
    }
    Reflect.set(socket, '_handle', null);
    accept(handle);
  });
  const listening: unknown = Reflect.get(server, '_handle');
  if (plain() || !isObject(listening) || typeof listening.onconnection !== 'function') return;
  listening.onconnection = (error: number, handle: unknown): void => {
    // A failed accept (EMFILE) concerns that one connection only.
    if (error !== 0 || !isObject(handle)) return;
    accept(handle);
  };
}

export const isSocket = (accepted: Handle | net.Socket): accepted is net.Socket => accepted instanceof net.Socket;

/** What Node itself makes of a negative errno. */
export function systemError(call: string, errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`${call} ${code}`), { code, errno, syscall: call });
}
