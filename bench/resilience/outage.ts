import type { Behaviour } from '../faults/endpoint-script.ts';
import { withProxy } from '../faults/with-proxy.ts';
import { OpenLoop } from '../load/open-loop.ts';
import type { Children } from '../rig/children.ts';
import { IMPATIENT, subject } from './subjects.ts';

const RATE = 200;

/** Requests that the origins saw for each one of the app, while nothing works. */
export type OutageRow = {
  readonly what: string;
  readonly asked: number;
  readonly seen: number;
  readonly answered: number;
};

const CASES: readonly { readonly what: string; readonly behaviour: Behaviour }[] = [
  { what: 'every request is reset', behaviour: 'reset-before-head' },
  { what: 'every answer is 503', behaviour: 'unavailable' },
  { what: 'no request is answered', behaviour: 'mute' },
];

/** 200 GETs a second with the preset and time-outs of 200 ms, at three endpoints of which none works. */
export async function measureOutage(
  children: Children,
  seconds: number,
  entry: string | undefined,
): Promise<readonly OutageRow[]> {
  const rows: OutageRow[] = [];
  for (const { what, behaviour } of CASES) {
    const peer = subject('carpool-outage', 3, IMPATIENT, entry);
    const request = Buffer.from(`GET http://${peer.host}/work HTTP/1.1\r\nHost: ${peer.host}\r\n\r\n`, 'latin1');
    const load = { port: peer.port, rate: RATE, connections: 400, timeoutMs: 20_000, request: () => request };
    const script = { behaviour };
    rows.push(
      await withProxy(
        children,
        peer,
        script,
        script,
        async () => {},
        async (endpoints) => {
          const result = await new OpenLoop({ ...load, seconds }).run();
          let seen = 0;
          for (const endpoint of endpoints) seen += (await endpoint.report()).requests;
          return { what, asked: result.offered, seen, answered: result.answered };
        },
      ),
    );
  }
  return rows;
}
