import { once } from 'node:events';
import net from 'node:net';
import type { OriginConnection } from '../raw-origin.ts';
import type { Relay } from './relay-fixture.ts';

/** The answer to a CONNECT that is taken. */
export const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n';
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

export const connectHead = (target: string): string => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;

/** A connection of the app on which CONNECT to the origin was answered with 200; nothing has been said inside. */
export async function connected(relay: Relay, behind = ''): Promise<OriginConnection> {
  const client = await relay.client();
  client.write(connectHead(relay.target) + behind);
  await client.untilReceived(ESTABLISHED);
  return client;
}

/** What came to the app inside of its CONNECT. */
export const inside = ({ received }: OriginConnection): string => received.slice(ESTABLISHED.length);

/** Resolves when the sidecar has read all that was written to it before. */
export async function settled(relay: Relay): Promise<void> {
  const barrier = await relay.client();
  barrier.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await barrier.until(({ ended }) => ended);
  barrier.socket.destroy();
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/** An address at which nobody listens. */
export async function refusing(): Promise<string> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}
