import type { ByteHandler, ByteSocket } from '../transport/byte-socket.ts';
import type { TakeConnect } from './connect.ts';
import type { DownstreamSession } from './downstream-session.ts';
import { Http1Session } from './http1-session.ts';
import { Http2Session } from './http2-session.ts';
import type { ListenerContext } from './listener-context.ts';
import type { RequestPlanner } from './request-plan.ts';

/**
 * Begins a session on a connection of the app whose protocol is known. It takes the socket over, and stands among the sessions.
 * @param takeConnect who goes on with a CONNECT; null where none may come
 */
export function openSession(
  speaks: 'http1' | 'http2',
  socket: ByteSocket,
  context: ListenerContext,
  planner: RequestPlanner,
  takeConnect: TakeConnect | null,
): DownstreamSession & ByteHandler {
  const { closed } = context.sessions;
  const session =
    speaks === 'http1'
      ? new Http1Session(socket, context, closed, planner, takeConnect)
      : new Http2Session(socket, context, closed, planner);
  context.sessions.add(session);
  return session;
}
