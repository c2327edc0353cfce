import { readFileSync } from 'node:fs';
import type { OriginConnection } from '../raw-origin.ts';
import type { Sidecar } from '../sidecar.ts';

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Answers every request that comes on a connection, whatever its bytes: a head without a body each. */
export function answering(connection: OriginConnection, answer = OK): void {
  let answered = 0;
  connection.socket.on('data', () => {
    const heads = connection.received.split('\r\n\r\n').length - 1;
    for (; answered < heads; answered++) connection.write(answer);
  });
}

/** The heads that came on a connection, as lines. */
export const heads = ({ received }: OriginConnection): string[][] =>
  received
    .split('\r\n\r\n')
    .slice(0, -1)
    .map((head) => head.split('\r\n'));

/** Lines of the sidecar's log. */
export const logOf = (sidecar: Sidecar): string => readFileSync(sidecar.logFile, 'utf8');
