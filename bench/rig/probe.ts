import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Running } from './children.ts';

/** Whether something accepts connections at a port of loopback. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

/**
 * Waits until the program accepts at the port; the milliseconds since `startedAt` (of `performance.now`).
 * @throws after `deadlineMs`, or when the program ends before
 */
export async function waitUntilAccepting(
  running: Running,
  port: number,
  startedAt: number,
  deadlineMs = 15_000,
): Promise<number> {
  while (performance.now() - startedAt < deadlineMs) {
    if (await accepts(port)) return performance.now() - startedAt;
    if (running.exited) throw new Error(`${running.name} ended before it listened; see bench/.work/log`);
    await wait(1);
  }
  throw new Error(`${running.name} does not accept on ${port}; see bench/.work/log/${running.name}.log`);
}

/** Waits (at most 3 s) until nothing accepts at the port: the workers of a program that was ended may outlive it. */
export async function waitUntilFree(port: number): Promise<void> {
  for (let i = 0; i < 300 && (await accepts(port)); i++) await wait(10);
}

export type ProbeRequest = {
  readonly port: number;
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly body: Buffer;
  /** Whether the request goes inside CONNECT to its host. */
  readonly tunnel?: boolean;
};

/** One request on a connection of its own. @throws unless the answer is a 200 with `wantedBytes` of body within 5 s. */
export function probe(request: ProbeRequest, wantedBytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: request.port, host: '127.0.0.1' });
    let head = '';
    let bodyBytes = -1;
    let opening = request.tunnel === true;
    const finish = (problem: string | null): void => {
      socket.destroy();
      if (problem === null) resolve();
      else reject(new Error(`${problem}; head: ${JSON.stringify(head.slice(0, 200))}`));
    };
    socket.setTimeout(5000, () => finish('no complete answer within 5 s'));
    socket.once('error', (error) => finish(error.message));
    socket.once('close', () => finish('the connection closed before the answer was complete'));
    socket.on('data', (chunk) => {
      if (bodyBytes >= 0) bodyBytes += chunk.length;
      else {
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end >= 0) {
          bodyBytes = head.length - end - 4;
          head = head.slice(0, end);
          if (!/^HTTP\/1\.[01] 200/.test(head)) finish('not a 200');
          else if (opening) {
            opening = false;
            bodyBytes = -1;
            head = '';
            send();
          }
        }
      }
      if (bodyBytes >= wantedBytes) finish(null);
    });
    const send = (): void => {
      const length = request.method === 'POST' ? `Content-Length: ${request.body.length}\r\n` : '';
      socket.write(`${request.method} ${request.target} HTTP/1.1\r\nHost: ${request.host}\r\n${length}\r\n`);
      if (request.body.length > 0) socket.write(request.body);
    };
    if (opening) socket.write(`CONNECT ${request.host} HTTP/1.1\r\nHost: ${request.host}\r\n\r\n`);
    else send();
  });
}
