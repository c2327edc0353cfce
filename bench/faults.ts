import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type BrokenRow, FAULTS, measureBroken } from './faults/broken-endpoint.ts';
import { type FaultPeer, faultPeers } from './faults/fault-peers.ts';
import type { Tally } from './faults/lanes.ts';
import { measureApplied, measureIdleClose, type PostRow } from './faults/posts.ts';
import { Children, pinSelf } from './rig/children.ts';
import { machine } from './rig/machine.ts';
import { ports } from './rig/ports.ts';
import { figure, formatTable } from './rig/table.ts';

const USAGE = `What clients see while endpoints misbehave, behind carpool and behind others with their defaults.
  --peers A,B        of carpool nginx haproxy undici (default carpool,nginx,haproxy)
  --seconds N        of each broken endpoint (default 10)
  --faults A,B       of ${FAULTS.map(({ name }) => name).join(' ')} idle-close applied (default all)
  --entry FILE       another build of carpool than dist/carpool.js
  --json FILE        every row
  --quick            shorter and fewer, to see that it works`;

const IDLE_CLOSE_MS = 2000;

/** `make bench-faults`. See docs/benchmarks.md. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: 'carpool,nginx,haproxy' },
      seconds: { type: 'string' },
      faults: { type: 'string' },
      entry: { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const { quick } = values;
  const seconds = Number(values.seconds ?? (quick ? 2 : 10));
  const wanted = values.faults?.split(',') ?? null;
  pinSelf();
  const children = new Children();
  const names = values.peers.split(',');
  const peers = faultPeers(names, ports.faultEndpoints, values.entry).filter(({ balances }) => balances);
  const peersOfOne = faultPeers(names, ports.faultEndpoints.slice(0, 1), values.entry);

  const broken: BrokenRow[] = [];
  for (const { name, words } of FAULTS) {
    if (wanted !== null && !wanted.includes(name)) continue;
    const rows = await each(peers, (peer) => measureBroken(children, peer, name, seconds));
    broken.push(...rows);
    console.log(`\n## one of three endpoints ${words}: ${seconds} s at 200/s, clients give up after 1 s\n`);
    console.log(brokenTable(rows));
  }
  const posts: { idleClose: readonly PostRow[]; applied: readonly PostRow[] } = { idleClose: [], applied: [] };
  if (wanted === null || wanted.includes('idle-close')) {
    const plan = { lanes: quick ? 20 : 50, requests: quick ? 4 : 20, idleCloseMs: IDLE_CLOSE_MS };
    posts.idleClose = await each(peersOfOne, (peer) => measureIdleClose(children, peer, plan));
    console.log(
      `\n## an endpoint closes after ${IDLE_CLOSE_MS} ms idle, requests come 30 ms before to 10 ms after that\n`,
    );
    console.log(postTable(posts.idleClose));
  }
  if (wanted === null || wanted.includes('applied')) {
    const plan = { lanes: 10, requests: quick ? 20 : 100, idleCloseMs: 0 };
    posts.applied = await each(peersOfOne, (peer) => measureApplied(children, peer, plan));
    console.log('\n## an endpoint acts on every fifth request and closes without an answer\n');
    console.log(postTable(posts.applied));
  }
  if (values.json) {
    writeFileSync(values.json, `${JSON.stringify({ at: new Date(), machine: machine(), broken, posts }, null, 1)}\n`);
  }
}

/** One peer after another: they share the endpoints' ports. */
async function each<R>(peers: readonly FaultPeer[], measure: (peer: FaultPeer) => Promise<R>): Promise<readonly R[]> {
  const rows: R[] = [];
  for (const peer of peers) {
    rows.push(await measure(peer));
    console.error(`.. ${JSON.stringify(rows.at(-1))}`);
  }
  return rows;
}

function brokenTable(rows: readonly BrokenRow[]): string {
  const kinds = (row: BrokenRow): string => {
    return Object.entries(row.kinds)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ');
  };
  return formatTable(
    ['peer', 'requests', 'failed', 'p50 µs', 'p99 µs', 'max µs', 'how'],
    rows.map((row) => [
      row.peer,
      String(row.offered),
      String(row.failed),
      figure(row.p50Us),
      figure(row.p99Us),
      figure(row.maxUs),
      kinds(row),
    ]),
  );
}

function postTable(rows: readonly PostRow[]): string {
  const perThousand = ({ sent, failed }: Tally): string => figure(sent === 0 ? null : (failed / sent) * 1000, 1);
  return formatTable(
    [
      'peer',
      'GETs',
      'failed GETs ‰',
      'POSTs',
      'failed POSTs ‰',
      'of these applied',
      'POSTs applied twice',
      'connections',
    ],
    rows.map((row) => [
      row.peer,
      String(row.gets.sent),
      perThousand(row.gets),
      String(row.posts.sent),
      perThousand(row.posts),
      String(row.failedButApplied),
      String(row.appliedTwice),
      String(row.connections),
    ]),
  );
}

try {
  await main();
  process.exit(0);
} catch (problem) {
  console.error(problem instanceof Error ? problem.message : problem);
  process.exit(1);
}
