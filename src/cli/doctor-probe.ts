import { connect } from 'node:net';
import { errorCode } from '../admin/listening.ts';
import type { Clock } from '../clock.ts';

/** How a look at an address ended: what was read of an answer, or why there is none. */
export type ProbeResult =
  | { readonly kind: 'connected'; readonly answer: string }
  /** `code`: ECONNREFUSED and the like, or ETIMEDOUT. */
  | { readonly kind: 'failed'; readonly code: string };

/** A head is smaller; who sends more is read no further. */
const MAX_ANSWER_BYTES = 16_384;

/**
 * Connects, and where there is something to `send` reads what comes back until the end of a head. Never rejects.
 * @param timeoutMs for all of it; a peer that accepts and then says nothing is connected, with an empty answer
 */
export function probe(
  address: { readonly host: string; readonly port: number },
  options: { readonly clock: Clock; readonly timeoutMs: number; readonly send?: string },
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const { clock, timeoutMs, send } = options;
    let connected = false;
    let answer = '';
    const socket = connect(address);
    const end = (result: ProbeResult): void => {
      timer.cancel();
      socket.destroy();
      resolve(result);
    };
    const timer = clock.setTimer(
      () => end(connected ? { kind: 'connected', answer } : { kind: 'failed', code: 'ETIMEDOUT' }),
      timeoutMs,
    );
    socket.setEncoding('latin1');
    socket.on('connect', () => {
      connected = true;
      if (send === undefined) end({ kind: 'connected', answer });
      else socket.write(send);
    });
    socket.on('data', (text: string) => {
      answer += text;
      if (answer.includes('\r\n\r\n') || answer.length > MAX_ANSWER_BYTES) end({ kind: 'connected', answer });
    });
    socket.on('end', () => end({ kind: 'connected', answer }));
    socket.on('error', (error) =>
      end(connected ? { kind: 'connected', answer } : { kind: 'failed', code: errorCode(error) }),
    );
  });
}
