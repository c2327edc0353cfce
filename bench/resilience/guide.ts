import type { EndpointScript } from '../faults/endpoint-script.ts';
import { Lane, type Tally } from '../faults/lanes.ts';
import { withProxy } from '../faults/with-proxy.ts';
import { OpenLoop } from '../load/open-loop.ts';
import type { Children } from '../rig/children.ts';
import { IMPATIENT, subject } from './subjects.ts';

/** The suite of the guides to pooling: the same work with a pool and without, while a share of it fails. */
export type GuideRow = {
  readonly faults: string;
  readonly pool: boolean;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Of the closed loop of 50 clients. */
  readonly perSecond: number;
  /** Of both loops together. */
  readonly successShare: number;
};

const RATE = 300;
const CLIENTS = 50;
/** Every answer takes so long, as behind a network. */
const ANSWER_AFTER_MS = 5;

type Faults = { readonly words: string; readonly script: Partial<EndpointScript> };

const FAULTS: readonly Faults[] = [
  { words: 'none', script: {} },
  { words: '1 % fail', script: { behaviour: 'flaky', faultShare: 0.01 } },
  { words: '5 % fail', script: { behaviour: 'flaky', faultShare: 0.05 } },
  { words: '20 % fail', script: { behaviour: 'flaky', faultShare: 0.2 } },
  { words: '1 % time out', script: { behaviour: 'flaky-mute', faultShare: 0.01 } },
  { words: '5 % time out', script: { behaviour: 'flaky-mute', faultShare: 0.05 } },
];

/** One round of the suite. */
export async function measureGuide(
  children: Children,
  seconds: number,
  entry: string | undefined,
): Promise<readonly GuideRow[]> {
  const rows: GuideRow[] = [];
  for (const faults of FAULTS) {
    for (const pool of [true, false]) rows.push(await measureOne(children, faults, pool, seconds, entry));
  }
  return rows;
}

function measureOne(
  children: Children,
  { words, script }: Faults,
  pool: boolean,
  seconds: number,
  entry: string | undefined,
): Promise<GuideRow> {
  const name = pool ? 'carpool-pooled' : 'carpool-unpooled';
  const peer = subject(name, 3, pool ? IMPATIENT : `${IMPATIENT}, pool: { enabled: false }`, entry);
  const request = Buffer.from(`GET http://${peer.host}/work HTTP/1.1\r\nHost: ${peer.host}\r\n\r\n`, 'latin1');
  const load = { port: peer.port, rate: RATE, connections: 200, timeoutMs: 10_000, request: () => request };
  const all = { answerAfterMs: ANSWER_AFTER_MS, ...script };
  return withProxy(
    children,
    peer,
    all,
    all,
    async () => {},
    async () => {
      const open = await new OpenLoop({ ...load, seconds, warmSeconds: 1 }).run();
      const tally: Tally = { sent: 0, failed: 0 };
      const lanes = Array.from({ length: CLIENTS }, (_, i) => new Lane(peer, 'GET', `c${i}`, tally));
      const begun = performance.now();
      await Promise.all(
        lanes.map(async (lane) => {
          while (performance.now() - begun < seconds * 1000) await lane.ask();
        }),
      );
      const took = (performance.now() - begun) / 1000;
      for (const lane of lanes) lane.close();
      const failed = open.offered - open.answered + tally.failed;
      return {
        faults: words,
        pool,
        p50Us: open.p50Us,
        p99Us: open.p99Us,
        perSecond: (tally.sent - tally.failed) / took,
        successShare: 1 - failed / (open.offered + tally.sent),
      };
    },
  );
}
